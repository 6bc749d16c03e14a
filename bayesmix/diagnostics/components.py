"""What the components are like in each draw, under whatever names: how many rows they hold, and which are twins."""

from dataclasses import dataclass

import numpy as np

DRAWS, LEAST = 400, 50  # draws that are looked at, and
CELLS = 4e7  # how many of them x rows x components at most
EMPTY = 1.0  # expected rows below which a component is empty in a draw
TWINS = 0.1  # of the entropy of j against k, the least that the rows must take away: two normals some 0.9 sd apart


@dataclass(frozen=True)
class Components:
    """Per draw looked at: `counts` (draws, K) expected rows, `told` how well the two least distinct components are told
    apart (draws,), `top` (draws, K) the largest responsibility-weighted share of one row in each component, `chain`
    (draws,) the chain that it is of."""

    counts: np.ndarray
    told: np.ndarray
    top: np.ndarray
    chain: np.ndarray

    def of(self, some):
        """The same of some of the draws, a mask."""
        return Components(self.counts[some], self.told[some], self.top[some], self.chain[some])

    @property
    def empty(self):
        """(draws,): whether some component holds less than one expected row."""
        return self.counts.min(axis=1) < EMPTY

    @property
    def twin(self):
        """(draws,): whether the rows hardly tell two components with rows apart."""
        return self.told < TWINS

    @property
    def singleton(self):
        """(draws,): whether some component holds little but one row."""
        return ((self.counts >= 0.5) & (self.counts < 2.5) & (self.top > 0.9)).any(axis=1)

    @property
    def spare(self):
        """(draws,): whether any of these holds."""
        return self.empty | self.twin | self.singleton


def components_of(responsibilities, chain):
    """The `Components` of draws, from the (n, K) weighted responsibilities of each and the chain (draws,) it is of."""
    counts, told, top = [], [], []
    for r in responsibilities:
        n = r.sum(axis=0)
        counts.append(n)
        told.append(least_told(r, n))
        top.append(r.max(axis=0) / np.where(n > 0, n, 1.0))
    return Components(np.array(counts), np.array(told), np.array(top), np.array(chain))


def least_told(r, n):
    """The smallest of 1 - H(j or k | row) / H(j or k) over pairs of components with rows; 1 where there is no pair.

    H(j or k) is the entropy of the pair's shares of their rows, H(j or k | row) what is left of it, on average, once
    the row is seen: zero means that the rows do not tell them apart at all. As -p log p - q log q <= 2 log 2 sqrt(p q),
    few pairs of many need to be looked at.
    """
    worst, able = 1.0, np.flatnonzero(n >= EMPTY)
    j, k = (able[i] for i in np.tril_indices(len(able), -1))
    root = np.sqrt(r)
    total = (n[j] + n[k]) * entropy(n[j] / (n[j] + n[k]))
    least = 1 - 2 * np.log(2) * (root.T @ root)[j, k] / total
    for pair in np.argsort(least):
        if least[pair] >= worst:
            break
        a, b = r[:, j[pair]], r[:, k[pair]]
        both = a + b
        p = np.divide(a, both, out=np.full(len(both), 0.5), where=both > 1e-12)
        worst = min(worst, 1 - float(both @ entropy(p)) / total[pair])
    return float(worst)


def entropy(p):
    """-p log p - (1 - p) log(1 - p)."""
    q = np.clip(p, 1e-300, 1.0)
    return -(q * np.log(q) + (1 - p) * np.log(np.clip(1 - p, 1e-300, 1.0)))

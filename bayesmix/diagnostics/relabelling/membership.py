"""Which rows belong to which component, draw by draw: all that the row-based methods read.

Each of them needs two sums over it, and both are one matrix product per block of draws.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

KEEP = 20_000_000  # draws x components x rows that are held at once; beyond, they are made anew for each pass
WHOLE = 2**24  # whole numbers up to it are exact in single precision, which halves the memory to pass over


@dataclass(frozen=True, eq=False)
class Membership:
    """m (T, K, n): one-hot for allocations, else probabilities.

    make: a function of a slice or an array of draws, which returns their m.
    """

    shape: tuple
    make: Callable

    @cached_property
    def whole(self):
        """All of m where it is small, or None."""
        return self.make(slice(None)) if np.prod(self.shape, dtype=float) <= KEEP else None

    def blocks(self):
        """(slice of draws, m of these draws), block after block."""
        T, K, n = self.shape
        some = T if self.whole is not None else max(1, KEEP // (8 * K * n))
        for first in range(0, T, some):
            part = slice(first, min(first + some, T))
            yield part, self.make(part) if self.whole is None else self.whole

    def against(self, target):
        """sum_i target[i, k] m[t, l, i] at [t, k, l], (T, K', K), for target (n, K')."""
        out = np.empty((self.shape[0], target.shape[1], self.shape[1]))
        for part, m in self.blocks():
            out[part] = product(m, target)
        return out

    def mean(self, permutation):
        """The average over draws of m after relabelling, (n, K)."""
        T, K, n = self.shape
        total = np.zeros((n, K))
        for part, m in self.blocks():
            taken = permutation[part][:, None, :] == np.arange(K)[:, None]  # (t, old, new)
            total += m.reshape(-1, n).T @ taken.reshape(-1, K).astype(m.dtype)
        return total / T

    def at(self, draw):
        """m of one draw, (n, K)."""
        return self.make(slice(draw, draw + 1))[0].T

    def take(self, draws):
        """The Membership of some of the draws."""
        return Membership((len(draws), *self.shape[1:]), lambda part: self.make(draws[part]))


def product(m, target):
    """sum_i target[i, k] m[t, l, i] at [t, k, l], for a block m (t, K, n) and target (n, K')."""
    t, K, n = m.shape
    return (m.reshape(-1, n) @ target).reshape(t, K, -1).transpose(0, 2, 1)


def one_hot(allocations, K):
    """The Membership of allocations (T, n); in single precision where that counts rows and draws exactly."""
    names, (T, n) = np.arange(K)[:, None], allocations.shape
    kind = np.float32 if max(T, n) < WHOLE else np.float64
    return Membership((T, K, n), lambda part: (allocations[part][:, None, :] == names).astype(kind))


def soft(probabilities):
    """The Membership of probabilities (T, n, K)."""
    T, n, K = probabilities.shape
    return Membership((T, K, n), lambda part: np.ascontiguousarray(probabilities[part].transpose(0, 2, 1)))

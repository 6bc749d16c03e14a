"""The one pass over the rows: log likelihood and the additive statistics r^T Phi.

With W = natural(theta) the E-step is one product W Phi^T and the M-step's statistics are one
product r^T Phi, for every exponential family. Rows are taken in blocks, so nothing of size n x K
is ever stored. Data are centred once, the specification with them: differences of large numbers
never meet.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

BLOCK = 4096  # rows per block: large enough for BLAS, small enough for the cache
LOG_TINY = -700.0  # exp of less would be denormal and slow; 1e-304 of a row is nothing
TOLERANCE = 1e-10  # largest rounding error of a component's log density before `logpdf` takes over


@dataclass(frozen=True)
class Pass:
    """What one E-step yields.

    objective: sum_i weight_i (1/beta) log sum_k exp(beta l_ik); log_likelihood: the same at beta = 1.
    counts: (K,) sum_i weight_i r_ik. stats: (K, F) r^T Phi, or the responsibilities (n, K) themselves
    for a family that is not exponential (both weighted by the rows).
    """

    objective: float
    log_likelihood: float
    counts: np.ndarray
    stats: np.ndarray


@dataclass(frozen=True)
class Problem:
    """A resolved mixture and its data, centred: all that an EM run needs."""

    mixture: object  # the Mixture in centred coordinates
    x: np.ndarray  # (n, d), centred
    log_label: np.ndarray | None  # (n, K), the family's mask included
    weight: np.ndarray | None  # (n,) row weights
    origin: np.ndarray  # (d,), what was subtracted
    constants: dict = field(default_factory=dict)  # Fixed fields that move with x, as they were (data coordinates)

    @classmethod
    def of(cls, mixture, data):
        """The problem of a resolved mixture and its data."""
        origin = data.row_weight @ data.x / data.row_weight.sum()
        origin = np.where(mixture.family.movable(data.d), origin, 0.0)
        moved = mixture.moved(-origin)
        if moved is None:
            moved, origin = mixture, np.zeros(data.d)
        moving = [n for n, p in mixture.family.parameters.items() if p.moves and not p.free]
        given = mixture.draw_unconstrained(np.random.default_rng(0), data.d) if moving else {}
        constants = {name: given[name] for name in moving}
        return cls(moved, data.x - origin, mixture.log_allowed(data), data.weight, origin, constants)

    def inward(self, theta):
        """theta in centred coordinates."""
        return self.mixture.family.shift(theta, -self.origin)

    def outward(self, theta):
        """theta in the coordinates of the data."""
        return {**self.mixture.family.shift(theta, self.origin), **self.constants}

    @cached_property
    def central(self):
        """A central theta (centred coordinates), from which the first M-step starts."""
        model, d = self.mixture, self.x.shape[1]
        weight = np.full(model.components, 1 / model.components)
        if model.is_constant("weight"):
            weight = model.draw_unconstrained(np.random.default_rng(0), d)["weight"]
        theta = {"weight": weight, **model.family.start(model.components, d)}
        for c in model.constraints:
            theta = c.project(theta, np.ones(model.components))
        return theta

    @cached_property
    def units(self):
        """The natural size of each unconstrained coordinate, (p,): numeric steps are taken in these."""
        sd = self.x.std(axis=0)
        return self.mixture.units(self.central, np.where(sd > 0, sd, 1.0))

    @cached_property
    def exponential(self):
        return self.mixture.family.exponential

    @cached_property
    def blocks_of_components(self):
        """Exchangeable blocks of components, priors and labels considered."""
        return self.mixture.blocks_given(self.x.shape[1], self.log_label)

    @property
    def exchangeable(self):
        """Whether any two components may be exchanged."""
        return len(self.blocks_of_components) == 1

    @property
    def free_blocks(self):
        """The exchangeable blocks that no order breaks: what may be relabelled."""
        return self.mixture.free_blocks(self.blocks_of_components)

    @property
    def relabelings(self):
        """Number of relabelings that leave the posterior unchanged."""
        return self.mixture.relabelings_given(self.blocks_of_components)

    @cached_property
    def features(self):
        """Phi^T, (F, n)."""
        return np.ascontiguousarray(self.mixture.family.sufficient(self.x).T)

    @cached_property
    def base(self):
        return self.mixture.family.base(self.x) if self.exponential else np.zeros(len(self.x))

    @cached_property
    def largest(self):
        """Largest absolute value of each feature, (F,): bounds the rounding error of W Phi^T."""
        return np.abs(self.features).max(axis=1)

    def blocks(self):
        n = len(self.x)
        return [slice(i, min(i + BLOCK, n)) for i in range(0, n, BLOCK)]

    def log_joint(self, theta, rows, W=None):
        """log w_k + log f_k(x_i) - base_i + log_label_ik for a block of rows: (K, rows)."""
        family = self.mixture.family
        with np.errstate(divide="ignore"):
            log_weight = np.maximum(np.log(theta["weight"]), -1e30)[:, None]
        if self.exponential:
            W = family.natural(np, **self.mixture.own(theta)) if W is None else W
            out = W @ self.features[:, rows]
            rough = np.finfo(float).eps * (np.abs(W) @ self.largest) > TOLERANCE
            if rough.any():
                exact = family.logpdf(self.x[rows], **self.mixture.own(theta)).T - self.base[rows]
                out[rough] = exact[rough]
            out += log_weight
        else:
            out = family.logpdf(self.x[rows], **self.mixture.own(theta)).T + log_weight
        if self.log_label is not None:
            out += np.maximum(self.log_label[rows].T, -1e30)
        return out

    def e_step(self, theta, beta=1.0):
        """One pass over all rows at stiffness beta (math.inf for hard assignments)."""
        K = self.mixture.components
        W = self.mixture.family.natural(np, **self.mixture.own(theta)) if self.exponential else None
        stats = np.zeros((K, len(self.features))) if self.exponential else np.empty((len(self.x), K))
        counts, objective, log_likelihood = np.zeros(K), 0.0, 0.0
        for rows in self.blocks():
            joint = self.log_joint(theta, rows, W)
            weight = None if self.weight is None else self.weight[rows]
            r, row, soft = soften(joint, beta)
            if weight is not None:
                r, row, soft = r * weight, row * weight, soft * weight
            base = self.base[rows].sum() if weight is None else self.base[rows] @ weight
            objective += row.sum() + base
            log_likelihood += soft.sum() + base
            counts += r.sum(axis=1)
            if self.exponential:
                stats += r @ self.features[:, rows].T
            else:
                stats[rows] = r.T
        return Pass(float(objective), float(log_likelihood), counts, stats)

    def responsibilities(self, theta):
        """r (n, K) at stiffness 1 and the row terms (n,)."""
        r, row = np.empty((len(self.x), self.mixture.components)), np.empty(len(self.x))
        for rows in self.blocks():
            with np.errstate(divide="ignore", invalid="ignore"):  # a rate or probability of exactly zero
                part, term, _ = soften(self.log_joint(theta, rows), 1.0)
            r[rows], row[rows] = part.T, term + self.base[rows]
        return r, row

    def statistics(self, r):
        """The statistics of given responsibilities (n, K), weighted by the rows, and their counts."""
        r = r if self.weight is None else r * self.weight[:, None]
        return (self.features @ r).T if self.exponential else r, r.sum(axis=0)


def soften(joint, beta):
    """Responsibilities r ~ exp(beta l), the row terms (1/beta) log sum exp(beta l), and those at beta = 1."""
    top = joint.max(axis=0)
    e = np.exp(np.maximum(joint - top, LOG_TINY))
    total = e.sum(axis=0)
    soft = top + np.log(total)
    if beta == 1.0:
        return e / total, soft, soft
    if np.isinf(beta):
        hard = np.zeros_like(joint)
        hard[joint.argmax(axis=0), np.arange(joint.shape[1])] = 1.0
        return hard, top, soft
    e = np.exp(np.maximum(beta * (joint - top), LOG_TINY))
    total = e.sum(axis=0)
    return e / total, top + np.log(total) / beta, soft

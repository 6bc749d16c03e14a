"""Exponential families: EM, Gibbs and NUTS share one kernel through `sufficient`, `natural` and `base`."""

from abc import abstractmethod

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec.families.base.family import Family, dot


class ExponentialFamily(Family):
    """log f_k(x) = natural(theta)_k . sufficient(x) + base(x).

    The first feature is the constant 1 and carries the log normaliser, so that the E-step is one
    product Phi W^T and the statistics of the M-step are one product r^T Phi.

    `features` tells the compiled kernel that it may build Phi itself, from x, in the cache: "linear" [1, x],
    "diagonal" [1, x, x^2] or "full" [1, x, x_i x_j for i <= j]; None for anything else.
    """

    exponential = True

    @abstractmethod
    def sufficient(self, x):
        """Phi(x): (n, d) -> (n, F), first column 1."""

    @abstractmethod
    def natural(self, xp, **theta):
        """W(theta): (K, F). `xp` is numpy or pytensor.tensor."""

    def base(self, x):
        """The part of log f that no parameter touches: (n,)."""
        return np.zeros(len(x))

    def mode(self, stats, **theta):
        """M-step: the maximum of <stats, W(theta)> + log prior(theta), stats = r^T Phi of shape (K, F).

        Numeric here; families override it where their priors are conjugate.
        """
        return self.maximise(lambda t: self.expected(stats, t), theta)

    def conditional(self, stats, rng, **theta):
        """A draw of theta given the allocations, stats = z^T Phi (K, F): one Gibbs step from the old theta.

        None where the priors are not conditionally conjugate; families override it. What is Fixed stays.
        """
        return None if any(p.free for p in self.parameters.values()) else dict(theta)

    def expected(self, stats, theta):
        """Q(theta) = <stats, W(theta)> + log prior(theta), without the base term; -inf outside."""
        with np.errstate(all="ignore"):
            try:
                return float(dot(stats, self.natural(np, **theta)) + sum(self.log_prior(theta).values()))
            except np.linalg.LinAlgError:
                return -np.inf  # rounding left no positive definite matrix

    def update(self, x, r, theta):
        return self.mode(r.T @ self.sufficient(x), **theta)

    # ---- missing cells ------------------------------------------------------------------------

    def expected_sufficient(self, theta):
        """E[Phi(x)] under each component: (K, F). Asked for only where cells are missing."""
        raise InputError(
            f"{type(self).__name__}(): it does not say what its sufficient statistics are on average "
            "(`expected_sufficient`), so missing cells are not supported; drop or fill these rows."
        )

    def slots(self, d):
        """(d, q): the features of Phi that belong to each column, in the order of the column's own Phi.

        For independent features; here [1, first statistic of all columns, second statistic of all columns, ...].
        """
        q = self.sufficient(np.ones((1, 1))).shape[1] - 1
        return 1 + np.arange(d)[:, None] + d * np.arange(q)

    def complete_stats(self, stats, seen, theta, variance=True):
        """Expected statistics of complete rows from those of the observed cells: (K, F_seen) -> (K, F).

        E[r^T Phi(x) | observed cells, theta], affine in `stats`. seen: (d,) which columns were observed.
        variance=False: Phi(E[x | ...]) instead, the shortcut that takes an imputed mean for an observation.
        Here for independent features: a missing column's statistics are n_k E[phi | theta_k].
        """
        mean = self.expected_sufficient(theta) if variance else self.sufficient(self.expected_row(theta))
        out = stats[:, :1] * mean
        columns = np.flatnonzero(seen)
        out[:, self.slots(len(seen))[columns]] = stats[:, self.slots(len(columns))]
        return out

"""Overdispersed counts."""

from dataclasses import dataclass

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec import supports
from bayesmix.spec.climb import log_slope, root
from bayesmix.spec.families.base import Family, parameter
from bayesmix.spec.gamma_ratios import digamma_difference, log_gamma_ratio
from bayesmix.spec.priors import Fixed, Gamma, Prior
from bayesmix.spec.special import gammaln, xlogy

CYCLES = 3  # rounds of mean and alpha in one M-step; the two are orthogonal, so few are needed
MOST = 1e8  # alpha at which the search ends: from here on the counts are Poisson to rounding


@dataclass(frozen=True, eq=False)
class NegativeBinomial(Family):
    """x_j | z = k ~ NegativeBinomial(mean_kj, alpha_kj), features independent; x = 0, 1, 2, ...

    Equivalently x_j ~ Poisson(mean_kj g), g ~ Gamma(alpha_kj, alpha_kj): the variance is mean + mean^2 / alpha,
    and alpha to infinity is the Poisson (PyMC's `mu` and `alpha`). Left-out priors are
    mean ~ Gamma(1, 1 / column mean), an exponential with the data's mean, and alpha ~ Gamma(2, 0.1).
    `shared`: one alpha for all components.

    References: Lawless (1987), Canadian J. Statistics 15:209-225.
    """

    mean: Prior = parameter("feature", support=supports.positive)
    alpha: Prior = parameter("feature", support=supports.positive, pooled=True)
    shared: bool = False

    expectation = "mean"
    independent = True

    def check(self, x, names):
        bad = np.argwhere((x < 0) | (x != np.round(x)))
        if len(bad):
            i, j = bad[0]
            raise InputError(
                f"NegativeBinomial(): expected counts 0, 1, 2, ..., got {x[i, j]:g} in row {i} of column "
                f"{names[j]!r}; choose another family for this column."
            )

    def default(self, name, x):
        if name == "alpha":
            return Gamma(2.0, 0.1)
        mean = x.mean(axis=0)
        return Gamma(1.0, 1 / np.where(mean > 0, mean, 1.0))

    def logpdf(self, x, mean, alpha):
        inside = np.where(((x >= 0) & (x == np.round(x))).all(axis=1), 0.0, -np.inf)
        x = np.maximum(x, 0.0)
        base = inside - gammaln(x + 1).sum(axis=1)
        columns = [
            base + (log_gamma_ratio(a, x) - a * np.log1p(m / a) + xlogy(x, m / (m + a))).sum(axis=1)
            for m, a in zip(mean, np.broadcast_to(alpha, mean.shape), strict=True)
        ]
        return np.stack(columns, axis=1)

    def dist(self, mean, alpha):
        import pymc as pm

        return pm.NegativeBinomial.dist(mu=mean, alpha=alpha)

    def draw(self, z, rng, mean, alpha):
        a = np.broadcast_to(alpha, mean.shape)[z]
        return rng.poisson(mean[z] * rng.gamma(a) / a).astype(np.float64)

    def derived(self, theta):
        return {"var": theta["mean"] + theta["mean"] ** 2 / theta["alpha"]}

    def update(self, x, r, theta):
        """The mean given alpha, alpha given the mean, each the root of its derivative of Q, in turn."""
        mean, alpha = theta["mean"], theta["alpha"]
        n, total = r.sum(axis=0)[:, None], r.T @ x
        values, weights = [], []  # distinct counts of each column and their weights, (K, V)
        for column in x.T:
            value, index = np.unique(column, return_inverse=True)
            values.append(value)
            weights.append(np.stack([np.bincount(index, w, len(value)) for w in r.T]))
        axes = (0,) if len(alpha) != len(mean) else ()

        def mean_slope(u):
            m = np.exp(u)
            return alpha * (total - n * m) / (m + alpha) + log_slope(self.mean, m, {})

        def alpha_slope(u):
            a = np.exp(u)
            full = np.broadcast_to(a, mean.shape)
            gain = np.stack(
                [(w * digamma_difference(full[:, j : j + 1], v)).sum(axis=1) for j, (v, w) in enumerate(counted)],
                axis=1,
            )
            slope = full * (gain - n * np.log1p(mean / full) + (n * mean - total) / (full + mean))
            return slope.sum(axis=axes, keepdims=True) + log_slope(self.alpha, a, {})

        counted = list(zip(values, weights, strict=True))
        for _ in range(CYCLES):
            if not isinstance(self.mean, Fixed):
                mean = np.clip(np.exp(root(mean_slope, np.log(mean))), *self.mean.interval)
            if not isinstance(self.alpha, Fixed):
                alpha = np.clip(np.exp(root(alpha_slope, np.log(alpha), high=np.log(MOST))), *self.alpha.interval)
        return self.not_lower(x, r, theta, {"mean": mean, "alpha": alpha})

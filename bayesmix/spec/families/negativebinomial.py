"""Overdispersed counts."""

from dataclasses import dataclass

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec import supports
from bayesmix.spec.climb import log_slopes, newton_root
from bayesmix.spec.families.base import Family, parameter
from bayesmix.spec.families.base.family import dot
from bayesmix.spec.gamma_ratios import DigammaSums, log_gamma_ratio
from bayesmix.spec.priors import Fixed, Gamma, Prior
from bayesmix.spec.special import gammaln, xlogy

MOST = 1e8  # alpha at which the search ends: from here on the counts are Poisson to rounding


@dataclass(frozen=True, eq=False)
class NegativeBinomial(Family):
    """x_j | z = k ~ NegativeBinomial(mean_kj, alpha_kj), features independent; x = 0, 1, 2, ...

    Equivalently x_j ~ Poisson(mean_kj g), g ~ Gamma(alpha_kj, alpha_kj): the variance is mean + mean^2 / alpha,
    and alpha to infinity is the Poisson (PyMC's `mu` and `alpha`). Left-out priors are
    mean ~ Gamma(1, 1 / column mean), an exponential with the data's mean, and alpha ~ Gamma(2, 0.1).
    `shared`: one alpha for all components.

    References: Lawless (1987), Canadian J. Statistics 15:209-225; Meng & Rubin (1993), Biometrika 80:267-278 (ECM).
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
        alpha, out = np.broadcast_to(alpha, mean.shape), 0.0
        for j, column in enumerate(x.T):
            values, index = np.unique(column, return_inverse=True)  # each distinct count once
            out = out + self._log_mass(values, mean[:, j], alpha[:, j])[index]
        return out

    def _log_mass(self, values, mean, alpha):
        """One column: (V,), (K,), (K,) -> (V, K)."""
        inside = np.where((values >= 0) & (values == np.round(values)), 0.0, -np.inf)
        v = np.maximum(values, 0.0)[:, None]
        one = log_gamma_ratio(alpha, v) - alpha * np.log1p(mean / alpha) + xlogy(v, mean / (mean + alpha))
        return one - gammaln(v + 1) + inside[:, None]

    def dist(self, mean, alpha):
        import pymc as pm

        return pm.NegativeBinomial.dist(mu=mean, alpha=alpha)

    def draw(self, z, rng, mean, alpha):
        a = np.broadcast_to(alpha, mean.shape)[z]
        return rng.poisson(mean[z] * rng.gamma(a) / a).astype(np.float64)

    def derived(self, theta):
        return {"var": theta["mean"] + theta["mean"] ** 2 / theta["alpha"]}

    def update(self, x, r, theta):
        """The mean given alpha, then alpha given the mean, each the root of its derivative of Q (ECM).

        One round is enough: the two are orthogonal. All it needs of the rows are the weights of the distinct counts.
        """
        tables = [table(column, r) for column in x.T]
        sums = [DigammaSums(values, weights) for values, weights in tables]
        n, total = r.sum(axis=0)[:, None], np.stack([w @ v for v, w in tables], axis=1)
        mean, alpha, slopes = theta["mean"], theta["alpha"], log_slopes(self.alpha, theta["alpha"].shape)
        pooled = len(alpha) != len(mean)

        def alpha_slopes(u):
            """d Q / d log alpha and its derivative."""
            a = np.broadcast_to(np.exp(u), mean.shape)
            gain, curve = np.stack([s(c) for s, c in zip(sums, a.T, strict=True)], axis=-1)
            here = gain - n * np.log1p(mean / a) + (n * mean - total) / (a + mean)
            there = curve + n * mean / (a * (a + mean)) - (n * mean - total) / (a + mean) ** 2
            first, second = a * here, a * here + a**2 * there
            if pooled:
                first, second = first.sum(axis=0, keepdims=True), second.sum(axis=0, keepdims=True)
            return tuple(np.add((first, second), slopes(u)))

        if not isinstance(self.mean, Fixed):
            mean = np.clip(self.mean_step(n, total, mean, np.broadcast_to(alpha, mean.shape)), *self.mean.interval)
        if not isinstance(self.alpha, Fixed):
            found = np.exp(newton_root(alpha_slopes, np.log(alpha), high=np.log(MOST)))
            alpha = np.clip(found, *self.alpha.interval)

        def height(t):
            """Q at t."""
            parts = [
                dot(weights.T, self.logpdf(values[:, None], t["mean"][:, j : j + 1], t["alpha"][:, j : j + 1]))
                for j, (values, weights) in enumerate(tables)
            ]
            return sum(parts) + sum(self.log_prior(t).values())

        return self.not_lower(x, r, theta, {"mean": mean, "alpha": alpha}, height)

    def mean_step(self, n, total, mean, alpha):
        """The root of alpha (total - n m) / (m + alpha) + d log prior / d log m: of a quadratic for a gamma prior."""
        kernel = self.mean.conjugate("gamma", mean.shape)
        if kernel is None:
            slopes = log_slopes(self.mean, mean.shape)

            def mean_slopes(u):
                m = np.exp(u)
                data = alpha * (total - n * m) / (m + alpha), -alpha * m * (total + n * alpha) / (m + alpha) ** 2
                return tuple(np.add(data, slopes(u)))

            return np.exp(newton_root(mean_slopes, np.log(mean)))
        a, b = np.broadcast_arrays(*kernel)
        p, q = alpha * (n + b) - a, alpha * (total + a)  # b m^2 + p m - q = 0
        size = np.sqrt(p**2 + 4 * b * np.maximum(q, 0.0))
        with np.errstate(all="ignore"):
            found = np.where(p >= 0, 2 * q / (p + size), (size - p) / (2 * b))
        found = np.where(np.isnan(found), mean, found)  # 0 / 0: no row and no prior
        return np.clip(np.where(q > 0, found, 0.0), *np.exp([-80.0, 80.0]))


def table(column, r):
    """The distinct counts of a column, ascending, (V,), and the weight of each in each component, (K, V)."""
    values, index = np.unique(column, return_inverse=True)
    return values, np.stack([np.bincount(index, w, len(values)) for w in r.T])

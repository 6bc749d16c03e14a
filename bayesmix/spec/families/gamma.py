"""Gamma-distributed positive values."""

from dataclasses import dataclass

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec import supports
from bayesmix.spec.climb import log_slopes, newton_root
from bayesmix.spec.families.base import ExponentialFamily, parameter
from bayesmix.spec.priors import Fixed, Gamma, Prior
from bayesmix.spec.special import digamma, gammaln, polygamma, xlogy

SHARPEST = 1e12  # shape above which a component's relative sd, below 1e-6, is not resolved by its moments


@dataclass(frozen=True, eq=False)
class GammaComponent(ExponentialFamily):
    """x_j | z = k ~ Gamma(shape_kj, rate_kj), features independent; x_j > 0, mean shape / rate.

    Left-out priors are shape ~ Gamma(2, rate = 1 / (2 s)) and rate ~ Gamma(2, rate = m / (2 s)), with m the
    column mean and s = (m / sd)^2 the shape of the column as a whole: modes at 2 s and 2 s / m.
    `shared`: one shape for all components.

    References: Johnson, Kotz & Balakrishnan (1994), Continuous Univariate Distributions 1, chapter 17.
    """

    shape: Prior = parameter("feature", support=supports.positive, pooled=True)
    rate: Prior = parameter("feature", support=supports.positive)
    shared: bool = False

    independent = True

    def check(self, x, names):
        bad = np.argwhere(~(x > 0))
        if len(bad):
            i, j = bad[0]
            raise InputError(
                f"GammaComponent(): expected values > 0, got {x[i, j]:g} in row {i} of column {names[j]!r}; "
                "choose another family for this column."
            )

    def default(self, name, x):
        mean = x.mean(axis=0)
        whole = (mean / self.column_sd(name, x)) ** 2
        return Gamma(2.0, 0.5 / whole) if name == "shape" else Gamma(2.0, 0.5 * mean / whole)

    def logpdf(self, x, shape, rate):
        inside = np.where((x > 0).all(axis=1), 0.0, -np.inf)
        x = np.where(x > 0, x, 1.0)
        columns = [
            inside + (xlogy(a, b) - gammaln(a)).sum() + (np.log(x) * (a - 1) - x * b).sum(axis=1)
            for a, b in zip(np.broadcast_to(shape, rate.shape), rate, strict=True)
        ]
        return np.stack(columns, axis=1)

    def dist(self, shape, rate):
        import pymc as pm

        return pm.Gamma.dist(alpha=shape, beta=rate)

    def draw(self, z, rng, shape, rate):
        draws = rng.gamma(np.broadcast_to(shape, rate.shape)[z]) / rate[z]
        return np.maximum(draws, np.finfo(float).tiny)  # a small shape can underflow to 0

    def derived(self, theta):
        mean = theta["shape"] / theta["rate"]
        return {"mean": mean, "sd": np.sqrt(theta["shape"]) / theta["rate"]}

    def sufficient(self, x):
        """[1, log x_1..log x_d, x_1..x_d]."""
        return np.concatenate([np.ones((len(x), 1)), np.log(x), x], axis=1)

    def expected_sufficient(self, theta):
        """[1, digamma(a) - log b, a / b]."""
        rate = theta["rate"]
        shape = np.broadcast_to(theta["shape"], rate.shape)
        return np.concatenate([np.ones((len(rate), 1)), digamma(shape) - np.log(rate), shape / rate], axis=1)

    def expected_row(self, theta):
        return theta["shape"] / theta["rate"]

    def natural(self, xp, shape, rate):
        """[sum_j (a log b - log Gamma(a)), a - 1, -b], a the shape and b the rate."""
        if xp is np:
            log_gamma = gammaln
        else:
            log_gamma = xp.gammaln
        shape = shape + xp.zeros_like(rate)  # broadcast a shared shape
        one = (shape * xp.log(rate) - log_gamma(shape)).sum(axis=1)[:, None]
        return xp.concatenate([one, shape - 1.0, -rate], axis=1)

    def resolved(self, theta):
        return bool((theta["shape"] < SHARPEST).all() and (theta["shape"] > 0).all() and (theta["rate"] > 0).all())

    def mode(self, stats, shape, rate):
        """The joint maximum: rate = (n shape + a) / (sum x + b), put into the equation of the shape.

        With the rate in closed form (a gamma kernel) the shape is the root of
        n (log rate(shape) - digamma(shape)) + sum log x + d log prior / d shape = 0; the slope along the
        profile is the partial slope (envelope theorem).
        """
        d = rate.shape[1]
        n, logs, total = stats[:, :1], stats[:, 1 : d + 1], stats[:, d + 1 :]
        pooled = len(shape) != len(rate)
        prior = self.parameters["shape"].prior
        kernel = None if isinstance(self.rate, Fixed) else self.rate.conjugate("gamma", rate.shape)
        if kernel is None and not isinstance(self.rate, Fixed):
            return super().mode(stats, shape=shape, rate=rate)

        def best_rate(value):
            if kernel is None:
                return rate
            top, bottom = np.maximum(n * value + kernel[0], 0.0), total + kernel[1]
            new = np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), rate)
            return np.clip(new, *self.rate.interval)

        prior_slopes = log_slopes(prior, shape.shape)

        def slopes(u):
            """The slope along the profile in u = log shape, and its derivative."""
            value = np.exp(u)
            best = best_rate(value)
            first = np.where(n > 0, n * (np.log(best) - digamma(value)), 0.0) + logs
            bend = n / (n * value + kernel[0]) if kernel is not None else 0.0  # d log rate / d shape
            second = np.where(n > 0, n * (bend - polygamma(1, value)), 0.0)
            first, second = value * first, value * first + value**2 * second
            if pooled:
                first, second = first.sum(axis=0, keepdims=True), second.sum(axis=0, keepdims=True)
            return tuple(np.add((first, second), prior_slopes(u)))

        if not isinstance(prior, Fixed):
            found = np.exp(newton_root(slopes, np.log(shape), high=np.log(10 * SHARPEST)))
            shape = np.clip(found, *prior.interval)
        return {"shape": shape, "rate": best_rate(shape)}

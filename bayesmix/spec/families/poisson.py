"""Poisson counts."""

from dataclasses import dataclass

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec import supports
from bayesmix.spec.families.base import ExponentialFamily, parameter
from bayesmix.spec.priors import Fixed, Gamma, Prior
from bayesmix.spec.special import gammaln, xlogy
from bayesmix.spec.truncated import draw_gamma


@dataclass(frozen=True, eq=False)
class Poisson(ExponentialFamily):
    """x_j | z = k ~ Poisson(rate_kj), features independent; x = 0, 1, 2, ...

    A left-out prior is Gamma(1, 1 / column mean), an exponential with the data's mean.

    References: McLachlan & Peel (2000), Finite Mixture Models, section 5.2.
    """

    rate: Prior = parameter("feature", support=supports.positive)

    expectation = "rate"
    features = "linear"
    independent = True

    def check(self, x, names):
        bad = np.argwhere((x < 0) | (x != np.round(x)) & ~np.isnan(x))
        if len(bad):
            i, j = bad[0]
            raise InputError(
                f"Poisson(): expected counts 0, 1, 2, ..., got {x[i, j]:g} in row {i} of column {names[j]!r}; "
                "choose another family for this column."
            )

    def default(self, name, x):
        mean = x.mean(axis=0)
        return Gamma(1.0, 1 / np.where(mean > 0, mean, 1.0))

    def logpdf(self, x, rate):
        return np.stack([(xlogy(x, lam) - lam - gammaln(x + 1)).sum(axis=1) for lam in rate], axis=1)

    def dist(self, rate):
        import pymc as pm

        return pm.Poisson.dist(rate)

    def draw(self, z, rng, rate):
        return rng.poisson(rate[z]).astype(np.float64)

    def sufficient(self, x):
        """[1, x_1..x_d]."""
        return np.concatenate([np.ones((len(x), 1)), x], axis=1)

    def expected_sufficient(self, theta):
        """[1, rate]."""
        return np.concatenate([np.ones((len(theta["rate"]), 1)), theta["rate"]], axis=1)

    def natural(self, xp, rate):
        """[-sum_j rate_j, log rate_j]; log 0 is -1e30, so that W stays finite."""
        with np.errstate(divide="ignore"):
            log_rate = xp.maximum(xp.log(rate), -1e30)
        return xp.concatenate([-rate.sum(axis=1)[:, None], log_rate], axis=1)

    def base(self, x):
        return -gammaln(x + 1).sum(axis=1)

    def mode(self, stats, rate):
        """rate = (sum x + a) / (n + b), a and b from the prior's gamma kernel."""
        new = rate_mode(self.rate, stats[:, 1:], stats[:, :1], rate)
        return super().mode(stats, rate=rate) if new is None else {"rate": new}

    def conditional(self, stats, rng, rate):
        """rate | z ~ Gamma(sum x + a + 1, n + b)."""
        new = rate_draw(self.rate, rng, stats[:, 1:], stats[:, :1], rate)
        return None if new is None else {"rate": new}


def rate_mode(prior, events, exposure, old):
    """The mode of rate^events exp(-rate exposure) p(rate), or None where the prior has no gamma kernel."""
    if isinstance(prior, Fixed):
        return old
    kernel = prior.conjugate("gamma", old.shape)
    if kernel is None:
        return None
    a, b = kernel
    top, bottom = np.maximum(events + a, 0.0), exposure + b + np.zeros_like(old)
    new = np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.where(top > 0, np.inf, old))
    return np.clip(new, *prior.interval)


def rate_draw(prior, rng, events, exposure, old):
    """A draw of the rate of that density, or None where the prior has no gamma kernel."""
    if isinstance(prior, Fixed):
        return old
    kernel = prior.conjugate("gamma", old.shape)
    return None if kernel is None else draw_gamma(rng, events + kernel[0] + 1, exposure + kernel[1], prior.interval)

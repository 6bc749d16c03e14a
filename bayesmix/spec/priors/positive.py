"""Beliefs about a scale or a rate, which are positive."""

from dataclasses import dataclass

import numpy as np

from bayesmix.spec import supports
from bayesmix.spec.priors.base import LOG_2PI, Prior, dim_shape, hyper, spread, xlogy
from bayesmix.spec.special import gammaln


@dataclass(frozen=True, eq=False, repr=False)
class HalfNormal(Prior):
    """v = |e|, e ~ N(0, sd^2)."""

    sd: np.ndarray = hyper(positive=True)

    support = supports.positive

    def logp(self, value, theta):
        sd = spread(self.sd, value.shape)
        inside = np.where(value >= 0, 0.0, -np.inf)
        return inside - 0.5 * (value / sd) ** 2 - np.log(sd) + 0.5 * np.log(2 / np.pi)

    def rv(self, name, theta, dims):
        import pymc as pm

        return pm.HalfNormal(name, spread(self.sd, dim_shape(dims)), dims=dims)

    def draw(self, rng, shape, theta):
        return np.abs(rng.normal(0, spread(self.sd, shape)))

    def conjugate(self, kernel, shape):
        return (0.0, 0.0, 0.5 / spread(self.sd, shape) ** 2) if kernel == "scale" else None

    def likelihood(self, argument, value):
        return "scale", (1.0, 0.5 * value**2, 0.0)


@dataclass(frozen=True, eq=False, repr=False)
class Gamma(Prior):
    """v ~ Gamma(shape, rate), mean shape / rate."""

    shape: np.ndarray = hyper(positive=True)
    rate: np.ndarray = hyper(positive=True)

    support = supports.positive

    def logp(self, value, theta):
        a, b = spread(self.shape, value.shape), spread(self.rate, value.shape)
        return a * np.log(b) - gammaln(a) + xlogy(a - 1, value) - b * value

    def rv(self, name, theta, dims):
        import pymc as pm

        full = dim_shape(dims)
        return pm.Gamma(name, alpha=spread(self.shape, full), beta=spread(self.rate, full), dims=dims)

    def draw(self, rng, shape, theta):
        return rng.gamma(spread(self.shape, shape), 1 / spread(self.rate, shape))

    @property
    def bounded(self):
        return bool((self.shape >= 1).all())

    def conjugate(self, kernel, shape):
        return (spread(self.shape, shape) - 1, spread(self.rate, shape)) if kernel == "gamma" else None

    def likelihood(self, argument, value):
        return ("gamma", (self.shape, value)) if argument == "rate" else None


@dataclass(frozen=True, eq=False, repr=False)
class Exponential(Prior):
    """v ~ Exponential(rate), mean 1 / rate."""

    rate: np.ndarray = hyper(positive=True)

    support = supports.positive

    def logp(self, value, theta):
        rate = spread(self.rate, value.shape)
        return np.where(value >= 0, np.log(rate) - rate * value, -np.inf)

    def rv(self, name, theta, dims):
        import pymc as pm

        return pm.Exponential(name, spread(self.rate, dim_shape(dims)), dims=dims)

    def draw(self, rng, shape, theta):
        return rng.exponential(1 / spread(self.rate, shape))

    def conjugate(self, kernel, shape):
        return (0.0, spread(self.rate, shape)) if kernel == "gamma" else None

    def likelihood(self, argument, value):
        return "gamma", (1.0, value)


@dataclass(frozen=True, eq=False, repr=False)
class LogNormal(Prior):
    """log v ~ N(mean, sd^2)."""

    mean: np.ndarray = hyper()
    sd: np.ndarray = hyper(positive=True)

    support = supports.positive

    def logp(self, value, theta):
        mean, sd = spread(self.mean, value.shape), spread(self.sd, value.shape)
        log_value = np.log(value)
        return -0.5 * ((log_value - mean) / sd) ** 2 - np.log(sd) - 0.5 * LOG_2PI - log_value

    def rv(self, name, theta, dims):
        import pymc as pm

        shape = dim_shape(dims)
        return pm.LogNormal(name, spread(self.mean, shape), spread(self.sd, shape), dims=dims)

    def conjugate(self, kernel, shape):
        return (spread(self.mean, shape), spread(self.sd, shape) ** -2.0) if kernel == "log normal" else None

    def draw(self, rng, shape, theta):
        return rng.lognormal(spread(self.mean, shape), spread(self.sd, shape))

    @property
    def vanishes_at_zero(self):
        return True

    def likelihood(self, argument, value):
        away = np.log(value) - spread(self.mean, value.shape)
        return ("scale", (1.0, 0.5 * away**2, 0.0)) if argument == "sd" else None


@dataclass(frozen=True, eq=False, repr=False)
class InverseGamma(Prior):
    """1/v ~ Gamma(shape, rate=scale): density proportional to v^-(shape + 1) exp(-scale / v)."""

    shape: np.ndarray = hyper(positive=True)
    scale: np.ndarray = hyper(positive=True)

    support = supports.positive

    def logp(self, value, theta):
        a, b = spread(self.shape, value.shape), spread(self.scale, value.shape)
        return a * np.log(b) - gammaln(a) - (a + 1) * np.log(value) - b / value

    def rv(self, name, theta, dims):
        import pymc as pm

        full = dim_shape(dims)
        return pm.InverseGamma(name, alpha=spread(self.shape, full), beta=spread(self.scale, full), dims=dims)

    def draw(self, rng, shape, theta):
        return spread(self.scale, shape) / rng.gamma(spread(self.shape, shape))

    @property
    def vanishes_at_zero(self):
        return True

    def conjugate(self, kernel, shape):
        return (spread(self.shape, shape) + 1, spread(self.scale, shape)) if kernel == "inverse gamma" else None

    def likelihood(self, argument, value):
        return ("gamma", (self.shape, 1 / value)) if argument == "scale" else None

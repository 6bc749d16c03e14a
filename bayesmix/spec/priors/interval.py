"""Beliefs about a number between two bounds: `Uniform`, and `Beta` on (0, 1)."""

from dataclasses import dataclass

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec import supports
from bayesmix.spec.priors.base import KERNELS, Prior, dim_shape, hyper, plus, spread, xlogy
from bayesmix.spec.special import betaln


@dataclass(frozen=True, eq=False, repr=False)
class Uniform(Prior):
    """v ~ U(lower, upper)."""

    lower: np.ndarray = hyper()
    upper: np.ndarray = hyper()

    def __post_init__(self):
        super().__post_init__()
        if not (self.lower < self.upper).all():
            raise InputError(f"Uniform(lower, upper): expected lower < upper, got {self.lower} and {self.upper}.")

    @property
    def support(self):
        if (self.lower >= 0).all():
            return supports.unit if (self.upper <= 1).all() else supports.positive
        return supports.real

    @property
    def interval(self):
        return self.lower, self.upper

    def logp(self, value, theta):
        lower, upper = spread(self.lower, value.shape), spread(self.upper, value.shape)
        return np.where((value >= lower) & (value <= upper), -np.log(upper - lower), -np.inf)

    def rv(self, name, theta, dims):
        import pymc as pm

        shape = dim_shape(dims)
        return pm.Uniform(name, spread(self.lower, shape), spread(self.upper, shape), dims=dims)

    def draw(self, rng, shape, theta):
        return rng.uniform(spread(self.lower, shape), spread(self.upper, shape))

    def conjugate(self, kernel, shape):
        return (0.0,) * KERNELS[kernel] if kernel in ("normal", "inverse gamma", "scale", "gamma", "beta") else None

    def shifted(self, by):
        return Uniform(plus(self.lower, by), plus(self.upper, by))


@dataclass(frozen=True, eq=False, repr=False)
class Beta(Prior):
    """v ~ Beta(a, b), mean a / (a + b)."""

    a: np.ndarray = hyper(positive=True)
    b: np.ndarray = hyper(positive=True)

    support = supports.unit

    def logp(self, value, theta):
        a, b = spread(self.a, value.shape), spread(self.b, value.shape)
        return xlogy(a - 1, value) + xlogy(b - 1, 1 - value) - betaln(a, b)

    def rv(self, name, theta, dims):
        import pymc as pm

        shape = dim_shape(dims)
        return pm.Beta(name, alpha=spread(self.a, shape), beta=spread(self.b, shape), dims=dims)

    def draw(self, rng, shape, theta):
        return rng.beta(spread(self.a, shape), spread(self.b, shape))

    @property
    def bounded(self):
        return bool((self.a >= 1).all() and (self.b >= 1).all())

    def conjugate(self, kernel, shape):
        return (spread(self.a, shape) - 1, spread(self.b, shape) - 1) if kernel == "beta" else None

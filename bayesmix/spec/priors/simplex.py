"""Beliefs about numbers that sum to one."""

from dataclasses import dataclass

import numpy as np

from bayesmix.spec import supports
from bayesmix.spec.priors.base import Prior, dim_shape, hyper, spread, xlogy
from bayesmix.spec.special import gammaln


@dataclass(frozen=True, eq=False, repr=False)
class Dirichlet(Prior):
    """w ~ Dirichlet(concentration): a number (the same for every component) or one per component."""

    concentration: np.ndarray = hyper(positive=True)

    support = supports.simplex

    def logp(self, value, theta):
        a = spread(self.concentration, value.shape)
        return gammaln(a.sum(axis=-1)) - gammaln(a).sum(axis=-1) + xlogy(a - 1, value).sum(axis=-1)

    def rv(self, name, theta, dims):
        import pymc as pm

        return pm.Dirichlet(name, spread(self.concentration, dim_shape(dims)), dims=dims)

    def draw(self, rng, shape, theta):
        g = rng.gamma(spread(self.concentration, shape))
        return g / g.sum(axis=-1, keepdims=True)

    @property
    def bounded(self):
        return bool((self.concentration >= 1).all())

    def conjugate(self, kernel, shape):
        return (spread(self.concentration, shape) - 1,) if kernel == "dirichlet" else None

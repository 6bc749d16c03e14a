"""Nothing to believe yet, nothing to estimate, or no opinion: `FromData`, `Fixed`, `Flat`."""

from dataclasses import dataclass, field, replace

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec import supports
from bayesmix.spec.priors.base import KERNELS, Prior, dim_shape, hyper, plus, spread


@dataclass(frozen=True, eq=False, repr=False)
class FromData(Prior):
    """A prior left out: replaced by the family's data-scaled default before anything is computed."""

    def logp(self, *_):
        raise InputError("a prior that was left out has no density yet: call mixture.resolve(data) first.")

    rv = draw = logp


@dataclass(frozen=True, eq=False, repr=False)
class Fixed(Prior):
    """A constant: the parameter stays in theta, with no log-prior term, no degree of freedom, no RV."""

    value: np.ndarray = hyper()

    def logp(self, value, theta):
        return 0.0

    def rv(self, name, theta, dims):
        return spread(self.value, dim_shape(dims))

    def draw(self, rng, shape, theta):
        return np.array(spread(self.value, shape))

    def shifted(self, by):
        return Fixed(plus(self.value, by))


@dataclass(frozen=True, eq=False, repr=False)
class Flat(Prior):
    """Density 1 on the whole support: maximum likelihood for EM, an improper prior for MCMC.

    `on` (the support) and `proxy` (a data-scaled proper prior that prior draws come from instead)
    are filled in when the specification meets the data.
    """

    on: str = field(default="", metadata={"plain": True})
    proxy: Prior | None = field(default=None, repr=False, metadata={"plain": True})

    @property
    def support(self):
        return supports.SUPPORTS[self.on]

    def logp(self, value, theta):
        return 0.0

    def rv(self, name, theta, dims):
        import pymc as pm
        import pytensor.tensor as pt

        shape = dim_shape(dims)
        event = self.support.event_ndim
        start = self.proxy.draw(np.random.default_rng(0), shape, {})
        core = ",".join("abc"[:event])
        return pm.CustomDist(
            name,
            start,
            logp=lambda value, _: pt.zeros(value.shape[: value.ndim - event]),
            support_point=lambda rv, size, start: start,
            signature=f"({core})->({core})",
            dims=dims,
            default_transform=self.support.transform(shape),
        )

    def draw(self, rng, shape, theta):
        return self.proxy.draw(rng, shape, theta)

    def conjugate(self, kernel, shape):
        return (0.0,) * KERNELS[kernel]

    def shifted(self, by):
        return replace(self, proxy=self.proxy.shifted(by) if self.proxy else None)

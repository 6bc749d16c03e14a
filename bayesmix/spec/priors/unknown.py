"""Hyperparameters that are themselves unknown: a Prior as a prior's argument.

`InverseGamma(2, Gamma(0.2, 0.1))` as the prior of `var` is the hierarchy

    var_kj | s_j ~ InverseGamma(2, s_j),    s_j ~ Gamma(0.2, 0.1),

one s_j for each feature, shared by the components. s is a parameter of the mixture like the others, called
`var_scale` (the field, then the argument), of shape (1, d): a term of the log posterior, a degree of freedom,
a random variable, a column of the draws. `spec/families/hierarchical.py` puts it there; here is what one pair
of a prior and its unknown hyperparameters can do.

References: Richardson & Green (1997), JRSS B 59:731-792, section 2.2, for the pair above.
"""

from dataclasses import dataclass, field

import numpy as np

from bayesmix.spec.climb import climb
from bayesmix.spec.priors.base import Prior, spread


@dataclass(frozen=True, eq=False, repr=False)
class Given(Prior):
    """A prior whose unknown hyperparameters are read from theta.

    prior: has `unknown` hyperparameters. names: the field of theta that holds each of them.
    """

    prior: Prior = field(metadata={"plain": True})
    names: dict = field(metadata={"plain": True})

    reads_scale = True
    turn = 1

    def at(self, theta):
        """The prior with its hyperparameters as theta has them."""
        return self.prior.knowing({argument: theta[name] for argument, name in self.names.items()})

    @property
    def support(self):
        return self.prior.support

    def logp(self, value, theta):
        return self.at(theta).logp(value, theta)

    def rv(self, name, theta, dims):
        return self.at(theta).rv(name, theta, dims)

    def draw(self, rng, shape, theta):
        return self.at(theta).draw(rng, shape, theta)

    @property
    def bounded(self):
        """Whether it is, at the smallest hyperparameters as at any."""
        return self.prior.knowing({argument: np.array(1e-300) for argument in self.names}).bounded

    @property
    def vanishes_at_zero(self):
        """A scale under an unknown scale may go to zero with it, unless that one is kept away from zero itself."""
        return self.prior.vanishes_at_zero and all(p.vanishes_at_zero for p in self.prior.unknown.values())

    @property
    def interval(self):
        return self.prior.interval

    def __repr__(self):
        return repr(self.prior)


def posterior_kernel(prior, argument, value, shape):
    """(kernel, natural parameters) of p(hyperparameter | value) of this shape, or None where it has no kernel.

    prior: numbers for every other hyperparameter. value: the field, whose entries are summed over the axes that
    the hyperparameter has not.
    """
    found = prior.likelihood(argument, value)
    own = None if found is None else prior.unknown[argument].conjugate(found[0], shape)
    if own is None:
        return None
    axes = tuple(axis for axis in range(value.ndim) if shape[axis] != value.shape[axis])
    summed = [spread(a, value.shape).sum(axis=axes, keepdims=True) for a in found[1]]
    return found[0], tuple(a + b for a, b in zip(summed, own, strict=True))


def best(prior, argument, value, old):
    """The hyperparameter of highest density given the field; the old one where there is none higher."""
    found = posterior_kernel(prior, argument, value, old.shape)
    if found is None:
        return _climbed(prior, argument, value, old)
    kernel, numbers = found
    if kernel == "gamma":  # a log s - b s
        a, b = numbers
        return np.where(a > 0, a / b, old)
    a, b, c = numbers  # -a log s - b / s^2 - c s^2, whose slope is zero at 2 c s^4 + a s^2 - 2 b = 0
    square = 4 * b / (a + np.sqrt(a**2 + 16 * b * c))
    return np.where(square > 0, np.sqrt(square), old)


def draw(prior, argument, value, old, rng):
    """One draw of the hyperparameter given the field, from its gamma conditional; None where that is not its law."""
    found = posterior_kernel(prior, argument, value, old.shape)
    if found is None or found[0] != "gamma":
        return None
    a, b = found[1]
    return rng.gamma(a + 1) / b


def _climbed(prior, argument, value, old):
    """`best` by a numeric ascent in log s of the density in s."""

    def height(u):
        s = np.exp(u.reshape(old.shape))
        given = prior.knowing({argument: s})
        return float(np.sum(given.logp(value, {})) + np.sum(prior.unknown[argument].logp(s, {})))

    top = climb(height, np.log(old).ravel())
    return old if top is None else np.exp(top.reshape(old.shape))

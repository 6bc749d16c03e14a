"""Two new families and a new prior, written as a user would: nothing else in the package knows them.

`tests/test_seam.py` takes them through both engines; the family battery runs over them too.
"""

from dataclasses import dataclass

import numpy as np

import bayesmix as bm
from bayesmix.spec import supports
from bayesmix.spec.families.base import ExponentialFamily, Family, parameter
from bayesmix.spec.priors import Prior, dim_shape, hyper, spread


@dataclass(frozen=True, eq=False)
class Geometric(ExponentialFamily):
    """x_j | z = k ~ Geometric(prob_kj): failures before a success, x = 0, 1, ..., features independent."""

    prob: Prior = parameter("feature", support=supports.unit)

    def check(self, x, names):
        if (x < 0).any() or (x != np.round(x)).any():
            raise bm.InputError(f"Geometric(): expected counts 0, 1, 2, ... in {names}; choose another family.")

    def logpdf(self, x, prob):
        return np.stack([(np.log(p) + x * np.log1p(-p)).sum(axis=1) for p in prob], axis=1)

    def dist(self, prob):
        import pymc as pm

        return pm.NegativeBinomial.dist(n=1.0, p=prob)

    def draw(self, z, rng, prob):
        return rng.geometric(prob[z]).astype(np.float64) - 1.0

    def sufficient(self, x):
        return np.concatenate([np.ones((len(x), 1)), x], axis=1)

    def natural(self, xp, prob):
        return xp.concatenate([xp.log(prob).sum(axis=1)[:, None], xp.log1p(-prob)], axis=1)

    def mode(self, stats, prob):
        """prob = (n + a) / (n + a + sum x + b), a and b from the prior's beta kernel."""
        kernel = self.prob.conjugate("beta", prob.shape)
        if isinstance(self.prob, bm.Fixed) or kernel is None:
            return super().mode(stats, prob=prob)
        yes = np.maximum(stats[:, :1] + kernel[0], 0.0)
        no = np.maximum(stats[:, 1:] + kernel[1], 0.0)
        return {"prob": np.where(yes + no > 0, yes / np.where(yes + no > 0, yes + no, 1.0), prob)}


@dataclass(frozen=True, eq=False)
class Laplace(Family):
    """x_j | z = k ~ Laplace(center_kj, width_kj), features independent: not an exponential family."""

    center: Prior = parameter("feature", support=supports.real)
    width: Prior = parameter("feature", support=supports.positive)

    def logpdf(self, x, center, width):
        away = np.abs(x[:, None, :] - center) / width
        return -(away + np.log(2 * width)).sum(axis=2)

    def dist(self, center, width):
        import pymc as pm

        return pm.Laplace.dist(center, width)

    def draw(self, z, rng, center, width):
        return rng.laplace(center[z], width[z])


@dataclass(frozen=True, eq=False, repr=False)
class Weibull(Prior):
    """(v / scale)^shape ~ Exponential(1)."""

    shape: np.ndarray = hyper(positive=True)
    scale: np.ndarray = hyper(positive=True)

    support = supports.positive

    def logp(self, value, theta):
        a, b = spread(self.shape, value.shape), spread(self.scale, value.shape)
        return np.log(a / b) + (a - 1) * np.log(value / b) - (value / b) ** a

    def rv(self, name, theta, dims):
        import pymc as pm

        full = dim_shape(dims)
        return pm.Weibull(name, alpha=spread(self.shape, full), beta=spread(self.scale, full), dims=dims)

    def draw(self, rng, shape, theta):
        return spread(self.scale, shape) * rng.weibull(spread(self.shape, shape))

    @property
    def bounded(self):
        return bool((self.shape >= 1).all())

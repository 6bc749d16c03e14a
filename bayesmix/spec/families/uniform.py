"""Uniform noise."""

from dataclasses import dataclass

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec import supports
from bayesmix.spec.families.base import ExponentialFamily, parameter
from bayesmix.spec.priors import Fixed, Prior, spread


@dataclass(frozen=True, eq=False)
class UniformComponent(ExponentialFamily):
    """x | z = k ~ Uniform on the box lower_j <= x_j <= upper_j, features independent: log f = -log volume.

    `lower` and `upper` are known constants, numbers or one for each column; left out, they are the range
    of the data. Beside other families in `Components` it is a noise component that takes up outliers.

    References: Banfield & Raftery (1993), Biometrics 49:803-821, section 4.
    """

    lower: Prior = parameter("feature", support=supports.real, constant=True)
    upper: Prior = parameter("feature", support=supports.real, constant=True)

    location = ("lower", "upper")
    independent = True

    def __post_init__(self):
        super().__post_init__()
        if isinstance(self.lower, Fixed) and isinstance(self.upper, Fixed):
            wide = np.subtract(*np.broadcast_arrays(self.upper.value, self.lower.value))
            if not (wide > 0).all():
                raise InputError(
                    f"UniformComponent(lower, upper): expected lower < upper in every column, got "
                    f"{self.lower.value.tolist()} and {self.upper.value.tolist()}."
                )

    def default(self, name, x):
        self.column_sd(name, x)  # a constant column has no range
        return Fixed(np.nanmin(x, axis=0) if name == "lower" else np.nanmax(x, axis=0))

    def mask(self, x, K):
        if not isinstance(self.lower, Fixed) or not isinstance(self.upper, Fixed):
            return None  # the range of the data excludes no row
        lower, upper = (spread(p.value, (K, x.shape[1])) for p in (self.lower, self.upper))
        if (x >= lower.max(axis=0)).all() and (x <= upper.min(axis=0)).all():
            return None  # the usual case, without an array of n x K
        outside = (x[:, None, :] < lower) | (x[:, None, :] > upper)
        return np.where(outside.any(axis=2), -np.inf, 0.0)

    def logpdf(self, x, lower, upper):
        outside = ((x[:, None, :] < lower) | (x[:, None, :] > upper)).any(axis=2)
        return np.where(outside, -np.inf, -np.log(upper - lower).sum(axis=1))

    def dist(self, lower, upper):
        import pymc as pm

        return pm.Uniform.dist(lower, upper)

    def draw(self, z, rng, lower, upper):
        return rng.uniform(lower[z], upper[z])

    def expected_row(self, theta):
        return 0.5 * (theta["lower"] + theta["upper"])

    def expected_sufficient(self, theta):
        """[1]."""
        return np.ones((len(theta["lower"]), 1))

    def sufficient(self, x):
        """[1]."""
        return np.ones((len(x), 1))

    def natural(self, xp, lower, upper):
        """[-log volume]."""
        return -xp.log(upper - lower).sum(axis=1)[:, None]

    def mode(self, stats, lower, upper):
        """Nothing to choose."""
        return {"lower": lower, "upper": upper}

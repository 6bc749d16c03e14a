"""Log-normal positive values."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec import supports
from bayesmix.spec.families.base import ExponentialFamily, parameter
from bayesmix.spec.families.gaussian import Gaussian
from bayesmix.spec.priors import FromData, Prior


@dataclass(frozen=True, eq=False)
class LogNormalComponent(ExponentialFamily):
    """log x_j | z = k ~ N(mean_kj, var_kj), features independent; x_j > 0.

    `mean` and `var` (or `sd`, exactly one of them) belong to log x. Priors, left-out priors, switches and
    M-steps are those of `Gaussian` on log x; the median of x is exp(mean).

    References: Johnson, Kotz & Balakrishnan (1994), Continuous Univariate Distributions 1, chapter 14.
    """

    mean: Prior = parameter("feature", support=supports.real)
    var: Prior | None = parameter("feature", support=supports.positive, optional=True, pooled=True)
    sd: Prior | None = parameter("feature", support=supports.positive, optional=True, pooled=True)
    isotropic: bool = False
    shared: bool = False

    independent = True

    def __post_init__(self):
        if self.var is not None and self.sd is not None:
            raise InputError("LogNormalComponent(var=..., sd=...): expected exactly one of them, got both; drop one.")
        if self.var is None and self.sd is None:
            object.__setattr__(self, "var", FromData())
        super().__post_init__()

    @cached_property
    def of_log(self):
        """The Gaussian family of log x."""
        return Gaussian(self.mean, self.var, self.sd, self.isotropic, self.shared)

    def check(self, x, names):
        bad = np.argwhere(~(x > 0))
        if len(bad):
            i, j = bad[0]
            raise InputError(
                f"LogNormalComponent(): expected values > 0, got {x[i, j]:g} in row {i} of column {names[j]!r}; "
                "choose another family for this column."
            )

    @property
    def headline(self):
        return super().headline if self.sd is None else super().headline.replace("var_kj", "sd_kj^2")

    def default(self, name, x):
        self.column_sd(name, np.log(x))  # its sentence names this family
        return self.of_log.default(name, np.log(x))

    def logpdf(self, x, **theta):
        inside = (x > 0).all(axis=1)
        y = np.log(np.where(inside[:, None], x, 1.0))
        out = self.of_log.logpdf(y, **theta) - y.sum(axis=1)[:, None]
        return np.where(inside[:, None], out, -np.inf)

    def dist(self, mean, var=None, sd=None):
        import pymc as pm
        import pytensor.tensor as pt

        return pm.LogNormal.dist(mean, pt.sqrt(var) if sd is None else sd)

    def draw(self, z, rng, **theta):
        return np.exp(self.of_log.draw(z, rng, **theta))

    def derived(self, theta):
        var = theta["var"] if "var" in theta else theta["sd"] ** 2
        more = {"median": np.exp(theta["mean"]), "expectation": np.exp(theta["mean"] + 0.5 * var)}
        return self.of_log.derived(theta) | more

    def resolved(self, theta):
        return self.of_log.resolved(theta)

    def sufficient(self, x):
        """[1, log x_j, (log x_j)^2]."""
        return self.of_log.sufficient(np.log(x))

    def expected_sufficient(self, theta):
        return self.of_log.expected_sufficient(theta)

    def expected_row(self, theta):
        return np.exp(theta["mean"] + 0.5 * (theta["var"] if "var" in theta else theta["sd"] ** 2))

    def natural(self, xp, **theta):
        return self.of_log.natural(xp, **theta)

    def base(self, x):
        return -np.log(x).sum(axis=1)

    def mode(self, stats, **theta):
        return self.of_log.mode(stats, **theta)

    def conditional(self, stats, rng, **theta):
        """The Gibbs step of the Gaussian of log x."""
        return self.of_log.conditional(stats, rng, **theta)

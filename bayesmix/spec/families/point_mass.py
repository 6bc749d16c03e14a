"""All probability at one value."""

from dataclasses import dataclass, field, replace

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec.families.base import ExponentialFamily


@dataclass(frozen=True, eq=False)
class PointMass(ExponentialFamily):
    """x | z = k is `value` (a number, or one for each column) with probability one.

    It has no parameters: log f is 0 at the value and -inf elsewhere, a mask over the rows. Only inside
    `Components`, beside families of counts: `Components(PointMass(0), Poisson())` is the zero-inflated
    Poisson.

    References: Lambert (1992), Technometrics 34:1-14.
    """

    value: np.ndarray = field(default=0.0)

    alone = False
    independent = True

    def __post_init__(self):
        value = np.array(self.value, dtype=np.float64)
        if value.ndim > 1 or not np.isfinite(value).all():
            raise InputError(
                f"PointMass(value=...): expected a number or one number for each column, got {self.value!r}."
            )
        value.flags.writeable = False
        object.__setattr__(self, "value", value)
        super().__post_init__()

    @property
    def columns(self):
        """The number of columns d that `value` speaks of, None for any."""
        return len(self.value) if self.value.ndim else None

    @property
    def discrete(self):
        """Always: one value and no other."""
        return True

    def atoms(self, d):
        return np.ones(d, dtype=bool)

    def resolve(self, x):
        return replace(self, value=np.broadcast_to(self.value, x.shape[1:]))

    def mask(self, x, K):
        elsewhere = ((x != self.value) & ~np.isnan(x)).any(axis=1)
        return np.where(elsewhere[:, None], -np.inf, np.zeros((1, K)))

    def logpdf(self, x):
        return self.mask(x, 1)

    def dist(self):
        import pymc as pm

        return pm.DiracDelta.dist(np.atleast_2d(self.value))

    def draw(self, z, rng):
        return np.tile(np.atleast_1d(self.value), (len(z), 1))

    def marginal(self, columns):
        return replace(self, value=self.value[columns]) if self.value.ndim else self

    def expected_row(self, theta):
        return np.atleast_2d(self.value)

    def expected_sufficient(self, theta):
        """[1]."""
        return np.ones((1, 1))

    def sufficient(self, x):
        """[1]."""
        return np.ones((len(x), 1))

    def natural(self, xp):
        """[0]: probability one where the mask allows it."""
        return xp.zeros((1, 1))

    def mode(self, stats):
        """Nothing to choose."""
        return {}

"""Exponential waiting times."""

from dataclasses import dataclass

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec import supports
from bayesmix.spec.families.base import ExponentialFamily, parameter
from bayesmix.spec.families.poisson import rate_draw, rate_mode
from bayesmix.spec.priors import Gamma, Prior


@dataclass(frozen=True, eq=False)
class ExponentialComponent(ExponentialFamily):
    """x_j | z = k ~ Exponential(rate_kj), features independent; x_j >= 0, mean 1 / rate.

    A left-out prior is Gamma(2, column mean): at the MAP, one more row at the column mean in each cell.

    References: McLachlan & Peel (2000), Finite Mixture Models, section 10.2.
    """

    rate: Prior = parameter("feature", support=supports.positive)

    independent = True

    def check(self, x, names):
        bad = np.argwhere(~(x >= 0))
        if len(bad):
            i, j = bad[0]
            raise InputError(
                f"ExponentialComponent(): expected values >= 0, got {x[i, j]:g} in row {i} of column {names[j]!r}; "
                "choose another family for this column."
            )

    def default(self, name, x):
        mean = x.mean(axis=0)
        return Gamma(2.0, np.where(mean > 0, mean, 1.0))

    def logpdf(self, x, rate):
        inside = np.where((x >= 0).all(axis=1), 0.0, -np.inf)
        return np.stack([inside + np.log(b).sum() - x @ b for b in rate], axis=1)

    def dist(self, rate):
        import pymc as pm

        return pm.Exponential.dist(lam=rate)

    def draw(self, z, rng, rate):
        return rng.exponential(1 / rate[z])

    def derived(self, theta):
        return {"mean": 1 / theta["rate"]}

    def sufficient(self, x):
        """[1, x_1..x_d]."""
        return np.concatenate([np.ones((len(x), 1)), x], axis=1)

    def expected_sufficient(self, theta):
        """[1, 1 / rate]."""
        return np.concatenate([np.ones((len(theta["rate"]), 1)), 1 / theta["rate"]], axis=1)

    def expected_row(self, theta):
        return 1 / theta["rate"]

    def natural(self, xp, rate):
        """[sum_j log rate_j, -rate_j]."""
        return xp.concatenate([xp.log(rate).sum(axis=1)[:, None], -rate], axis=1)

    def resolved(self, theta):
        return bool((theta["rate"] > 0).all())

    def mode(self, stats, rate):
        """rate = (n + a) / (sum x + b), a and b from the prior's gamma kernel."""
        new = rate_mode(self.rate, stats[:, :1], stats[:, 1:], rate)
        return super().mode(stats, rate=rate) if new is None else {"rate": new}

    def conditional(self, stats, rng, rate):
        """rate | z ~ Gamma(n + a + 1, sum x + b)."""
        new = rate_draw(self.rate, rng, stats[:, :1], stats[:, 1:], rate)
        return None if new is None else {"rate": new}

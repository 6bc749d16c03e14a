"""Rows of counts."""

from dataclasses import dataclass, replace

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec import supports
from bayesmix.spec.families.base import ExponentialFamily, parameter
from bayesmix.spec.families.categorical import draw_simplex, simplex_mode
from bayesmix.spec.priors import Fixed, Prior
from bayesmix.spec.special import gammaln, xlogy


@dataclass(frozen=True, eq=False)
class Multinomial(ExponentialFamily):
    """x | z = k ~ Multinomial(N, prob_k): counts in d >= 2 categories, one column each, N the row's own total.

    The density is conditional on the totals N. Rows that are simulated draw theirs from `totals`, pairs
    (total, share of rows): left out, the totals of the data, recorded when the specification meets them.
    A left-out prior is Dirichlet(2): at the MAP, one count is added to each category.

    References: McLachlan & Peel (2000), Finite Mixture Models, section 5.4.
    """

    prob: Prior = parameter("feature", support=supports.simplex)
    totals: tuple | int | None = None

    least_columns = 2

    def __post_init__(self):
        super().__post_init__()
        if self.totals is None:
            return
        pairs = [(self.totals, 1.0)] if np.ndim(self.totals) == 0 else self.totals
        try:
            pairs = tuple((int(total), float(share)) for total, share in pairs)
            good = all(total >= 0 and share > 0 for total, share in pairs)
        except (TypeError, ValueError):
            good = False
        if not good or not pairs:
            raise InputError(
                "Multinomial(totals=...): expected a whole number or pairs (total, share of rows), "
                f"got {self.totals!r}."
            )
        object.__setattr__(self, "totals", pairs)

    def check(self, x, names):
        bad = np.argwhere((x < 0) | (x != np.round(x)))
        if len(bad):
            i, j = bad[0]
            raise InputError(
                f"Multinomial(): expected counts 0, 1, 2, ..., got {x[i, j]:g} in row {i} of column {names[j]!r}; "
                "choose another family for these columns."
            )

    def resolve(self, x):
        if self.totals is None:
            total, count = np.unique(x.sum(axis=1), return_counts=True)
            self = replace(self, totals=tuple(zip(total.tolist(), (count / len(x)).tolist(), strict=True)))
        return super().resolve(x)

    def logpdf(self, x, prob):
        base = self.base(x)
        return np.stack([base + xlogy(x, p).sum(axis=1) for p in prob], axis=1)

    def dist(self, prob):
        import pymc as pm
        import pytensor.tensor as pt

        def logp(value, p):
            return pm.logp(pm.Multinomial.dist(n=pt.cast(value.sum(axis=-1), "int64"), p=p), pt.cast(value, "int64"))

        return pm.CustomDist.dist(prob, logp=logp, signature="(c)->(c)")

    def draw(self, z, rng, prob):
        total, share = np.array(self.totals).T
        rows = rng.choice(total.astype(np.int64), size=len(z), p=share / share.sum())
        return rng.multinomial(rows, prob[z] / prob[z].sum(axis=1, keepdims=True)).astype(np.float64)

    def sufficient(self, x):
        """[1, x_1..x_d]."""
        return np.concatenate([np.ones((len(x), 1)), x], axis=1)

    def natural(self, xp, prob):
        """[0, log p_j]; log 0 is -1e30, so that W stays finite."""
        with np.errstate(divide="ignore"):
            log_p = xp.maximum(xp.log(prob), -1e30)
        return xp.concatenate([xp.zeros_like(prob[:, :1]), log_p], axis=1)

    def base(self, x):
        """log of the multinomial coefficient."""
        return gammaln(x.sum(axis=1) + 1) - gammaln(x + 1).sum(axis=1)

    def mode(self, stats, prob):
        """prob_j = (sum x_j + a_j) / sum, a from the prior's dirichlet kernel."""
        if isinstance(self.prob, Fixed):
            return {"prob": prob}
        kernel = self.prob.conjugate("dirichlet", prob.shape)
        if kernel is None:
            return super().mode(stats, prob=prob)
        return {"prob": simplex_mode(stats[:, 1:] + kernel[0], prob)}

    def conditional(self, stats, rng, prob):
        """prob | z ~ Dirichlet(sum x + a + 1)."""
        if isinstance(self.prob, Fixed):
            return {"prob": prob}
        kernel = self.prob.conjugate("dirichlet", prob.shape)
        return None if kernel is None else {"prob": draw_simplex(rng, stats[:, 1:] + kernel[0] + 1)}

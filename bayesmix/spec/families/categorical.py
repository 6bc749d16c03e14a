"""Categories coded 0, 1, 2, ..."""

from dataclasses import dataclass, replace

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec import supports
from bayesmix.spec.families.base import ExponentialFamily, parameter
from bayesmix.spec.priors import Fixed, Prior


@dataclass(frozen=True, eq=False)
class Categorical(ExponentialFamily):
    """x_j | z = k ~ Categorical(prob_kj), features independent; x_j in 0..C-1. Latent class analysis.

    `prob` has the axes (component, feature, category) and lies on a simplex along the last. `categories`
    is C, the same for every column; left out, it is one more than the largest code in the data, at least
    2, and is recorded when the specification meets the data. A left-out prior is Dirichlet(2): at the
    MAP, one observation is added to each category of each column.

    References: Lazarsfeld & Henry (1968), Latent Structure Analysis; Bishop (2006), section 9.3.3.
    """

    prob: Prior = parameter("feature", "category", support=supports.simplex)
    categories: int | None = None

    independent = True

    def __post_init__(self):
        super().__post_init__()
        C = self.categories
        if C is None:
            return
        if isinstance(C, bool) or not isinstance(C, int | np.integer) or C < 2:
            raise InputError(f"Categorical(categories=...): expected a whole number of at least 2, got {C!r}.")
        object.__setattr__(self, "categories", int(C))

    @property
    def sizes(self):
        return {} if self.categories is None else {"category": self.categories}

    def check(self, x, names):
        bad = np.argwhere((x < 0) | (x != np.round(x)))
        if len(bad):
            i, j = bad[0]
            raise InputError(
                f"Categorical(): expected codes 0, 1, 2, ..., got {x[i, j]:g} in row {i} of column {names[j]!r}; "
                "number the categories from 0 or choose another family."
            )
        bad = np.argwhere(x >= self.categories) if self.categories is not None else ()
        if len(bad):
            i, j = bad[0]
            raise InputError(
                f"Categorical(categories={self.categories}): expected codes 0..{self.categories - 1}, got {x[i, j]:g} "
                f"in row {i} of column {names[j]!r}; raise `categories` or correct the code."
            )

    def resolve(self, x):
        if self.categories is None:
            self = replace(self, categories=max(2, int(x.max()) + 1))
        return super().resolve(x)

    def logpdf(self, x, prob):
        code = x.astype(np.int64)
        known = ((x == code) & (code >= 0) & (code < prob.shape[2])).all(axis=1)
        code = np.where(known[:, None], code, 0)
        with np.errstate(divide="ignore"):
            log_p = np.log(prob)[:, np.arange(x.shape[1]), code].sum(axis=2).T
        return np.where(known[:, None], log_p, -np.inf)

    def dist(self, prob):
        import pymc as pm

        return pm.Categorical.dist(p=prob)

    def draw(self, z, rng, prob):
        level = np.cumsum(prob, axis=2)[z]
        dart = rng.random((len(z), prob.shape[1], 1)) * level[..., -1:]
        return np.minimum((dart >= level).sum(axis=2), prob.shape[2] - 1).astype(np.float64)

    def sufficient(self, x):
        """[1, 1(x_1 = 0)..1(x_1 = C-1), 1(x_2 = 0)..]."""
        one_hot = (x[:, :, None] == np.arange(self.categories)).reshape(len(x), -1)
        return np.concatenate([np.ones((len(x), 1)), one_hot], axis=1)

    def slots(self, d):
        """(d, C): here the features are sorted by column."""
        return 1 + np.arange(d * self.categories).reshape(d, self.categories)

    def expected_sufficient(self, theta):
        """[1, prob]."""
        prob = theta["prob"]
        return np.concatenate([np.ones((len(prob), 1)), prob.reshape(len(prob), -1)], axis=1)

    def natural(self, xp, prob):
        """[0, log p_jc]; log 0 is -1e30, so that W stays finite."""
        with np.errstate(divide="ignore"):
            log_p = xp.maximum(xp.log(prob), -1e30)
        flat = log_p.reshape((log_p.shape[0], log_p.shape[1] * log_p.shape[2]))
        return xp.concatenate([xp.zeros_like(flat[:, :1]), flat], axis=1)

    def mode(self, stats, prob):
        """prob_jc = (n_jc + a_c) / sum_c, a from the prior's dirichlet kernel."""
        if isinstance(self.prob, Fixed):
            return {"prob": prob}
        kernel = self.prob.conjugate("dirichlet", prob.shape)
        if kernel is None:
            return super().mode(stats, prob=prob)
        return {"prob": simplex_mode(stats[:, 1:].reshape(prob.shape) + kernel[0], prob)}

    def conditional(self, stats, rng, prob):
        """prob_j | z ~ Dirichlet(n_j + a + 1)."""
        if isinstance(self.prob, Fixed):
            return {"prob": prob}
        kernel = self.prob.conjugate("dirichlet", prob.shape)
        return None if kernel is None else {"prob": draw_simplex(rng, stats[:, 1:].reshape(prob.shape) + kernel[0] + 1)}


def draw_simplex(rng, a):
    """Dirichlet(a) along the last axis."""
    g = rng.gamma(a)
    return g / g.sum(axis=-1, keepdims=True)


def simplex_mode(counts, otherwise):
    """The maximum of sum_c counts_c log p_c over the simplex, last axis; negative counts act as zero."""
    counts = np.maximum(counts, 0.0)
    total = counts.sum(axis=-1, keepdims=True)
    return np.where(total > 0, counts / np.where(total > 0, total, 1.0), otherwise)

"""Binary features."""

from dataclasses import dataclass

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec import supports
from bayesmix.spec.families.base import ExponentialFamily, parameter
from bayesmix.spec.priors import Fixed, Prior
from bayesmix.spec.special import xlog1py, xlogy
from bayesmix.spec.truncated import draw_beta


@dataclass(frozen=True, eq=False)
class Bernoulli(ExponentialFamily):
    """x_j | z = k ~ Bernoulli(prob_kj), features independent; x_j in {0, 1}. Also latent class analysis.

    A left-out prior is Beta(2, 2): at the MAP, one success and one failure are added to each cell.

    References: Bishop (2006), section 9.3.3.
    """

    prob: Prior = parameter("feature", support=supports.unit)

    expectation = "prob"
    features = "linear"
    independent = True

    def check(self, x, names):
        bad = np.argwhere((x != 0) & (x != 1) & ~np.isnan(x))
        if len(bad):
            i, j = bad[0]
            raise InputError(
                f"Bernoulli(): expected 0 or 1, got {x[i, j]:g} in row {i} of column {names[j]!r}; "
                "code the column as 0 / 1 or choose another family."
            )

    def logpdf(self, x, prob):
        yes, no = xlogy(1.0, prob), xlog1py(1.0, -prob)  # a logarithm for each probability, not for each cell
        return np.stack([np.where(x == 1, a, b).sum(axis=1) for a, b in zip(yes, no, strict=True)], axis=1)

    def dist(self, prob):
        import pymc as pm

        return pm.Bernoulli.dist(p=prob)

    def draw(self, z, rng, prob):
        return (rng.random((len(z), prob.shape[1])) < prob[z]).astype(np.float64)

    def sufficient(self, x):
        """[1, x_1..x_d]."""
        return np.concatenate([np.ones((len(x), 1)), x], axis=1)

    def expected_sufficient(self, theta):
        """[1, prob]."""
        return np.concatenate([np.ones((len(theta["prob"]), 1)), theta["prob"]], axis=1)

    def natural(self, xp, prob):
        """[sum_j log(1 - p_j), logit p_j]; log 0 is -1e30, so that W stays finite."""
        with np.errstate(divide="ignore"):
            log_no, log_yes = xp.maximum(xp.log1p(-prob), -1e30), xp.maximum(xp.log(prob), -1e30)
        return xp.concatenate([log_no.sum(axis=1)[:, None], log_yes - log_no], axis=1)

    def mode(self, stats, prob):
        """prob = (sum x + a) / (n + a + b), a and b from the prior's beta kernel."""
        if isinstance(self.prob, Fixed):
            return {"prob": prob}
        kernel = self.prob.conjugate("beta", prob.shape)
        if kernel is None:
            return super().mode(stats, prob=prob)
        a, b = kernel
        yes = np.maximum(stats[:, 1:] + a, 0.0)
        no = np.maximum(stats[:, :1] - stats[:, 1:] + b, 0.0)
        new = np.where(yes + no > 0, yes / np.where(yes + no > 0, yes + no, 1.0), prob)
        return {"prob": np.clip(new, *self.prob.interval)}

    def conditional(self, stats, rng, prob):
        """prob | z ~ Beta(sum x + a + 1, n - sum x + b + 1)."""
        if isinstance(self.prob, Fixed):
            return {"prob": prob}
        kernel = self.prob.conjugate("beta", prob.shape)
        if kernel is None:
            return None
        a, b = kernel
        yes, no = stats[:, 1:], stats[:, :1] - stats[:, 1:]
        return {"prob": draw_beta(rng, yes + a + 1, no + b + 1, self.prob.interval)}

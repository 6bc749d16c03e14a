"""Gaussian with independent features."""

from dataclasses import dataclass

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec import supports
from bayesmix.spec.climb import log_slopes, newton_root
from bayesmix.spec.families.base import ExponentialFamily, parameter
from bayesmix.spec.priors import (
    LOG_2PI,
    ConjugateNormal,
    Fixed,
    FromData,
    HalfNormal,
    InverseGamma,
    Prior,
    spread,
)
from bayesmix.spec.truncated import draw_inverse_gamma, draw_normal


@dataclass(frozen=True, eq=False)
class Gaussian(ExponentialFamily):
    """x_j | z = k ~ N(mean_kj, var_kj), features j = 1..d independent.

    Exactly one of `var` and `sd` is the parameter and names the measure of its density; the other
    is reported as derived. With neither, it is `var`, under its default prior InverseGamma(2, sd^2 / 2)
    with sd the columns' standard deviation. `shared`: one scale for all components; `isotropic`:
    one scale for all features.

    References: Bishop (2006), Pattern Recognition and Machine Learning, section 9.2.
    """

    mean: Prior = parameter("feature", support=supports.real)
    var: Prior | None = parameter("feature", support=supports.positive, optional=True, pooled=True)
    sd: Prior | None = parameter("feature", support=supports.positive, optional=True, pooled=True)
    isotropic: bool = False
    shared: bool = False

    location = expectation = "mean"
    features = "diagonal"
    independent = True

    def __post_init__(self):
        if self.var is not None and self.sd is not None:
            raise InputError("Gaussian(var=..., sd=...): expected exactly one of them, got both; drop one.")
        if self.var is None and self.sd is None:
            object.__setattr__(self, "var", FromData())
        super().__post_init__()

    @property
    def headline(self):
        return super().headline if self.sd is None else super().headline.replace("var_kj", "sd_kj^2")

    def default(self, name, x):
        if name == "var":
            return InverseGamma(2.0, self.pooled_scale(name, self.column_sd(name, x)) ** 2 / 2)
        if name == "sd":
            return HalfNormal(2 * self.pooled_scale(name, self.column_sd(name, x)))
        return super().default(name, x)

    def logpdf(self, x, mean, var=None, sd=None):
        sd = np.broadcast_to(np.sqrt(var) if sd is None else sd, mean.shape)
        columns = [
            -0.5 * (((x - m) / s) ** 2).sum(axis=1) - np.log(s).sum() - 0.5 * x.shape[1] * LOG_2PI
            for m, s in zip(mean, sd, strict=True)
        ]
        return np.stack(columns, axis=1)

    def dist(self, mean, var=None, sd=None):
        import pymc as pm
        import pytensor.tensor as pt

        return pm.Normal.dist(mean, pt.sqrt(var) if sd is None else sd)

    def draw(self, z, rng, mean, var=None, sd=None):
        sd = np.broadcast_to(np.sqrt(var) if sd is None else sd, mean.shape)
        return rng.normal(mean[z], sd[z])

    def derived(self, theta):
        return {"sd": np.sqrt(theta["var"])} if "var" in theta else {"var": theta["sd"] ** 2}

    def resolved(self, theta):
        name = "var" if self.sd is None else "sd"
        return wide_enough(
            self.parameters[name], theta["mean"], theta["sd"] if "sd" in theta else np.sqrt(theta["var"])
        )

    def sufficient(self, x):
        """[1, x_1..x_d, x_1^2..x_d^2]."""
        return np.concatenate([np.ones((len(x), 1)), x, x**2], axis=1)

    def expected_sufficient(self, theta):
        """[1, m, m^2 + v]."""
        mean = theta["mean"]
        var = np.broadcast_to(theta["var"] if "var" in theta else theta["sd"] ** 2, mean.shape)
        return np.concatenate([np.ones((len(mean), 1)), mean, mean**2 + var], axis=1)

    def natural(self, xp, mean, var=None, sd=None):
        """[-sum_j (m^2/v + log v + log 2 pi)/2, m/v, -1/(2 v)]."""
        var = sd**2 if var is None else var
        var = var + xp.zeros_like(mean)  # broadcast a shared or isotropic scale
        one = -0.5 * (mean**2 / var + xp.log(var) + LOG_2PI).sum(axis=1)[:, None]
        return xp.concatenate([one, mean / var, -0.5 / var], axis=1)

    def mode(self, stats, mean, var=None, sd=None):
        """Two conditional maximisations (ECM, Meng & Rubin 1993): the mean, then the scale."""
        d = mean.shape[1]
        n, s, q = stats[:, :1], stats[:, 1 : d + 1], stats[:, d + 1 :]
        name = "var" if sd is None else "sd"
        scale, prior = (var if sd is None else sd), self.parameters[name].prior
        v = np.broadcast_to(scale if sd is None else sd**2, mean.shape)

        m = mean_mode(self.mean, n, s, v, mean)
        kernel = prior.conjugate("inverse gamma" if sd is None else "scale", scale.shape)
        if m is None or (kernel is None and (prior.turn or prior.unknown)):
            return super().mode(stats, mean=mean, **{name: scale})
        if isinstance(prior, Fixed):
            return {"mean": m, name: scale}

        count, ss = n + np.zeros_like(m), scatter(n, s, q, m)
        if isinstance(self.mean, ConjugateNormal):
            count = count + 1
            ss = ss + spread(self.mean.kappa, n.shape) * (m - spread(self.mean.mean, m.shape)) ** 2
        axes = tuple(axis for axis in (0, 1) if scale.shape[axis] != m.shape[axis])
        count, ss = count.sum(axis=axes, keepdims=True), ss.sum(axis=axes, keepdims=True)
        if kernel is None:
            new = scale_mode(prior, count, ss, scale, 1 if sd is None else 2)
        elif sd is None:
            a, b = kernel
            new = _ratio(0.5 * ss + b, 0.5 * count + a, scale)
        else:
            new = sd_mode(kernel, count, ss, scale)
        return {"mean": m, name: np.clip(new, *prior.interval)}

    def conditional(self, stats, rng, mean, var=None, sd=None):
        """The scale given the mean, then the mean given the scale; jointly under `ConjugateNormal`.

        References: Gelman et al. (2013), Bayesian Data Analysis, sections 3.3 and 11.6.
        """
        d = mean.shape[1]
        n, s, q = stats[:, :1], stats[:, 1 : d + 1], stats[:, d + 1 :]
        name = "var" if sd is None else "sd"
        scale, prior = (var if sd is None else sd), self.parameters[name].prior
        if not isinstance(prior, Fixed):
            joint = isinstance(self.mean, ConjugateNormal)
            kernel = prior.conjugate("inverse gamma" if sd is None else "scale", scale.shape)
            if kernel is None or (sd is not None and np.any(kernel[2] != 0)):
                return None
            count, ss = n + np.zeros_like(mean), scatter(n, s, q, mean)
            if joint:  # the mean integrated out
                kappa, away = spread(self.mean.kappa, n.shape), _ratio(s, n, mean) - spread(self.mean.mean, s.shape)
                ss = scatter(n, s, q, _ratio(s, n, mean)) + kappa * n / (kappa + n) * away**2
            axes = tuple(axis for axis in (0, 1) if scale.shape[axis] != mean.shape[axis])
            count, ss = count.sum(axis=axes, keepdims=True), ss.sum(axis=axes, keepdims=True)
            if sd is None:
                scale = draw_inverse_gamma(rng, 0.5 * count + kernel[0] - 1, 0.5 * ss + kernel[1], prior.interval)
            else:  # a density v^-a in s is one of v^-(a + 1)/2 in s^2
                square = tuple(np.sign(b) * np.square(b) for b in prior.interval)
                shape = 0.5 * (count + kernel[0] - 1)
                scale = np.sqrt(draw_inverse_gamma(rng, shape, 0.5 * ss + kernel[1], square))
        v = np.broadcast_to(scale if sd is None else scale**2, mean.shape)
        new = mean_draw(self.mean, rng, n, s, v, mean)
        return None if new is None else {"mean": new, name: scale}


def wide_enough(scale, mean, sd):
    """Whether every sd is more than rounding about a mean: sixteen times the spacing of numbers of the means' size.

    Only where the prior of the parameter `scale` lets it shrink without end: what is left there is no width.
    """
    if not scale.free or scale.prior.vanishes_at_zero:
        return True
    return bool((sd > 16 * np.spacing(np.abs(mean).max(axis=0))).all())


def mean_draw(prior, rng, n, s, v, old):
    """A mean given the variance v, all (K, d), or None where the prior is not conjugate."""
    if isinstance(prior, Fixed):
        return old
    if isinstance(prior, ConjugateNormal):
        kappa = spread(prior.kappa, n.shape)
        return rng.normal((s + kappa * spread(prior.mean, s.shape)) / (n + kappa), np.sqrt(v / (n + kappa)))
    kernel = prior.conjugate("normal", s.shape)
    if kernel is None:
        return None
    precision = n / v + kernel[0]
    return draw_normal(rng, (s / v + kernel[1]) / precision, 1 / np.sqrt(precision), prior.interval)


def mean_mode(prior, n, s, v, old):
    """The conditional mode of a mean with known variance v, all (K, d), or None without closed form."""
    if isinstance(prior, Fixed):
        return old
    if isinstance(prior, ConjugateNormal):
        kappa = spread(prior.kappa, n.shape)
        return (s + kappa * spread(prior.mean, s.shape)) / (n + kappa)
    kernel = prior.conjugate("normal", s.shape)
    if kernel is None:
        return None
    precision, linear = kernel
    return np.clip(_ratio(s + v * linear, n + v * precision, old), *prior.interval)


def sd_mode(kernel, count, ss, old):
    """The conditional mode of a standard deviation under a "scale" kernel, from a sum of squares."""
    a, b, c = kernel
    # the root of -(count + a)/s + (ss + 2 b)/s^3 - 2 c s = 0, in s^2
    top, mid = ss + 2 * b, count + a
    return np.sqrt(_ratio(2 * top, mid + np.sqrt(mid**2 + 8 * c * top), old**2))


def scale_mode(prior, count, ss, old, power):
    """The conditional mode of a variance (power 1) or standard deviation (2) under any prior, from a sum of squares:

    the root in u = log scale of (power / 2) (ss / scale^power - count) + d log prior / du.
    """
    prior_slopes = log_slopes(prior, old.shape)

    def slopes(u):
        far = 0.5 * power * ss * np.exp(-power * u)
        return tuple(np.add((far - 0.5 * power * count, -power * far), prior_slopes(u)))

    return np.exp(newton_root(slopes, np.log(old)))


def scatter(n, s, q, m):
    """sum_i r_ik (x_ij - m_kj)^2 from the moments about the origin; 0 where it is below their resolution."""
    mean = _ratio(s, n + np.zeros_like(s), m)
    within = q - n * mean**2
    within = np.where(within > 1e-13 * q, within, 0.0)
    return within + n * (m - mean) ** 2


def _ratio(a, b, otherwise):
    """a / b, and `otherwise` where nothing was observed and nothing is believed (0 / 0)."""
    a, b = np.broadcast_arrays(a, b)
    return np.where(b > 0, a / np.where(b > 0, b, 1.0), np.broadcast_to(otherwise, a.shape))

"""Beliefs about a location: `Normal`, and `ConjugateNormal`, whose spread is the component's own."""

from dataclasses import dataclass

import numpy as np

from bayesmix.spec.priors.base import LOG_2PI, Prior, dim_shape, hyper, plus, spread


@dataclass(frozen=True, eq=False, repr=False)
class Normal(Prior):
    """v ~ N(mean, sd^2), independently."""

    mean: np.ndarray = hyper()
    sd: np.ndarray = hyper(positive=True)

    def logp(self, value, theta):
        mean, sd = spread(self.mean, value.shape), spread(self.sd, value.shape)
        return -0.5 * ((value - mean) / sd) ** 2 - np.log(sd) - 0.5 * LOG_2PI

    def rv(self, name, theta, dims):
        import pymc as pm

        shape = dim_shape(dims)
        return pm.Normal(name, spread(self.mean, shape), spread(self.sd, shape), dims=dims)

    def draw(self, rng, shape, theta):
        return rng.normal(spread(self.mean, shape), spread(self.sd, shape))

    def conjugate(self, kernel, shape):
        if kernel != "normal":
            return None
        precision = 1 / spread(self.sd, shape) ** 2
        return precision, precision * spread(self.mean, shape)

    def likelihood(self, argument, value):
        away = value - spread(self.mean, value.shape)
        return ("scale", (1.0, 0.5 * away**2, 0.0)) if argument == "sd" else None

    def shifted(self, by):
        return Normal(plus(self.mean, by), self.sd)


@dataclass(frozen=True, eq=False, repr=False)
class ConjugateNormal(Prior):
    """mean_k | scale_k ~ N(mean, scale_k / kappa): kappa pseudo-observations at `mean`.

    Reads the family's scale: `cov` (normal-inverse-Wishart), `var` or `sd`^2 (normal-inverse-gamma), or the
    `scale` of a t, a matrix or the square of a number.

    References: Fraley & Raftery (2007), J. Classification 24:155-181, eq. (7).
    """

    mean: np.ndarray = hyper()
    kappa: np.ndarray = hyper(positive=True, known=True)

    reads_scale = True

    def logp(self, value, theta):
        kappa = spread(self.kappa, value.shape[:1])[:, None]
        y = np.sqrt(kappa) * (value - spread(self.mean, value.shape))
        d = value.shape[-1]
        cov = _cov(theta)
        if cov is not None:
            factor = np.broadcast_to(np.linalg.cholesky(cov), (len(value), d, d))
            z = np.linalg.solve(factor, y[..., None])[..., 0]
            log_det = np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(axis=-1)
        else:
            sd = np.broadcast_to(_sd(theta, np), value.shape)
            z = y / sd
            log_det = np.log(sd).sum(axis=-1)
        return -0.5 * (z**2).sum(axis=-1) - log_det + 0.5 * d * (np.log(kappa[:, 0]) - LOG_2PI)

    def rv(self, name, theta, dims):
        import pymc as pm
        import pytensor.tensor as pt

        shape = dim_shape(dims)
        mean, root = spread(self.mean, shape), np.sqrt(spread(self.kappa, shape[:1]))
        cov = _cov(theta)
        if cov is not None:
            chol = pt.linalg.cholesky(cov) / root[:, None, None]
            return pm.MvNormal(name, mean, chol=chol, dims=dims)
        return pm.Normal(name, mean, _sd(theta, pt) / root[:, None], dims=dims)

    def draw(self, rng, shape, theta):
        root = np.sqrt(spread(self.kappa, shape[:1]))[:, None]
        z = rng.standard_normal(shape)
        cov = _cov(theta)
        if cov is not None:
            z = (np.linalg.cholesky(cov) @ z[..., None])[..., 0]
        else:
            z = z * _sd(theta, np)
        return spread(self.mean, shape) + z / root

    def shifted(self, by):
        return ConjugateNormal(plus(self.mean, by), self.kappa)


def _sd(theta, xp):
    if "scale" in theta:
        return theta["scale"]
    return theta["sd"] if "sd" in theta else xp.sqrt(theta["var"])


def _cov(theta):
    """The matrix among the scales, or None."""
    found = theta.get("cov", theta.get("scale"))
    return found if found is not None and found.ndim == 3 else None

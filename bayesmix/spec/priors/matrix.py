"""Beliefs about a covariance matrix."""

from dataclasses import dataclass

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec import supports
from bayesmix.spec.matrices import precision_and_log_det
from bayesmix.spec.priors.base import Prior, dim_shape, hyper, spread
from bayesmix.spec.special import multigammaln


@dataclass(frozen=True, eq=False, repr=False)
class InverseWishart(Prior):
    """V ~ inverse-Wishart(df, scale): density proportional to |V|^-(df + d + 1)/2 exp(-tr(scale V^-1) / 2).

    Mean scale / (df - d - 1) for df > d + 1, mode scale / (df + d + 1). `df` is a number or (K,),
    `scale` (d, d) or (K, d, d); a number stands for that multiple of the identity.

    References: Gelman et al., Bayesian Data Analysis, 3rd ed. (2013), appendix A.
    """

    df: np.ndarray = hyper(positive=True)
    scale: np.ndarray = hyper()

    support = supports.positive_definite

    def __post_init__(self):
        super().__post_init__()
        scale = self.scale if self.scale.ndim >= 2 else self.scale.reshape(1, 1)
        if not np.allclose(scale, np.swapaxes(scale, -1, -2)) or not self.support.contains(scale):
            raise InputError(
                f"InverseWishart(scale=...): expected a positive definite matrix, got {self.scale.tolist()}."
            )

    def _full(self, shape):
        """df (K,) and scale (K, d, d)."""
        d = shape[-1]
        scale = self.scale * np.eye(d) if self.scale.ndim < 2 else self.scale
        if (self.df <= d - 1).any():
            raise InputError(f"InverseWishart(df=...): expected more than d - 1 = {d - 1}, got {self.df}.")
        return spread(self.df, shape[:-2]), spread(scale, shape)

    def logp(self, value, theta):
        d = value.shape[-1]
        df, scale = self._full(value.shape)
        try:
            factor = np.linalg.cholesky(value)
        except np.linalg.LinAlgError:
            return np.full(value.shape[:-2], -np.inf)  # outside the support, if only by rounding
        log_det = 2 * np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(axis=-1)
        m = np.linalg.solve(factor, np.linalg.cholesky(scale))  # tr(S V^-1) = |L^-1 L_S|_F^2
        return (
            0.5 * df * np.linalg.slogdet(scale)[1]
            - 0.5 * df * d * np.log(2)
            - multigammaln(df / 2, d)
            - 0.5 * (df + d + 1) * log_det
            - 0.5 * (m**2).sum(axis=(-2, -1))
        )

    def rv(self, name, theta, dims):
        import pymc as pm

        shape = dim_shape(dims)
        df, scale = self._full(shape)
        return pm.CustomDist(
            name,
            df,
            scale,
            logp=_inverse_wishart_logp,
            random=lambda df, scale, rng=None, size=None: draw_inverse_wishart(rng, df, scale, size),
            support_point=lambda rv, size, df, scale: scale / (df + shape[-1] + 1)[..., None, None],
            signature="(),(d,e)->(d,e)",
            dims=dims,
            default_transform=self.support.transform(shape),
        )

    def draw(self, rng, shape, theta):
        df, scale = self._full(shape)
        return draw_inverse_wishart(rng, df, scale)

    @property
    def vanishes_at_zero(self):
        return True

    def conjugate(self, kernel, shape):
        if kernel != "inverse wishart":
            return None
        df, scale = self._full(shape)
        return df + shape[-1] + 1, scale


def _inverse_wishart_logp(value, df, scale):
    """The same density in PyTensor, from the entries of V^-1."""
    import pytensor.tensor as pt

    d = int(value.type.shape[-1] or scale.type.shape[-1])
    P, log_det = precision_and_log_det(pt, value)
    scale_log_det = precision_and_log_det(pt, scale)[1]
    trace = (scale * P).sum(axis=(1, 2))
    # written out, since PyMC's multigammaln mistakes a batch of df for its own index
    log_gamma = 0.25 * d * (d - 1) * np.log(np.pi) + sum(pt.gammaln(0.5 * (df - j)) for j in range(d))
    return (
        0.5 * df * scale_log_det - 0.5 * df * d * np.log(2.0) - log_gamma - 0.5 * (df + d + 1) * log_det - 0.5 * trace
    )


def draw_inverse_wishart(rng, df, scale, size=None):
    """Draws for df (K,) and scale (K, d, d).

    V = M M', M = L A^-T with L L' = scale and A the Bartlett factor of a Wishart(df, I).
    """
    df, scale = np.asarray(df), np.asarray(scale)
    batch = np.broadcast_shapes(df.shape, scale.shape[:-2], tuple(size or ()))
    d = scale.shape[-1]
    A = np.zeros((*batch, d, d))
    i, j = np.tril_indices(d, -1)
    A[..., i, j] = rng.standard_normal((*batch, len(i)))
    k = np.arange(d)
    A[..., k, k] = np.sqrt(rng.chisquare(np.broadcast_to(df, batch)[..., None] - k))
    M = np.linalg.cholesky(scale) @ np.swapaxes(np.linalg.inv(A), -1, -2)
    return M @ np.swapaxes(M, -1, -2)

"""The Ops of a model in JAX, so that NumPyro and other JAX samplers can run it (`pip install 'bayesmix[jax]'`).

`register` tells PyTensor of them. JAX differentiates the forward forms by itself; the slopes
are here too, for graphs that PyTensor has differentiated already.
"""

from bayesmix.mcmc.mix_op import MixRows, MixSum
from bayesmix.spec.matrix_ops import CovarianceOfFactor, CovarianceOfFactorSlope, Precision, PrecisionSlope


def rows_in_jax(op, **kwargs):
    from jax.scipy.special import logsumexp

    def mix_rows(features, W, log_label, base, weight):
        return weight * (logsumexp(W @ features + log_label, axis=0) + base)

    return mix_rows


def sum_in_jax(op, **kwargs):
    import jax.numpy as jnp
    from jax.scipy.special import logsumexp

    def mix_sum(features, W, log_label, base, weight):
        scores = W @ features + log_label
        rows = logsumexp(scores, axis=0)
        return weight @ (rows + base), (jnp.exp(scores - rows) * weight) @ features.T

    return mix_sum


def precision_in_jax(op, **kwargs):
    import jax.numpy as jnp

    def precision(V):
        L = jnp.linalg.cholesky(V)  # not-a-number where V is not positive definite
        A = jnp.linalg.inv(L)
        return jnp.swapaxes(A, -1, -2) @ A, 2 * jnp.log(jnp.diagonal(L, axis1=-2, axis2=-1)).sum(axis=-1)

    return precision


def precision_slope_in_jax(op, **kwargs):
    import jax.numpy as jnp

    def precision_slope(P, g, h):
        return h[:, None, None] * P - P @ (0.5 * (g + jnp.swapaxes(g, -1, -2))) @ P

    return precision_slope


def factor(u, d):
    """L (K, d, d) from its packed lower triangle u, row by row, the diagonal in logs."""
    import jax.numpy as jnp

    i, j = jnp.tril_indices(d)
    entries = jnp.where(i == j, jnp.exp(jnp.where(i == j, u, 0.0)), u)
    return jnp.zeros((u.shape[0], d, d)).at[:, i, j].set(entries)


def covariance_in_jax(op, **kwargs):
    import jax.numpy as jnp

    def covariance(u):
        L = factor(u, op.d)
        return L @ jnp.swapaxes(L, -1, -2)

    return covariance


def covariance_slope_in_jax(op, **kwargs):
    import jax.numpy as jnp

    def covariance_slope(u, g):
        L, (i, j) = factor(u, op.d), jnp.tril_indices(op.d)
        slope = (g + jnp.swapaxes(g, -1, -2)) @ L
        return slope[:, i, j] * jnp.where(i == j, L[:, i, j], 1.0)

    return covariance_slope


FORMS = {
    MixRows: rows_in_jax,
    MixSum: sum_in_jax,
    Precision: precision_in_jax,
    PrecisionSlope: precision_slope_in_jax,
    CovarianceOfFactor: covariance_in_jax,
    CovarianceOfFactorSlope: covariance_slope_in_jax,
}


def register():
    """Give PyTensor the JAX form of each Op."""
    from pytensor.link.jax.dispatch import jax_funcify

    for op, form in FORMS.items():
        jax_funcify.register(op)(form)

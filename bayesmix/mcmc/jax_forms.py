"""The Ops of a model in JAX, so that NumPyro and other JAX samplers can run it (`pip install 'bayesmix[jax]'`).

Importing this module registers them with PyTensor. JAX differentiates the forward forms by itself; the slopes
are here too, for graphs that PyTensor has differentiated already.
"""

import jax.numpy as jnp
from jax.scipy.special import logsumexp
from pytensor.link.jax.dispatch import jax_funcify

from bayesmix.mcmc.mix_op import MixRows, MixSum
from bayesmix.spec.matrix_ops import CovarianceOfFactor, CovarianceOfFactorSlope, Precision, PrecisionSlope


@jax_funcify.register(MixRows)
def rows_in_jax(op, **kwargs):
    def mix_rows(features, W, log_label, base, weight):
        return weight * (logsumexp(W @ features + log_label, axis=0) + base)

    return mix_rows


@jax_funcify.register(MixSum)
def sum_in_jax(op, **kwargs):
    def mix_sum(features, W, log_label, base, weight):
        scores = W @ features + log_label
        rows = logsumexp(scores, axis=0)
        return weight @ (rows + base), (jnp.exp(scores - rows) * weight) @ features.T

    return mix_sum


@jax_funcify.register(Precision)
def precision_in_jax(op, **kwargs):
    def precision(V):
        L = jnp.linalg.cholesky(V)  # not-a-number where V is not positive definite
        A = jnp.linalg.inv(L)
        return jnp.swapaxes(A, -1, -2) @ A, 2 * jnp.log(jnp.diagonal(L, axis1=-2, axis2=-1)).sum(axis=-1)

    return precision


@jax_funcify.register(PrecisionSlope)
def precision_slope_in_jax(op, **kwargs):
    def precision_slope(P, g, h):
        return h[:, None, None] * P - P @ (0.5 * (g + jnp.swapaxes(g, -1, -2))) @ P

    return precision_slope


def factor(u, d):
    """L (K, d, d) from its packed lower triangle u, row by row, the diagonal in logs."""
    i, j = jnp.tril_indices(d)
    entries = jnp.where(i == j, jnp.exp(jnp.where(i == j, u, 0.0)), u)
    return jnp.zeros((u.shape[0], d, d)).at[:, i, j].set(entries)


@jax_funcify.register(CovarianceOfFactor)
def covariance_in_jax(op, **kwargs):
    def covariance(u):
        L = factor(u, op.d)
        return L @ jnp.swapaxes(L, -1, -2)

    return covariance


@jax_funcify.register(CovarianceOfFactorSlope)
def covariance_slope_in_jax(op, **kwargs):
    def covariance_slope(u, g):
        L, (i, j) = factor(u, op.d), jnp.tril_indices(op.d)
        slope = (g + jnp.swapaxes(g, -1, -2)) @ L
        return slope[:, i, j] * jnp.where(i == j, L[:, i, j], 1.0)

    return covariance_slope

"""The Ops of a model in JAX, so that NumPyro and other JAX samplers can run it (`pip install 'bayesmix[jax]'`).

`register` tells PyTensor of them. JAX differentiates the forward forms by itself; the slopes
are here too, for graphs that PyTensor has differentiated already.
"""

from bayesmix.mcmc.mix_op import MixRows, MixSum
from bayesmix.spec.matrix_ops import CovarianceOfFactor, CovarianceOfFactorSlope, Precision, PrecisionSlope

WRITTEN_OUT = 6  # the largest matrices, d by d, that are inverted entry by entry


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
    """With the slope of PrecisionSlope, which is cheaper than that of each step: half of a small model's time."""
    import jax

    @jax.custom_vjp
    def precision(V):
        return forward(V)[0]

    def forward(V):
        P, log_det = inverse(V)
        return (P, log_det), P

    def backward(P, cotangents):
        return (precision_slope_in_jax(None)(P, *cotangents),)

    precision.defvjp(forward, backward)
    return precision


def inverse(V):
    """P = V^-1 and log|V| by A = L^-1, V = L L'; not-a-number where V is not positive definite.

    Entry by entry where d is small: LAPACK's call costs tens of microseconds, whatever the size.
    """
    import jax.numpy as jnp

    d = V.shape[-1]
    if d > WRITTEN_OUT:
        L = jnp.linalg.cholesky(V)
        A = jnp.linalg.inv(L)
        return jnp.swapaxes(A, -1, -2) @ A, 2 * jnp.log(jnp.diagonal(L, axis1=-2, axis2=-1)).sum(axis=-1)
    L, A = {}, {}
    for i in range(d):
        for j in range(i):
            L[i, j] = (V[:, i, j] - sum(L[i, k] * L[j, k] for k in range(j))) / L[j, j]
        L[i, i] = jnp.sqrt(V[:, i, i] - sum(L[i, k] ** 2 for k in range(i)))
        A[i, i] = 1 / L[i, i]
        for j in range(i):
            A[i, j] = -sum(L[i, k] * A[k, j] for k in range(j, i)) / L[i, i]
    P = [[sum(A[k, i] * A[k, j] for k in range(max(i, j), d)) for j in range(d)] for i in range(d)]
    return jnp.stack([jnp.stack(row, axis=-1) for row in P], axis=-2), 2 * sum(jnp.log(L[i, i]) for i in range(d))


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

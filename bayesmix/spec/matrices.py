"""Batches of small positive definite matrices, the same formulas for NumPy and PyTensor."""

from functools import cache

import numpy as np


@cache
def upper(d):
    """Row and column indices of the upper triangle of a d x d matrix, diagonal included, row by row."""
    i, j = np.triu_indices(d)
    i.flags.writeable = j.flags.writeable = False
    return i, j


@cache
def square(d):
    """Where entry i, j of a symmetric d x d matrix is found in its upper triangle, (d, d)."""
    at = np.empty((d, d), dtype=np.int64)
    i, j = upper(d)
    at[i, j] = at[j, i] = np.arange(len(i))
    at.flags.writeable = False
    return at


@cache
def halves(d):
    """-1/2 for the diagonal entries of an upper triangle and -1 for the others: the weights of x'Px / -2."""
    i, j = upper(d)
    out = np.where(i == j, -0.5, -1.0)
    out.flags.writeable = False
    return out


def clearly_definite(A, scale):
    """Whether A_ij / sqrt(scale_i scale_j) surely has no eigenvalue below 1e-13: matrices (..., d, d), scales (..., d).

    A cheap look before an eigendecomposition. At d = 2 the smaller eigenvalue is at least the determinant over the
    trace; beyond, the matrix less 1e-12 I has a Cholesky factor, whose rounding error is some d eps.
    """
    d = A.shape[-1]
    if d == 2:
        a, b, c = A[..., 0, 0], A[..., 0, 1], A[..., 1, 1]
        fine = a * c - b * b > 1e-12 * (a * scale[..., 1] + c * scale[..., 0])
        return bool((fine & (a > 0)).all())
    if not (scale > 0).all():
        return False  # an empty component
    unit = np.sqrt(scale)
    try:
        factor = np.linalg.cholesky(A / (unit[..., :, None] * unit[..., None, :]) - 1e-12 * np.eye(d))
    except np.linalg.LinAlgError:
        return False
    return bool(np.isfinite(factor).all())


def precision_and_log_det(xp, cov):
    """P = cov^-1, (K, d, d), and log |cov|, (K,).

    Where not positive definite: LinAlgError, or not-a-number from PyTensor.
    """
    if xp is not np:
        from bayesmix.spec.matrix_ops import Precision

        return Precision()(cov)
    if cov.shape[1] == 2:  # written out: a small batch pays more for the calls than for the sums
        a, b, c = cov[:, 0, 0], 0.5 * (cov[:, 0, 1] + cov[:, 1, 0]), cov[:, 1, 1]
        slope = b / a
        rest = c - b * slope
        if not ((a > 0) & (rest > 0)).all():
            raise np.linalg.LinAlgError("not positive definite")
        P = np.empty(cov.shape)
        P[:, 1, 1] = own = 1 / rest
        P[:, 0, 1] = P[:, 1, 0] = across = -slope * own
        P[:, 0, 0] = 1 / a - slope * across
        return P, np.log(a) + np.log(rest)
    factor = np.linalg.cholesky(cov)
    inverse = np.linalg.inv(factor)
    log_det = 2 * np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    return np.swapaxes(inverse, 1, 2) @ inverse, log_det

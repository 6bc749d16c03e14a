"""Batches of small positive definite matrices, the same formulas for NumPy and PyTensor."""

from functools import cache

import numpy as np


@cache
def upper(d):
    """Row and column indices of the upper triangle of a d x d matrix, diagonal included, row by row."""
    i, j = np.triu_indices(d)
    i.flags.writeable = j.flags.writeable = False
    return i, j


def precision_and_log_det(xp, cov):
    """P = cov^-1, (K, d, d), and log |cov|, (K,).

    Where not positive definite: LinAlgError, or not-a-number from PyTensor.
    """
    if xp is not np:
        from bayesmix.spec.matrix_ops import Precision

        return Precision()(cov)
    if cov.shape[1] == 2:  # written out: a small batch pays more for the calls than for the sums
        a, b, c = cov[:, 0, 0], 0.5 * (cov[:, 0, 1] + cov[:, 1, 0]), cov[:, 1, 1]
        rest = c - b * b / a
        if not ((a > 0) & (rest > 0)).all():
            raise np.linalg.LinAlgError("not positive definite")
        P = np.empty(cov.shape)
        P[:, 1, 1] = 1 / rest
        P[:, 0, 1] = P[:, 1, 0] = -b / (a * rest)
        P[:, 0, 0] = 1 / a + b * b / (a * a * rest)
        return P, np.log(a) + np.log(rest)
    factor = np.linalg.cholesky(cov)
    inverse = np.linalg.inv(factor)
    log_det = 2 * np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    return np.swapaxes(inverse, 1, 2) @ inverse, log_det

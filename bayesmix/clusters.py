"""Which rows belong together, whatever the labels: co-clustering probabilities and a point estimate.

Each function takes a `Fit` and is the body of its method of the same name.
"""

import numpy as np

from bayesmix import partition as search
from bayesmix import predict
from bayesmix.errors import InputError
from bayesmix.seed import seed_of
from bayesmix.spec import many

LARGEST = 20_000  # rows of a co-clustering matrix (3.2 GB)
PAIRED = 2_000  # rows up to which Binder's loss is computed from the co-clustering matrix
NUMBERS = 2**25  # draws x rows of allocations that a point estimate looks at


def co_clustering(fit):
    """P(z_i = z_j | data), (n, n): the mean over the draws of r_i . r_j, ones on the diagonal."""
    n = fit.data.n
    if n > LARGEST:
        raise InputError(
            f"co_clustering(): {n} rows would need {n}^2 numbers, {8e-9 * n**2:.0f} GB; fit a sample of at most "
            f"{LARGEST} rows, or use partition(), which needs no such matrix."
        )
    total = np.zeros((n, n))
    for _, r, _ in many.by_draws(fit.mixture, fit.data.x, many.stack(fit.draws), fit._log_label):
        flat = r.reshape(-1, n)
        total += flat.T @ flat  # BLAS: all draws and components of the run at once
    total /= np.prod(fit.shape)
    np.fill_diagonal(total, 1.0)
    return total


def partition(fit, loss, draws, seed):
    """`Fit.partition`."""
    if loss not in search.LOSSES:
        raise InputError(f"partition(loss={loss!r}): expected one of {search.LOSSES}.")
    predict.whole("partition(draws=...)", draws)
    seed = seed_of("partition", seed)
    rng, n = np.random.default_rng(seed), fit.data.n
    draws = max(2, min(draws, NUMBERS // n))
    which = np.linspace(0, np.prod(fit.shape) - 1, draws).astype(int)  # an EM fit repeats its only draw
    z = predict.allocations(fit, which, rng)
    pairs = co_clustering(fit) if n <= PAIRED else None
    own = predict.mean_components(fit, *predict.rows_of(fit, None)).argmax(axis=0)
    labels, least = search.estimate(z, loss, rng, pairs=pairs, starts=[own])
    return search.Partition(labels, loss, least, search.losses(labels, z, loss), z, seed)

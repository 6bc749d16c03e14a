"""Allocations drawn in one compiled pass over the rows: scores, z by inverse CDF, and the statistics z^T Phi.

It computes what the NumPy pass in `gibbs_steps.allocate` computes, from the same random numbers in the same order:
one uniform for each row. So both draw the same z from the same generator, and are tested against each other
draw for draw.

(numba's cache on disk looks at this file alone: whoever edits em/fused.py or em/shares.py removes its __pycache__.)
"""

import numpy as np
from numba import njit

from bayesmix.em.fused import KINDS, NONE, NONE_2D, collect, features, fixed, scores, size_of_scratch
from bayesmix.em.shares import EXCLUDED, LOG_TINY, ROWS, STRIDE, sum_logs
from bayesmix.em.vector import FAST, exp, get, part, put, up2, up4


@part(fastmath=FAST)
def cumulate(joint, K, log_label, at, m, top):
    """Scores (K, ROWS) become sum_{j <= k} exp(l_ij - max_j l_ij), in place."""
    if log_label.shape[0]:
        for k in range(K):
            for i in range(m):
                put(joint, k * STRIDE + i, get(joint, k * STRIDE + i) + max(log_label[at + i, k], EXCLUDED))
    for i in range(ROWS):
        put(top, i, get(joint, i))
    for k in range(1, K):
        for i in range(ROWS):
            v = get(joint, k * STRIDE + i)
            put(top, i, v if v > get(top, i) else get(top, i))
    for k in range(K):
        for i in range(ROWS):
            v = get(joint, k * STRIDE + i) - get(top, i)
            v = exp(v if v > LOG_TINY else LOG_TINY)
            put(joint, k * STRIDE + i, v + get(joint, (k - 1) * STRIDE + i) if k else v)


@part
def thresholds(joint, K, m, top, rng):
    """u_i = total_i (1 - uniform), in (0, total_i]: so that a component of weight 0 is never drawn."""
    for i in range(m):
        put(top, i, get(joint, (K - 1) * STRIDE + i) * (1.0 - rng.random()))


@part(fastmath=FAST)
def one_hot(joint, K, top):
    """Cumulative sums become indicators of z_i = the first k whose sum is not below u_i, in place."""
    for k in range(K - 1, 0, -1):
        for i in range(ROWS):
            after = get(joint, (k - 1) * STRIDE + i) < get(top, i)
            here = get(joint, k * STRIDE + i) >= get(top, i) or k == K - 1
            put(joint, k * STRIDE + i, 1.0 if after and here else 0.0)
    for i in range(ROWS):
        put(joint, i, 1.0 if get(joint, i) >= get(top, i) or K == 1 else 0.0)


@part
def draw_rows(kind, x, W, K, F, used, log_label, rng, scratch, stats, measure):
    """stats (flat, (up2(K), up4(F))) += z^T Phi of all rows, z drawn given W = natural(theta), log weights added.

    Features from `used` on have the same weights in every component, so that they move no allocation.
    Returns the log likelihood, z summed out, without what those features add; 0 where it is not to be measured.
    """
    log_likelihood = 0.0
    n, wide, high = x.shape[1], up4(F), up2(K)
    phi, joint = scratch[: wide * STRIDE], scratch[wide * STRIDE : (wide + high) * STRIDE]
    top = scratch[(wide + high) * STRIDE : (wide + high + 1) * STRIDE]
    phi[:] = 0.0
    for at in range(0, n, ROWS):
        m = min(ROWS, n - at)
        features(kind, x, at, m, phi)
        scores(W, K, wide, up4(used), phi, joint, ROWS)
        cumulate(joint, K, log_label, at, m, top)
        if measure:
            for i in range(m):
                log_likelihood += get(top, i)
            log_likelihood += sum_logs(joint[(K - 1) * STRIDE : K * STRIDE], NONE, at, m)
        thresholds(joint, K, m, top, rng)
        one_hot(joint, K, top)
        joint[K * STRIDE :] = 0.0
        collect(K, wide, phi, joint, stats, ROWS)
    return log_likelihood


@njit(cache=True, nogil=True, error_model="numpy")
def one_pass(kind, x, W, K, F, used, log_label, rng, stats):
    """`draw_rows` with scratch memory of its own."""
    draw_rows(kind, x, W, K, F, used, log_label, rng, np.empty(size_of_scratch(K, F)), stats, False)


def allocate(problem, W, log_weight, rng):
    """Statistics z^T Phi (K, F) and counts (K,) of allocations z drawn from their conditional; W = natural(theta)."""
    (K, F), kind = W.shape, problem.mixture.family.features
    padded = np.zeros((up2(K), up4(F)))
    padded[:K, :F] = W
    padded[:K, 0] += log_weight
    differs = np.flatnonzero((padded[0] != padded[:K]).any(axis=0))
    used = int(differs[-1]) + 1 if len(differs) else 1
    stats = np.zeros(padded.size)
    for rows in [slice(None)] if kind is not None else problem.blocks():
        x = problem.columns if kind is not None else problem.feature_rows(rows)
        label = NONE_2D if problem.log_label is None else problem.log_label[rows]
        one_pass(KINDS[kind], fixed(x), fixed(padded.ravel()), K, F, used, fixed(label), rng, stats)
    stats = stats.reshape(padded.shape)[:K, :F]
    return stats, stats[:, 0].copy()

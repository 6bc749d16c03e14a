"""The pass over the rows, compiled: scores, responsibilities and statistics of 128 rows at a time.

It computes what `kernel.Problem.plain_step` computes, and is tested against it. The features of 128 rows
are built from the columns of x in scratch memory that stays in the cache, the scores W Phi^T and the
statistics r Phi are products in 2 x 4 tiles, and exp is a polynomial that the compiler can vectorise.
Chunks of rows depend on n alone and are summed in order, so the number of threads changes no bit.

(numba's cache on disk looks at one file at a time: whoever edits this one, shares.py or vector.py removes
bayesmix/em/__pycache__.)
"""

import os

import numpy as np
from numba import njit
from numba.extending import register_jitable

from bayesmix.em.plain import pool, threads
from bayesmix.em.shares import ROWS, STRIDE, harden, label, soften, soften_two
from bayesmix.em.vector import FAST, get, inlined, part, put, up2, up4, up16

CHUNKS = 16  # partial sums per pass
WORTH = 1_500_000  # n K F from which a second thread saves more than it costs
KINDS = {None: 0, "linear": 1, "diagonal": 2, "full": 3}  # Family.features, as numbers


@part(fastmath=FAST)
def features(kind, x, at, m, phi):
    """Features of rows at..at+m of the columns x (d, n) into phi (F lines), zero in what is left of the block."""
    d, n = x.shape
    if m < ROWS:
        for f in range(len(phi) // STRIDE):
            for i in range(m, ROWS):
                put(phi, f * STRIDE + i, 0.0)
    if kind == 0:
        for j in range(d):
            for i in range(m):
                put(phi, j * STRIDE + i, get(x, j * n + at + i))
        return
    for i in range(m):
        put(phi, i, 1.0)
    for j in range(d):
        for i in range(m):
            put(phi, (1 + j) * STRIDE + i, get(x, j * n + at + i))
    f = 1 + d
    if kind >= 2:
        for a in range(d):
            for b in range(a, d if kind == 3 else a + 1):
                for i in range(m):
                    put(phi, f * STRIDE + i, get(phi, (1 + a) * STRIDE + i) * get(phi, (1 + b) * STRIDE + i))
                f += 1


@part(fastmath=FAST)
def scores(W, K, wide, used, phi, joint, m):
    """joint (K lines) = W[:, :used] Phi^T for m rows; W is flat, (up2(K), wide)."""
    n = up16(m)
    for f in range(0, used, 4):  # outermost: four features stay in the nearest cache while all components pass
        for k in range(0, K, 2):
            w = k * wide + f
            a0, a1, a2, a3 = W[w], W[w + 1], W[w + 2], W[w + 3]
            w += wide
            b0, b1, b2, b3 = W[w], W[w + 1], W[w + 2], W[w + 3]
            here, next_ = k * STRIDE, (k + 1) * STRIDE
            if f == 0:
                for i in range(n):
                    p0, p1 = get(phi, i), get(phi, STRIDE + i)
                    p2, p3 = get(phi, 2 * STRIDE + i), get(phi, 3 * STRIDE + i)
                    put(joint, here + i, a0 * p0 + a1 * p1 + a2 * p2 + a3 * p3)
                    put(joint, next_ + i, b0 * p0 + b1 * p1 + b2 * p2 + b3 * p3)
                continue
            for i in range(n):
                p0, p1 = get(phi, f * STRIDE + i), get(phi, (f + 1) * STRIDE + i)
                p2, p3 = get(phi, (f + 2) * STRIDE + i), get(phi, (f + 3) * STRIDE + i)
                put(joint, here + i, get(joint, here + i) + a0 * p0 + a1 * p1 + a2 * p2 + a3 * p3)
                put(joint, next_ + i, get(joint, next_ + i) + b0 * p0 + b1 * p1 + b2 * p2 + b3 * p3)


@part(fastmath=FAST)
def collect(K, wide, phi, r, stats, m):
    """stats += r Phi over m rows, both zero from there to the next multiple of 16; stats is flat, (up2(K), wide)."""
    n = up16(m)
    for f in range(0, wide, 4):
        for k in range(0, K, 2):
            a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = 0.0
            for i in range(n):
                p0, p1 = get(phi, f * STRIDE + i), get(phi, (f + 1) * STRIDE + i)
                p2, p3 = get(phi, (f + 2) * STRIDE + i), get(phi, (f + 3) * STRIDE + i)
                r0, r1 = get(r, k * STRIDE + i), get(r, (k + 1) * STRIDE + i)
                a0 += r0 * p0
                a1 += r0 * p1
                a2 += r0 * p2
                a3 += r0 * p3
                b0 += r1 * p0
                b1 += r1 * p1
                b2 += r1 * p2
                b3 += r1 * p3
            s = k * wide + f
            stats[s] += a0
            stats[s + 1] += a1
            stats[s + 2] += a2
            stats[s + 3] += a3
            s += wide
            stats[s] += b0
            stats[s + 1] += b1
            stats[s + 2] += b2
            stats[s + 3] += b3


@part(fastmath=FAST)
def scatter(F, wide, phi, owner, weight, at, m, stats):
    """`collect` for hard assignments: each row's features are added to the statistics of its owner."""
    for i in range(m):
        s, w = int(get(owner, i)) * wide, get(weight, at + i) if weight.size else 1.0
        for f in range(0, wide, 4):
            put(stats, s + f, get(stats, s + f) + w * get(phi, f * STRIDE + i))
            put(stats, s + f + 1, get(stats, s + f + 1) + w * get(phi, (f + 1) * STRIDE + i))
            put(stats, s + f + 2, get(stats, s + f + 2) + w * get(phi, (f + 2) * STRIDE + i))
            put(stats, s + f + 3, get(stats, s + f + 3) + w * get(phi, (f + 3) * STRIDE + i))


@part(fastmath=FAST)
def common(W, first, F, phi, weight, at, m):
    """sum_i weight_i sum_f W_f phi_if over the features from `first` on: what is the same for every component."""
    total = 0.0
    for f in range(first, F):
        line = 0.0
        for i in range(m):
            line += get(phi, f * STRIDE + i) * (get(weight, at + i) if weight.size else 1.0)
        total += W[f] * line
    return total


@inlined
def rows(kind, x, start, stop, W, K, F, used, log_label, weight, beta, scratch, stats):
    """One pass over rows start..stop: adds to stats (flat, (up2(K), up4(F))), returns objective and log likelihood.

    W (flat, like stats) holds the log weights in its first column. Features from `used` on have the same
    weights in every component: they move a row's scores together and no responsibility. Hard assignments
    (beta infinite) need no exp: their log likelihood is not computed, and NaN. Of no size, stats is not asked for.
    """
    wide, high = up4(F), up2(K)
    phi, joint = scratch[: wide * STRIDE], scratch[wide * STRIDE : (wide + high) * STRIDE]
    top, total = scratch[(wide + high) * STRIDE : (wide + high + 1) * STRIDE], scratch[(wide + high + 1) * STRIDE :]
    phi[:] = 0.0
    objective, log_likelihood = 0.0, 0.0
    for at in range(start, stop, ROWS):
        m = min(ROWS, stop - at)
        features(kind, x, at, m, phi)
        scores(W, K, wide, up4(used), phi, joint, m)
        if log_label.shape[0]:
            label(joint, K, log_label, at, m)
        if up4(used) < wide:
            same = common(W, up4(used), F, phi, weight, at, m)
            objective, log_likelihood = objective + same, log_likelihood + same
        if np.isinf(beta):
            objective += harden(joint, K, weight, at, m, top, total)
            scatter(F, wide, phi, total, weight, at, m, stats)
            continue
        if K == 2 and beta == 1.0:
            firm = soft = soften_two(joint, weight, at, m, top, total)
        else:
            firm, soft = soften(joint, K, beta, weight, at, m, top, total)
        objective, log_likelihood = objective + firm, log_likelihood + soft
        if stats.size == 0:
            continue
        if high > K:
            for i in range(ROWS):
                put(joint, K * STRIDE + i, 0.0)
        collect(K, wide, phi, joint, stats, m)
    return objective, np.nan if np.isinf(beta) else log_likelihood


@register_jitable
def size_of_scratch(K, F):
    return (up4(F) + up2(K) + 2) * STRIDE


@njit(cache=True, nogil=True, error_model="numpy")
def chunks(kind, x, size, W, K, F, used, log_label, weight, beta, first, step, stats, sums):
    """Chunks first, first + step, ... of `size` rows each, every one into its own line of stats and sums."""
    n = x.shape[1]
    scratch = np.empty(size_of_scratch(K, F))
    for c in range(first, stats.shape[0], step):
        stats[c] = 0.0
        sums[c, 0], sums[c, 1] = rows(
            kind, x, c * size, min((c + 1) * size, n), W, K, F, used, log_label, weight, beta, scratch, stats[c]
        )


NONE, NONE_2D = np.empty(0), np.empty((0, 0))


def fixed(a):
    """A read-only view, contiguous: one type for all callers, compiled once."""
    out = np.ascontiguousarray(a).view()
    out.flags.writeable = False
    return out


def scan(kind, x, W, log_label=None, weight=None, beta=1.0, collecting=True):
    """(objective, log likelihood, stats (K, F), or None where not `collecting`) of one pass, on all threads.

    kind: "linear", "diagonal", "full", or None where x holds the features themselves. x: (d, n).
    W: (K, F), log weights added to its first column. log_label: (n, K). weight: (n,).
    """
    (K, F), n = W.shape, x.shape[1]
    if not np.isfinite(W).all():
        return np.nan, np.nan, np.full((K, F), np.nan)
    same = (W[0] == W).all(axis=0)
    used = F - int(np.argmin(same[::-1])) if not same.all() else 1
    padded = np.zeros((up2(K), up4(F)))
    padded[:K, :F] = W
    columns = fixed(x)
    size = max(1, -(-n // (CHUNKS * ROWS))) * ROWS
    count = -(-n // size)
    stats, sums = np.empty((count, padded.size if collecting else 0)), np.empty((count, 2))
    label, weight = fixed(NONE_2D if log_label is None else log_label), fixed(NONE if weight is None else weight)
    count = min(threads(), len(stats)) if n * K * F > WORTH else 1

    def part(first):
        chunks(KINDS[kind], columns, size, padded.ravel(), K, F, used, label, weight, beta, first, count, stats, sums)

    rest = [pool(os.getpid()).submit(part, first) for first in range(1, count)]
    part(0)
    for one in rest:
        one.result()
    objective, log_likelihood = sums.sum(axis=0)
    return objective, log_likelihood, stats.sum(axis=0).reshape(padded.shape)[:K, :F] if collecting else None

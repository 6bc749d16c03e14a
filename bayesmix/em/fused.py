"""The pass over the rows, compiled: scores, responsibilities and statistics of 128 rows at a time.

It computes what `kernel.Problem.plain_step` computes, and is tested against it. The features of 128 rows
are built from the columns of x in scratch memory that stays in the cache, the scores W Phi^T and the
statistics r Phi are products in 2 x 4 tiles, and exp is a polynomial that the compiler can vectorise.
Chunks of rows depend on n alone and are summed in order, so the number of threads changes no bit.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

ROWS = 128  # rows per block; a constant, so that the compiler knows every stride
CHUNKS = 16  # partial sums per pass
LOG_TINY = -700.0  # as in the kernel: below it exp is denormal, slow and nothing
EXCLUDED = -1e30  # log 0
KINDS = {None: 0, "linear": 1, "diagonal": 2, "full": 3}  # Family.features, as numbers
FAST = {"reassoc", "contract", "nsz", "arcp"}  # sums may be reordered; NaN and infinity keep their meaning

LOG2_E, LN2_HIGH, LN2_LOW = 1.4426950408889634, 6.93147180369123816490e-01, 1.90821492927058770002e-10
ROUND = 6755399441055744.0  # 1.5 * 2^52: adding it leaves the nearest integer in the low bits


@intrinsic
def _bits(typing, v):
    """The bits of a float64 as int64."""
    return types.int64(types.float64), lambda context, b, sig, args: b.bitcast(args[0], ir.IntType(64))


@intrinsic
def _float(typing, n):
    """The float64 with these bits."""
    return types.float64(types.int64), lambda context, b, sig, args: b.bitcast(args[0], ir.DoubleType())


def _address(context, builder, sig, args):
    data = context.make_array(sig.args[0])(context, builder, args[0]).data
    return builder.gep(data, [args[1]], inbounds=True)


@intrinsic
def get(typing, a, i):
    """a[i] of a flat array, i >= 0: without the test for a negative index, which keeps loops from being vectorised."""
    return types.float64(a, types.int64), lambda context, b, sig, args: b.load(_address(context, b, sig, args))


@intrinsic
def put(typing, a, i, v):
    """a[i] = v of a flat array, i >= 0."""

    def code(context, builder, sig, args):
        builder.store(args[2], _address(context, builder, sig, args))
        return context.get_dummy_value()

    return types.void(a, types.int64, types.float64), code


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def exp(v):
    """exp(v) for -700 <= v <= 700, to 1e-15 relative: 2^n times a Taylor polynomial of degree 13 on |r| <= log(2)/2."""
    t = v * LOG2_E + ROUND
    n = t - ROUND
    r = (v - n * LN2_HIGH) - n * LN2_LOW
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return p * _float((_bits(t) + 1023) << 52)


@njit(cache=True)
def up4(n):
    """The next multiple of 4."""
    return (n + 3) // 4 * 4


@njit(cache=True)
def up2(n):
    """The next even number."""
    return (n + 1) // 2 * 2


@njit(cache=True, error_model="numpy", fastmath=FAST)
def features(kind, x, at, m, phi):
    """Features of rows at..at+m of the columns x (d, n) into phi, flat (F, ROWS), zero in what is left of the block."""
    d = x.shape[0]
    if m < ROWS:
        phi[:] = 0.0
    if kind == 0:
        for j in range(d):
            for i in range(m):
                put(phi, j * ROWS + i, x[j, at + i])
        return
    for i in range(m):
        put(phi, i, 1.0)
    for j in range(d):
        for i in range(m):
            put(phi, (1 + j) * ROWS + i, x[j, at + i])
    f = 1 + d
    if kind >= 2:
        for a in range(d):
            for b in range(a, d if kind == 3 else a + 1):
                for i in range(ROWS):
                    put(phi, f * ROWS + i, get(phi, (1 + a) * ROWS + i) * get(phi, (1 + b) * ROWS + i))
                f += 1


@njit(cache=True, error_model="numpy", fastmath=FAST)
def scores(W, K, wide, used, phi, joint):
    """joint (K, ROWS) = W[:, :used] Phi^T; W is flat, (up2(K), wide)."""
    for i in range(up2(K) * ROWS):
        put(joint, i, 0.0)
    for f in range(0, used, 4):  # outermost: four features stay in the nearest cache while all components pass
        for k in range(0, K, 2):
            w = k * wide + f
            a0, a1, a2, a3 = W[w], W[w + 1], W[w + 2], W[w + 3]
            w += wide
            b0, b1, b2, b3 = W[w], W[w + 1], W[w + 2], W[w + 3]
            for i in range(ROWS):
                p0, p1 = get(phi, f * ROWS + i), get(phi, (f + 1) * ROWS + i)
                p2, p3 = get(phi, (f + 2) * ROWS + i), get(phi, (f + 3) * ROWS + i)
                put(joint, k * ROWS + i, get(joint, k * ROWS + i) + a0 * p0 + a1 * p1 + a2 * p2 + a3 * p3)
                put(joint, (k + 1) * ROWS + i, get(joint, (k + 1) * ROWS + i) + b0 * p0 + b1 * p1 + b2 * p2 + b3 * p3)


@njit(cache=True, error_model="numpy", fastmath=FAST)
def collect(K, wide, phi, r, stats):
    """stats += r Phi; stats is flat, (up2(K), wide)."""
    for f in range(0, wide, 4):
        for k in range(0, K, 2):
            a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = 0.0
            for i in range(ROWS):
                p0, p1 = get(phi, f * ROWS + i), get(phi, (f + 1) * ROWS + i)
                p2, p3 = get(phi, (f + 2) * ROWS + i), get(phi, (f + 3) * ROWS + i)
                r0, r1 = get(r, k * ROWS + i), get(r, (k + 1) * ROWS + i)
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


@njit(cache=True, error_model="numpy", fastmath=FAST)
def sum_logs(total, weight, at, m):
    """sum_i weight_i log total_i of m rows, one log for eight rows where they have no weights."""
    out = 0.0
    if weight.size:
        for i in range(m):
            out += weight[at + i] * np.log(get(total, i))
        return out
    i = 0
    while i < m:
        product = 1.0
        for j in range(i, min(i + 8, m)):
            product *= get(total, j)
        out += np.log(product)
        i += 8
    return out


@njit(cache=True, error_model="numpy", fastmath=FAST)
def soften(joint, K, beta, log_label, weight, at, m, top, total):
    """Scores (K, ROWS) become weighted responsibilities r ~ exp(beta l), in place.

    Returns the sums of weight_i (1/beta) log sum_k exp(beta l_ik) and of the same at beta = 1.
    """
    if log_label.shape[0]:
        for k in range(K):
            for i in range(m):
                put(joint, k * ROWS + i, get(joint, k * ROWS + i) + max(log_label[at + i, k], EXCLUDED))
    for i in range(ROWS):
        put(top, i, get(joint, i))
        put(total, i, 0.0)
    for k in range(1, K):
        for i in range(ROWS):
            v = get(joint, k * ROWS + i)
            put(top, i, v if v > get(top, i) else get(top, i))
    peak = 0.0
    for i in range(m):
        peak += weight[at + i] * get(top, i) if weight.size else get(top, i)

    if beta != 1.0:
        for k in range(K):
            for i in range(ROWS):
                v = get(joint, k * ROWS + i) - get(top, i)
                put(total, i, get(total, i) + exp(v if v > LOG_TINY else LOG_TINY))
    else:
        for k in range(K):
            for i in range(ROWS):
                v = get(joint, k * ROWS + i) - get(top, i)
                v = exp(v if v > LOG_TINY else LOG_TINY)
                put(joint, k * ROWS + i, v)
                put(total, i, get(total, i) + v)
    soft = peak + sum_logs(total, weight, at, m)
    if np.isinf(beta):
        for i in range(ROWS):
            put(total, i, 1.0)  # whether the row has no owner yet: of equal scores the first one wins
        for k in range(K):
            for i in range(ROWS):
                owner = get(total, i) if get(joint, k * ROWS + i) == get(top, i) else 0.0
                put(total, i, get(total, i) - owner)
                put(joint, k * ROWS + i, owner)
        if weight.size:
            for k in range(K):
                for i in range(m):
                    put(joint, k * ROWS + i, get(joint, k * ROWS + i) * weight[at + i])
        return peak, soft
    firm = soft
    if beta != 1.0:
        for i in range(ROWS):
            put(total, i, 0.0)
        for k in range(K):
            for i in range(ROWS):
                v = beta * (get(joint, k * ROWS + i) - get(top, i))
                v = exp(v if v > LOG_TINY else LOG_TINY)
                put(joint, k * ROWS + i, v)
                put(total, i, get(total, i) + v)
        firm = peak + sum_logs(total, weight, at, m) / beta
    for i in range(ROWS):
        put(total, i, 1.0 / get(total, i))
    if weight.size:
        for i in range(m):
            put(total, i, get(total, i) * weight[at + i])
    for k in range(K):
        for i in range(ROWS):
            put(joint, k * ROWS + i, get(joint, k * ROWS + i) * get(total, i))
    return firm, soft


@njit(cache=True, error_model="numpy", fastmath=FAST)
def rows(kind, x, start, stop, W, K, F, used, log_label, weight, beta, scratch, stats):
    """One pass over rows start..stop: adds to stats (flat, (up2(K), up4(F))), returns objective and log likelihood.

    W (flat, like stats) holds the log weights in its first column. Features from `used` on have the same
    weights in every component: they move a row's scores together and no responsibility.
    """
    wide, high = up4(F), up2(K)
    phi, joint = scratch[: wide * ROWS], scratch[wide * ROWS : (wide + high) * ROWS]
    top, total = scratch[(wide + high) * ROWS : (wide + high + 1) * ROWS], scratch[(wide + high + 1) * ROWS :]
    phi[:] = 0.0
    objective, log_likelihood = 0.0, 0.0
    for at in range(start, stop, ROWS):
        m = min(ROWS, stop - at)
        features(kind, x, at, m, phi)
        scores(W, K, wide, up4(used), phi, joint)
        firm, soft = soften(joint, K, beta, log_label, weight, at, m, top, total)
        for k in range(K, high):
            for i in range(ROWS):
                put(joint, k * ROWS + i, 0.0)
        if up4(used) < wide:
            common = 0.0
            for f in range(up4(used), F):
                part = 0.0
                for i in range(m):
                    part += get(phi, f * ROWS + i) * (weight[at + i] if weight.size else 1.0)
                common += W[f] * part
            firm, soft = firm + common, soft + common
        objective += firm
        log_likelihood += soft
        collect(K, wide, phi, joint, stats)
    return objective, log_likelihood


@njit(cache=True)
def size_of_scratch(K, F):
    return (up4(F) + up2(K) + 2) * ROWS


LINE, TABLE = types.Array(types.float64, 1, "C", readonly=True), types.Array(types.float64, 2, "C", readonly=True)
OUT = types.Array(types.float64, 2, "C")
I, D = types.int64, types.float64


@njit(types.void(I, TABLE, I, LINE, I, I, I, TABLE, LINE, D, I, I, OUT, OUT), cache=True, nogil=True)
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


def scan(kind, x, W, log_label=None, weight=None, beta=1.0):
    """(objective, log likelihood, stats (K, F)) of one pass, on all threads.

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
    columns = np.ascontiguousarray(x)
    size = max(1, -(-n // (CHUNKS * ROWS))) * ROWS
    stats, sums = np.empty((-(-n // size), padded.size)), np.empty((-(-n // size), 2))
    label = NONE_2D if log_label is None else np.ascontiguousarray(log_label)
    weight = NONE if weight is None else np.ascontiguousarray(weight)
    count = min(threads(), len(stats)) if n * K * F > 200_000 else 1

    def part(first):
        chunks(KINDS[kind], columns, size, padded.ravel(), K, F, used, label, weight, beta, first, count, stats, sums)

    if count == 1:
        part(0)
    else:
        list(pool(os.getpid()).map(part, range(count)))
    objective, log_likelihood = sums.sum(axis=0)
    return objective, log_likelihood, stats.sum(axis=0).reshape(padded.shape)[:K, :F]


@cache
def threads():
    """Threads of a pass: the cores this process may use, or OMP_NUM_THREADS if that is fewer."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    told = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(told)) if told.isdigit() and int(told) > 0 else cores


@cache
def pool(process):
    """The threads of this process (a forked child makes its own)."""
    return ThreadPoolExecutor(threads())

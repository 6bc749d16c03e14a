"""The pass over the rows in NumPy, written for speed: what runs where numba is absent.

The same sums as `kernel.Problem.plain_step`, which is written to be read and is the oracle of both this pass and the
compiled one. Rows are taken in blocks whose scores stay in the cache; each block is two matrix products, and
everything between them happens in place. Blocks depend on the problem alone and are summed in order, so the
number of threads changes no bit.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import cache

import numpy as np

LOG_TINY = -700.0  # exp of less would be denormal and slow; 1e-304 of a row is nothing
ROOM = 200e3  # bytes of the scores of one block, which is passed over several times
FEWEST, MOST = 512, 4096  # rows of a block
RUN = 16  # rows whose denominators are multiplied before their logarithm is taken: K^16 is far from overflow
WORTH = 2_000_000  # n K F from which a second thread saves more than it costs


def block_size(K):
    """Rows of a block."""
    return min(max(int(ROOM / 8 / K), FEWEST), MOST)


def features(problem, rows, phi=None):
    """Phi^T of some rows, (F, rows), built in `phi` from the columns of x where the family's features are known."""
    kind = problem.mixture.family.features
    if kind is None or problem.keeps_features:
        return problem.feature_rows(rows)
    x = problem.columns[:, rows]
    d, m = x.shape
    phi = np.empty((problem.feature_count, m)) if phi is None else phi
    phi[0], phi[1 : 1 + d] = 1.0, x
    if kind == "diagonal":
        np.multiply(x, x, out=phi[1 + d :])
    elif kind == "full":
        at = 1 + d
        for j in range(d):
            np.multiply(x[j], x[j:], out=phi[at : at + d - j])
            at += d - j
    return phi


def soften_in_place(joint, beta, weight=None):
    """Scores (..., K, n) become weighted responsibilities r ~ exp(beta l).

    Returns the row terms (1/beta) log sum_k exp(beta l_ik) and those at beta = 1 (NaN for infinite beta), (..., n).
    """
    top = joint.max(axis=-2, keepdims=True)
    if np.isinf(beta):
        owner = joint.argmax(axis=-2)
        joint[...] = owner[..., None, :] == np.arange(joint.shape[-2])[:, None]
        if weight is not None:
            joint *= weight
        return top[..., 0, :], np.full(owner.shape, np.nan)
    joint -= top
    np.maximum(joint, LOG_TINY, out=joint)
    soft = None
    if beta != 1.0:
        soft = (top + np.log(np.exp(joint).sum(axis=-2, keepdims=True)))[..., 0, :]
        joint *= beta
        np.maximum(joint, LOG_TINY, out=joint)
    np.exp(joint, out=joint)
    total = joint.sum(axis=-2, keepdims=True)
    joint *= 1 / total if weight is None else weight / total
    row = (top + np.log(total) / beta)[..., 0, :]
    return row, row if soft is None else soft


def tile(joint, phi, beta, weight, spare):
    """(objective, log likelihood, stats) of some rows from their scores (K, rows), which are lost.

    The same sums as `soften_in_place`. The shares' common denominator divides whichever is smaller, scores or features;
    `spare` has room for the features.
    """
    top = np.maximum.reduce(joint, axis=0)
    joint -= top
    np.maximum(joint, LOG_TINY, out=joint)
    peak = top.sum() if weight is None else weight @ top
    if beta != 1.0:
        soft = peak + sum_logs(np.exp(joint).sum(axis=0), weight)
        joint *= beta
        np.maximum(joint, LOG_TINY, out=joint)
    np.exp(joint, out=joint)
    total = np.add.reduce(joint, axis=0)
    objective = peak + sum_logs(total, weight) / beta
    share = 1 / total if weight is None else weight / total
    if len(joint) <= len(phi):
        joint *= share
    else:
        phi = np.multiply(phi, share, out=spare)
    return objective, objective if beta == 1.0 else soft, joint @ phi.T


def sum_logs(total, weight):
    """sum_i weight_i log total_i, total from 1 to K: without weights one log serves `RUN` rows."""
    if weight is not None:
        return weight @ np.log(total)
    whole = len(total) // RUN * RUN
    return np.log(np.multiply.reduce(total[:whole].reshape(RUN, -1), axis=0)).sum() + np.log(total[whole:]).sum()


def step(problem, W, beta):
    """(objective, log likelihood, stats (K, F)) of one pass, without the base term.

    W: (K, F), log weights added to its first column.
    """
    (K, F), n = W.shape, len(problem.x)
    size = min(block_size(K), n)
    blocks = range(0, n, size)
    kept = problem.keeps_features or problem.mixture.family.features is None

    def work(first, every):
        """The sums of blocks first, first + every, ..., all in the same memory."""
        joint_room = np.empty((K, size))
        phi_room = None if kept else np.empty((F, size))
        spare = np.empty((F, size)) if K > F and not np.isinf(beta) else None
        parts = []
        for at in blocks[first::every]:
            rows = slice(at, min(at + size, n))
            m = rows.stop - at
            phi = features(problem, rows, None if kept else phi_room[:, :m])
            joint = np.matmul(W, phi, out=joint_room[:, :m])
            if problem.log_label is not None:
                joint += np.maximum(problem.log_label[rows].T, -1e30)
            weight = None if problem.weight is None else problem.weight[rows]
            if np.isinf(beta):
                row, _ = soften_in_place(joint, beta, weight)
                parts.append((row.sum() if weight is None else weight @ row, np.nan, joint @ phi.T))
            else:
                parts.append(tile(joint, phi, beta, weight, None if spare is None else spare[:, :m]))
        return parts

    if len(blocks) == 1:
        return work(0, 1)[0]
    count = 1 if n * K * F < WORTH or _limits() is None else min(threads(), len(blocks))
    with one_blas_thread():
        rest = [pool(os.getpid()).submit(work, first, count) for first in range(1, count)]
        lots = [work(0, count), *(one.result() for one in rest)]
    parts = [lots[i % count][i // count] for i in range(len(blocks))]
    objective, log_likelihood, stats = parts[0]
    for a, b, c in parts[1:]:
        objective, log_likelihood = objective + a, log_likelihood + b
        stats += c
    return objective, log_likelihood, stats


@cache
def _limits():
    """threadpoolctl's view of the loaded libraries, or None where it is absent (scikit-learn brings it along)."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController()


def one_blas_thread():
    """A context in which BLAS runs in the calling thread: blocks go to our own threads instead."""
    limits = _limits()
    return nullcontext() if limits is None else limits.limit(limits=1, user_api="blas")


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

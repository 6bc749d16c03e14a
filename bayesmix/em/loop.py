"""The whole EM loop, compiled, for Gaussian components under conjugate or flat priors.

At a few hundred rows an iteration costs microseconds and Python's own work a hundred times that. The loop takes
the plain path only: wherever something needs care (`em/belief.py` and `em/ascend.py` say where, and an objective that
fell does too) it stops at its last good theta and leaves the rest of the climb to `engine.run`.

(numba's cache on disk looks at one file at a time: whoever edits belief.py, ascend.py, fused.py or vector.py removes
bayesmix/em/__pycache__.)
"""

import numpy as np
from numba import njit

from bayesmix.em.ascend import maximise, room_for
from bayesmix.em.belief import dress
from bayesmix.em.fused import rows, size_of_scratch, up2, up4

CONVERGED, EXHAUSTED, CARE = range(3)  # how a climb ended; CARE: go on in Python


@njit(cache=True, error_model="numpy")
def moved(new, old, least):
    """Largest change of an entry relative to the largest entry (or `least`), as in `engine.change`; old becomes new."""
    size, step = least, 0.0
    for i in range(len(new)):
        size = max(size, abs(new[i]))
        step = max(step, abs(new[i] - old[i]))
        old[i] = new[i]
    return step / size if size > 0 else 0.0


@njit(cache=True, error_model="numpy")
def restore(new, old):
    """new becomes old again (entry by entry: an assignment of arrays takes seconds to compile)."""
    for i in range(len(new)):
        new[i] = old[i]


@njit(inline="always")
def climb(kind, x, label, row_weight, belief, betas, max_iter, tol, weight, mean, scale, trace, counts):
    """One climb, theta in place: (how it ended, iterations, log likelihood). See `engine.run`."""
    K, d = mean.shape
    F, n = len(belief.largest), x.shape[1]
    wide = up4(F)
    W, stats = np.zeros(up2(K) * wide), np.empty(up2(K) * wide)
    P, scratch, room = np.empty((len(scale), d, d)), np.empty(size_of_scratch(K, F)), room_for(mean, scale)
    old_weight, old_mean, old_scale = weight.copy(), mean.copy().ravel(), scale.copy().ravel()
    done, last, change, log_likelihood = 0, len(betas) - 1, np.inf, np.nan
    while True:
        prior = dress(kind, weight, mean, scale, belief, W, wide, P)
        value, soft = np.nan, np.nan
        if np.isfinite(prior):
            stats[:] = 0.0
            value, soft = rows(kind, x, 0, n, W, K, F, F, label, row_weight, betas[min(done, last)], scratch, stats)
        value += prior
        size = max(1.0, abs(value))
        rise = value - trace[done - 1, 0] if done else 0.0
        fell = rise < -1e-11 * size and betas[min(done, last)] == betas[min(done - 1, last)]
        if fell or not np.isfinite(value):
            break
        trace[done, 0], trace[done, 1], log_likelihood = value, soft + prior, soft
        for k in range(K):
            counts[k] = stats[k * wide]
        change = max(
            moved(weight, old_weight, 0.0),
            moved(mean.ravel(), old_mean, belief.spread),
            moved(scale.ravel(), old_scale, 0.0),
        )
        settled = done > last and change <= tol and rise <= max(tol * tol, 4e-16) * size * 16
        if settled or done == max_iter:
            if np.isinf(betas[min(done, last)]):  # no hard step has needed it
                log_likelihood = rows(kind, x, 0, n, W, K, F, F, label, row_weight, 1.0, scratch, stats[:0])[1]
                trace[done, 1] = log_likelihood + prior
            return (CONVERGED if settled else EXHAUSTED), done, log_likelihood
        done += 1
        if not maximise(kind, stats, wide, belief, weight, mean, scale, P, room):
            break
    restore(weight, old_weight)
    restore(mean.ravel(), old_mean)
    restore(scale.ravel(), old_scale)
    return CARE, max(done - 1, 0), log_likelihood


@njit(cache=True, nogil=True, error_model="numpy")
def climbs(
    kind, x, label, row_weight, belief, betas, max_iter, tol, first, step, weight, mean, scale, trace, counts, ends
):
    """Climbs first, first + step, ...: theta (one climb per line) in place, `ends` (climbs, 3) as `climb` returns."""
    for i in range(first, len(weight), step):
        ends[i, 0], ends[i, 1], ends[i, 2] = climb(
            kind, x, label, row_weight, belief, betas, max_iter, tol, weight[i], mean[i], scale[i], trace[i], counts[i]
        )

"""The whole EM loop, compiled, for Gaussian components under conjugate or flat priors.

At a few hundred rows an iteration costs microseconds and Python's own work a hundred times that. The loop takes
the plain path only: wherever something needs care (`em/belief.py` and `em/ascend.py` say where, and an objective that
fell does too) it stops at its last good theta and leaves the rest of the climb to `engine.run`.

(numba's cache on disk looks at one file at a time: whoever edits belief.py, ascend.py, fused.py or vector.py removes
bayesmix/em/__pycache__.)
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from bayesmix.em.ascend import copy, maximise, moved, room_of, size_of_room
from bayesmix.em.begin import CARE, CONVERGED, EXHAUSTED, begins
from bayesmix.em.belief import dress, inner
from bayesmix.em.fused import rows, size_of_scratch, up2, up4
from bayesmix.em.vector import after, pointer


class Memory(NamedTuple):
    """What the loop writes to on the way: one for each thread, and whoever calls keeps it."""

    W: np.ndarray
    stats: np.ndarray
    scratch: np.ndarray
    room: np.ndarray
    far: np.ndarray  # (n,)
    owner: np.ndarray  # (n,)

    @classmethod
    def of(cls, n, K, d, F):
        size, room = up2(K) * up4(F), np.empty(size_of_room(K, d))
        return cls(
            np.zeros(size), np.zeros(size), np.empty(size_of_scratch(K, F)), room, np.empty(n), np.empty(n, np.int64)
        )


@njit(cache=True, nogil=True, error_model="numpy")
def climbs(
    kind, x, label, row_weight, belief, centre, starts, betas, max_iter, tol, first, step, weight, mean, scale, trace,
    counts, ends, memory,
):  # fmt: skip
    """Climbs first, first + step, ...: theta (one climb per line) in place; see `engine.run`.

    Where `starts` has lines it makes these starts (`begin.begins`) and does not climb: one function for both, so that
    what they share is compiled once.

    ends (climbs, 3): how each ended, iterations, log likelihood. centre: weight, mean, scale (one line) of a theta
    and its log prior, off which is read what the kernels of the priors leave out.
    """
    it = inner(kind, belief, mean, scale)
    K, F, n, size, last = it.K, it.F, x.shape[1], it.C * it.D, len(betas) - 1
    W, stats, room = pointer(memory.W), pointer(memory.stats), room_of(it, memory.room)
    if len(starts.orders):
        begins(it, x, row_weight, belief, starts, first, step, weight, mean, scale, ends, memory, W, stats, room)
        return
    constant = centre[3] - dress(it, np.inf, pointer(centre[0]), pointer(centre[1]), pointer(centre[2]), W, room.P)
    for c in range(first, len(weight), step):
        w, m, s = after(pointer(weight), c * K), after(pointer(mean), c * K * it.d), after(pointer(scale), c * size)
        copy(room.old_weight, w, K)
        copy(room.old_mean, m, K * it.d)
        copy(room.old_scale, s, size)
        done, how, log_likelihood, before, beta, firm = 0, CARE, np.nan, -np.inf, betas[0], True
        while True:
            now, value, soft = betas[min(done, last)] if firm else 1.0, np.nan, np.nan
            prior = constant + dress(it, belief.tolerance, w, m, s, W, room.P)
            if np.isfinite(prior):
                for i in range(len(memory.stats)):
                    stats[i] = 0.0
                value, soft = rows(
                    kind, x, 0, n, memory.W, K, F, F, label, row_weight, now, memory.scratch, memory.stats
                )
            if not firm:
                log_likelihood = soft
                trace[c, done, 1] = soft + prior
                break
            value += prior
            larger, rise = max(1.0, abs(value)), value - before
            if not np.isfinite(value) or (rise < -1e-11 * larger and now == beta):
                break
            trace[c, done, 0], trace[c, done, 1] = value, soft + prior
            log_likelihood, before, beta = soft, value, now
            for k in range(K):
                counts[c, k] = stats[k * it.wide]
            change = max(
                moved(w, room.old_weight, K, 0.0),
                moved(m, room.old_mean, K * it.d, belief.spread),
                moved(s, room.old_scale, size, 0.0),
            )
            settled = done > last and change <= tol and rise <= max(tol * tol, 4e-16) * larger * 16
            if settled or done == max_iter:
                how = CONVERGED if settled else EXHAUSTED
                if np.isinf(now):  # no hard step has needed the log likelihood: one more pass
                    firm = False
                    continue
                break
            done += 1
            if not maximise(it, stats, w, m, s, room):
                break
        if how == CARE:
            done = max(done - 1, 0)
            copy(w, room.old_weight, K)
            copy(m, room.old_mean, K * it.d)
            copy(s, room.old_scale, size)
        ends[c, 0], ends[c, 1], ends[c, 2] = how, done, log_likelihood

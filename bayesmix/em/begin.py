"""Where the climbs of a small problem begin, compiled: what `starts.draw("kmeans++")` says, for the plain case.

The random numbers are drawn as there, so that a start is the same whichever of the two makes it; wherever something
needs care (rows that coincide, a component without rows or too narrow) the start is left to `starts.draw`.
"""

from typing import NamedTuple

import numpy as np

from bayesmix.em.ascend import copy, maximise, moved
from bayesmix.em.belief import FULL, dress
from bayesmix.em.vector import after, inlined, part, pointer

CONVERGED, EXHAUSTED, CARE = range(3)  # how a climb ended; CARE: Python has to do it
STEPS, STILL = 20, 1e-10  # M-steps on fixed responsibilities, as in `starts.from_responsibilities`


class Starts(NamedTuple):
    """The random numbers of k-means++, one line for each start; of no line where thetas are given."""

    unit: np.ndarray  # (d,) of the columns
    orders: np.ndarray  # (starts, K) in which components get their centres
    firsts: np.ndarray  # (starts,) rows
    us: np.ndarray  # (starts, K) uniform numbers; the first of each line is not used


NONE = Starts(np.empty(0), np.empty((0, 0), np.int64), np.empty(0, np.int64), np.empty((0, 0)))


@part
def spread_out(x, n, d, unit, order, K, first, u, far, owner):
    """k-means++: the nearest of K far-apart rows for each row, into owner; False where a choice needs care."""
    at = first
    for i in range(n):
        far[i] = np.inf
    for step in range(K):
        if step > 0:
            total, even = 0.0, True
            for i in range(n):
                total += far[i]
                even = even and far[i] == far[0]
            if even or not total > 0:
                return False
            reach, target = 0.0, u[step] * total
            at = n - 1
            for i in range(n):
                reach += far[i]
                if reach > target:
                    at = i
                    break
        for i in range(n):
            away = 0.0
            for j in range(d):
                far_off = (x[j * n + i] - x[j * n + at]) / unit[j]
                away += far_off * far_off
            if away < far[i]:
                far[i] = away
                owner[i] = order[step]
    return True


@part
def gather(it, x, n, owner, row_weight, weighted, stats):
    """Statistics of hard assignments, in place of zeros."""
    d = it.d
    for i in range(n):
        at, w = owner[i] * it.wide, row_weight[i] if weighted else 1.0
        stats[at] += w
        f = at + 1 + d
        for a in range(d):
            stats[at + 1 + a] += w * x[a * n + i]
            for b in range(a, d if it.kind == FULL else a + 1):
                stats[f] += w * x[a * n + i] * x[b * n + i]
                f += 1


@inlined
def begins(it, x, row_weight, belief, starts, first, step, weight, mean, scale, ends, memory, W, stats, room):
    """The starts (one per line) in place of the central theta that weight, mean and scale hold.

    ends[:, 0]: CARE where `starts.draw` has to make the start.
    """
    K, d, n, size = it.K, it.d, x.shape[1], it.C * it.D
    orders, us, unit = pointer(starts.orders), pointer(starts.us), pointer(starts.unit)
    columns, weights, far, owner = pointer(x), pointer(row_weight), pointer(memory.far), pointer(memory.owner)
    for c in range(first, len(weight), step):
        w, m, s = after(pointer(weight), c * K), after(pointer(mean), c * K * d), after(pointer(scale), c * size)
        sound = spread_out(columns, n, d, unit, after(orders, c * K), K, starts.firsts[c], after(us, c * K), far, owner)
        if sound:
            for i in range(len(memory.stats)):
                stats[i] = 0.0
            gather(it, columns, n, owner, weights, row_weight.size > 0, stats)
            copy(room.old_weight, w, K)
            copy(room.old_mean, m, K * d)
            copy(room.old_scale, s, size)
            change, left = np.inf, STEPS
            while sound and left and change >= STILL:
                sound = np.isfinite(dress(it, belief.tolerance, w, m, s, W, room.P)) and maximise(
                    it, stats, w, m, s, room
                )
                change = max(
                    moved(w, room.old_weight, K, 0.0),
                    moved(m, room.old_mean, K * d, 0.0),
                    moved(s, room.old_scale, size, 0.0),
                )
                left -= 1
        ends[c, 0] = CONVERGED if sound else CARE

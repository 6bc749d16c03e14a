"""Where the climbs of a small problem begin, compiled: what `starts.draw("kmeans++")` says, for the plain case.

The random numbers are drawn as there, so that a start is the same whichever of the two makes it; wherever something
needs care (rows that coincide, a component without rows or too narrow) the start is left to `starts.draw`.
"""

import numpy as np
from numba import njit

from bayesmix.em.ascend import maximise, room_of
from bayesmix.em.belief import FULL, dress, inner
from bayesmix.em.loop import copy, moved
from bayesmix.em.vector import after, part, pointer

STEPS, STILL = 20, 1e-10  # M-steps on fixed responsibilities, as in `starts.from_responsibilities`


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


@njit(cache=True, nogil=True, error_model="numpy")
def begins(kind, x, row_weight, belief, unit, orders, firsts, us, weight, mean, scale, sound, far, owner, memory):
    """The starts (one per line) in place of the central theta that weight, mean and scale hold; sound: which are.

    far, owner (n,): memory, as are the arrays of `memory`.
    """
    it = inner(kind, belief, mean, scale)
    K, d, n, size = it.K, it.d, x.shape[1], it.C * it.D
    W, stats, room = pointer(memory.W), pointer(memory.stats), room_of(it, memory.room)
    for c in range(len(orders)):
        w, m, s = after(pointer(weight), c * K), after(pointer(mean), c * K * d), after(pointer(scale), c * size)
        sound[c] = spread_out(
            pointer(x), n, d, pointer(unit), after(pointer(orders), c * K), K, firsts[c], after(pointer(us), c * K),
            pointer(far), pointer(owner),
        )  # fmt: skip
        if not sound[c]:
            continue
        for i in range(len(memory.stats)):
            stats[i] = 0.0
        gather(it, pointer(x), n, pointer(owner), pointer(row_weight), row_weight.size > 0, stats)
        copy(room.old_weight, w, K)
        copy(room.old_mean, m, K * d)
        copy(room.old_scale, s, size)
        for _ in range(STEPS):
            sound[c] = np.isfinite(dress(it, belief.tolerance, w, m, s, W, room.P)) and maximise(
                it, stats, w, m, s, room
            )
            if not sound[c]:
                break
            change = max(
                moved(w, room.old_weight, K, 0.0),
                moved(m, room.old_mean, K * d, 0.0),
                moved(s, room.old_scale, size, 0.0),
            )
            if change < STILL:
                break

"""Where the climbs of a small problem begin, compiled: what `starts.draw("kmeans++")` says, for the plain case.

The random numbers are drawn as there, so that a start is the same whichever of the two makes it; wherever something
needs care (rows that coincide, a component without rows or too narrow) the start is left to `starts.draw`.
"""

import numpy as np
from numba import njit

from bayesmix.em.ascend import maximise, room_for
from bayesmix.em.belief import dress
from bayesmix.em.loop import moved
from bayesmix.em.vector import up2, up4

STEPS, STILL = 20, 1e-10  # M-steps on fixed responsibilities, as in `starts.from_responsibilities`


@njit(cache=True, error_model="numpy")
def spread_out(x, unit, order, first, u, far, owner):
    """k-means++: the nearest of K far-apart rows for each row, into owner; False where a choice needs care."""
    d, n = x.shape
    at = first
    far[:] = np.inf
    for step in range(len(order)):
        if step > 0:
            total, even = 0.0, True
            for i in range(n):
                total += far[i]
                even = even and far[i] == far[0]
            if even or not total > 0:
                return False
            reach, target = 0.0, u[step - 1] * total
            at = n - 1
            for i in range(n):
                reach += far[i]
                if reach > target:
                    at = i
                    break
        for i in range(n):
            away = 0.0
            for j in range(d):
                away += ((x[j, i] - x[j, at]) / unit[j]) ** 2
            if away < far[i]:
                far[i], owner[i] = away, order[step]
    return True


@njit(cache=True, error_model="numpy")
def gather(kind, x, owner, row_weight, wide, stats):
    """Statistics of hard assignments, flat (up2(K), wide)."""
    d, n = x.shape
    stats[:] = 0.0
    for i in range(n):
        at, w = owner[i] * wide, row_weight[i] if row_weight.size else 1.0
        stats[at] += w
        f = at + 1 + d
        for a in range(d):
            stats[at + 1 + a] += w * x[a, i]
            for b in range(a, d if kind == 3 else a + 1):
                stats[f] += w * x[a, i] * x[b, i]
                f += 1


@njit(cache=True, nogil=True, error_model="numpy")
def begins(kind, x, row_weight, belief, unit, orders, firsts, us, weight, mean, scale, sound):
    """The starts (one per line) in place of the central theta that weight, mean and scale hold; sound: which are."""
    K, d = mean.shape[1:]
    F, n = len(belief.largest), x.shape[1]
    wide = up4(F)
    W, stats, P = np.zeros(up2(K) * wide), np.empty(up2(K) * wide), np.empty((scale.shape[1], d, d))
    far, owner, room = np.empty(n), np.empty(n, dtype=np.int64), room_for(mean[0], scale[0])
    for i in range(len(orders)):
        sound[i] = spread_out(x, unit, orders[i], firsts[i], us[i], far, owner)
        if not sound[i]:
            continue
        gather(kind, x, owner, row_weight, wide, stats)
        old_weight, old_mean, old_scale = weight[i].copy(), mean[i].copy().ravel(), scale[i].copy().ravel()
        for _ in range(STEPS):
            if not np.isfinite(dress(kind, weight[i], mean[i], scale[i], belief, W, wide, P)):
                sound[i] = False
                break
            if not maximise(kind, stats, wide, belief, weight[i], mean[i], scale[i], P, room):
                sound[i] = False
                break
            change = max(
                moved(weight[i], old_weight, 0.0),
                moved(mean[i].ravel(), old_mean, 0.0),
                moved(scale[i].ravel(), old_scale, 0.0),
            )
            if change < STILL:
                break

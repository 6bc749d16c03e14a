"""The M-step of a compiled climb: `Gaussian.mode` and `MvGaussian.mode`, the weights, and the hard constraints.

False says that a step needs care: a component without rows or nearly singular, or an order that sorting does not
restore. Then the climb goes on in Python (`engine.m_step`). `it` is the `belief.Inner`; statistics, like
parameters, are addresses of numbers, row by row.
"""

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from bayesmix.em.belief import (
    CLEAR,
    CONJUGATE,
    FIXED,
    FULL,
    INVERSE,
    NORMAL,
    NOWHERE,
    ON_MEAN,
    ON_WEIGHT,
    invert,
    variance,
)
from bayesmix.em.vector import after, part, pointer


class Room(NamedTuple):
    """Memory of a climb: an allocation costs as much as a pass over eight rows."""

    P: object  # (C, d, d) inverses of covariances
    new: object  # like a scale
    count: object  # (C, D)
    left: object  # (d, d)
    inverse: object
    scatter: object
    own: object  # (d,)
    right: object
    second: object
    low: object  # (K,)
    old_weight: object  # theta before the step
    old_mean: object
    old_scale: object


@register_jitable
def size_of_room(K, d):
    """Numbers in a `Room`."""
    return 4 * K * d * d + 3 * (d * d + d) + 2 * K + K * d


@part
def room_of(it, memory):
    """The `Room` in a flat array of `size_of_room` numbers."""
    K, d, square, p = it.K, it.d, it.d * it.d, pointer(memory)
    P, new, count, old_scale = p, after(p, K * square), after(p, 2 * K * square), after(p, 3 * K * square)
    left = after(p, 4 * K * square)
    own = after(left, 3 * square)
    low = after(own, 3 * d)
    return Room(
        P, new, count, left, after(left, square), after(left, 2 * square), own, after(own, d), after(own, 2 * d),
        low, after(low, K), after(low, 2 * K), old_scale,
    )  # fmt: skip


@part
def moved(new, old, size, least):
    """Largest change of an entry relative to the largest entry (or `least`), as in `engine.change`; old becomes new."""
    largest, step = least, 0.0
    for i in range(size):
        largest = max(largest, abs(new[i]))
        step = max(step, abs(new[i] - old[i]))
        old[i] = new[i]
    return step / largest if largest > 0 else 0.0


@part
def copy(new, old, size):
    """new becomes old."""
    for i in range(size):
        new[i] = old[i]


@part
def maximise(it, stats, weight, mean, scale, room):
    """The M-step, in place; False where care is needed."""
    for k in range(it.K):
        if not stats[k * it.wide] > 0:
            return False
    if it.weight_free:
        for k in range(it.K):
            weight[k] = stats[k * it.wide] + it.weight[k]
        if not fill(weight, it.K, it.floor, room.low):
            return False
    if it.kind == FULL:
        sound = maximise_full(it, stats, mean, scale, room)
    else:
        sound = maximise_diagonal(it, stats, mean, scale, room)
    return sound and (it.order == NOWHERE or arrange(it, weight, mean, scale))


@part
def fill(weight, K, floor, low):
    """`water_fill` of weights (counts before) in place; False where a count is not positive."""
    total, room = 0.0, 1.0
    for k in range(K):
        if not weight[k] > 0:
            return False
        total += weight[k]
        low[k] = 0.0
    again = floor > 0
    while again:
        again = False
        for k in range(K):
            if low[k] == 0 and weight[k] * room / total < floor:
                low[k] = 1.0
                again = True
        total, room = 0.0, 1.0
        for k in range(K):
            if low[k] == 1:
                room -= floor
            else:
                total += weight[k]
    for k in range(K):
        weight[k] = floor if low[k] == 1 else weight[k] * room / total
    return True


@part
def arrange(it, weight, mean, scale):
    """Components in order, in place, sorted where they may be; False where the order is broken."""
    field, wide, at = scale, it.D, it.by * it.d + it.by if it.kind == FULL else it.by % it.D
    if it.order == ON_WEIGHT:
        field, wide, at = weight, 1, 0
    elif it.order == ON_MEAN:
        field, wide, at = mean, it.d, it.by
    for i in range(1, it.K):
        k = i
        while k > 0 and field[k * wide + at] < field[(k - 1) * wide + at]:
            if not it.sorts:
                return False
            swap(weight, 1, k)
            swap(mean, it.d, k)
            if it.C > 1:
                swap(scale, it.D, k)
            k -= 1
    return True


@part
def swap(field, wide, k):
    """Lines k and k - 1 of a field change places."""
    for i in range(k * wide, (k + 1) * wide):
        v = field[i]
        field[i] = field[i - wide]
        field[i - wide] = v


@part
def maximise_full(it, stats, mean, cov, room):
    """`MvGaussian.mode`."""
    d, size = it.d, it.d * it.d
    free = it.scale_kind == INVERSE
    P, new, count, left, inverse, scatter = room.P, room.new, room.count, room.left, room.inverse, room.scatter
    own, right, second = room.own, room.right, room.second
    for c in range(it.C):
        count[c] = it.a[c * size]
        for i in range(c * size, (c + 1) * size):
            new[i] = it.b[i]
    for k in range(it.K):
        at, home = k * it.wide, k % it.C
        n, m, t, s, p = stats[at], after(mean, k * d), after(it.t, k * d), after(it.s, k * d), after(P, home * size)
        for j in range(d):
            own[j] = stats[at + 1 + j] / n
        if it.mean_kind == CONJUGATE:
            for j in range(d):
                m[j] = (stats[at + 1 + j] + t[j] * s[j]) / (n + t[j])
        elif it.mean_kind == NORMAL:
            if it.flat:
                for j in range(d):
                    m[j] = own[j]
            else:  # (n P + T) m = P s + T m0, P the precision of the old covariance
                for i in range(d):
                    total = s[i]
                    for j in range(d):
                        left[i * d + j] = n * p[i * d + j] + (t[i] if i == j else 0.0)
                        total += p[i * d + j] * stats[at + 1 + j]
                    right[i] = total
                if np.isnan(invert(left, inverse, d)):
                    return False
                for i in range(d):
                    total = 0.0
                    for j in range(d):
                        total += inverse[i * d + j] * right[j]
                    m[i] = total
        if not free:
            continue
        f = at + 1 + d
        for i in range(d):
            second[i] = stats[f]
            for j in range(i, d):
                v = stats[f] - n * own[i] * own[j]
                scatter[i * d + j] = v
                scatter[j * d + i] = v
                f += 1
        if not resolved(scatter, second, left, d):
            return False
        for i in range(d):
            for j in range(d):
                v = scatter[i * d + j] + n * (m[i] - own[i]) * (m[j] - own[j])
                if it.mean_kind == CONJUGATE:
                    v += t[0] * (m[i] - s[i]) * (m[j] - s[j])
                new[home * size + i * d + j] += v
        count[home] += n + (1 if it.mean_kind == CONJUGATE else 0)
    if free:
        for c in range(it.C):
            if not count[c] > 0:
                return False
            for i in range(c * size, (c + 1) * size):
                cov[i] = new[i] / count[c]
    return True


@part
def resolved(scatter, second, L, d):
    """Whether a scatter is clearly positive definite beside the moments about the origin that it came from."""
    for i in range(d):
        for j in range(i + 1):
            rest = scatter[i * d + j]
            for k in range(j):
                rest -= L[i * d + k] * L[j * d + k]
            if i > j:
                L[i * d + j] = rest / L[j * d + j]
            elif rest > CLEAR * second[i]:
                L[i * d + i] = np.sqrt(rest)
            else:
                return False
    return True


@part
def maximise_diagonal(it, stats, mean, scale, room):
    """`Gaussian.mode`."""
    d, size = it.d, it.C * it.D
    free = it.scale_kind != FIXED
    ss, count = room.new, room.count
    for i in range(size):
        ss[i] = 0.0
        count[i] = 0.0
    for k in range(it.K):
        at = k * it.wide
        n = stats[at]
        for j in range(d):
            first, q, t, centre = stats[at + 1 + j], stats[at + 1 + d + j], it.t[k * d + j], it.s[k * d + j]
            own = first / n
            m = mean[k * d + j]
            if it.mean_kind == CONJUGATE:
                m = (first + t * centre) / (n + t)
            elif it.mean_kind == NORMAL:
                v = variance(it, scale, k, j)
                m = (first + v * centre) / (n + v * t)
            mean[k * d + j] = m
            if not free:
                continue
            within = q - n * own * own
            if not within > CLEAR * q:
                return False
            home = k % it.C * it.D + j % it.D
            ss[home] += within + n * (m - own) * (m - own)
            count[home] += n
            if it.mean_kind == CONJUGATE:
                ss[home] += t * (m - centre) * (m - centre)
                count[home] += 1
    if free:
        for i in range(size):
            if it.scale_kind == INVERSE:
                top, below = 0.5 * ss[i] + it.b[i], 0.5 * count[i] + it.a[i]
            else:
                top, mid = 2 * (ss[i] + 2 * it.b[i]), count[i] + it.a[i]
                below = mid + np.sqrt(mid * mid + 4 * it.c[i] * top)
            if not below > 0:
                return False
            scale[i] = top / below if it.scale_kind == INVERSE else np.sqrt(top / below)
    return True

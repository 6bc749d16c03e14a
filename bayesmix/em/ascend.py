"""The M-step of a compiled climb: `Gaussian.mode` and `MvGaussian.mode`, the weights, and the hard constraints.

False says that a step needs care: a component without rows or nearly singular, or an order that sorting does not
restore. Then the climb goes on in Python (`engine.m_step`).
"""

from typing import NamedTuple

import numpy as np
from numba import njit

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


class Room(NamedTuple):
    """Memory of an M-step, taken once per climb: an allocation costs as much as a pass over eight rows."""

    new: np.ndarray  # like scale
    count: np.ndarray  # (K or 1, d)
    matrices: np.ndarray  # (3, d, d)
    vectors: np.ndarray  # (3, d)
    low: np.ndarray  # (K,)


@njit(cache=True, error_model="numpy")
def room_for(mean, scale):
    """The `Room` of a climb."""
    K, d = mean.shape
    low = np.empty(K, dtype=np.bool_)
    return Room(np.empty(scale.shape), np.empty((len(scale), d)), np.empty((3, d, d)), np.empty((3, d)), low)


@njit(cache=True, error_model="numpy")
def maximise(kind, stats, wide, belief, weight, mean, scale, P, room):
    """The M-step, in place; False where care is needed."""
    for k in range(len(mean)):
        if not stats[k * wide] > 0:
            return False
    if belief.weight_free:
        for k in range(len(mean)):
            weight[k] = stats[k * wide] + belief.weight[k]
        if not fill(weight, belief.floor, room.low):
            return False
    if kind == FULL:
        sound = maximise_full(stats, wide, belief, mean, scale, P, room)
    else:
        sound = maximise_diagonal(stats, wide, belief, mean, scale, room)
    return sound and (belief.order == NOWHERE or arrange(kind, belief, weight, mean, scale))


@njit(cache=True, error_model="numpy")
def fill(weight, floor, low):
    """`water_fill` of weights (counts before) in place; False where a count is not positive."""
    total, room = 0.0, 1.0
    for k in range(len(weight)):
        if not weight[k] > 0:
            return False
        total += weight[k]
        low[k] = False
    again = floor > 0
    while again:
        again = False
        for k in range(len(weight)):
            if not low[k] and weight[k] * room / total < floor:
                low[k] = again = True
        total, room = 0.0, 1.0
        for k in range(len(weight)):
            if low[k]:
                room -= floor
            else:
                total += weight[k]
    for k in range(len(weight)):
        weight[k] = floor if low[k] else weight[k] * room / total
    return True


@njit(cache=True, error_model="numpy")
def arrange(kind, belief, weight, mean, scale):
    """Components in order, in place, sorted where they may be; False where the order is broken."""
    for i in range(1, len(mean)):
        k = i
        while k > 0 and coordinate(kind, belief, weight, mean, scale, k) < coordinate(
            kind, belief, weight, mean, scale, k - 1
        ):
            if not belief.sorts:
                return False
            weight[k], weight[k - 1] = weight[k - 1], weight[k]
            swap(mean, k)
            if len(scale) > 1:
                swap(scale, k)
            k -= 1
    return True


@njit(cache=True, error_model="numpy")
def coordinate(kind, belief, weight, mean, scale, k):
    """What the order compares, of component k."""
    if belief.order == ON_WEIGHT:
        return weight[k]
    if belief.order == ON_MEAN:
        return mean[k, belief.by]
    return scale[k, belief.by, belief.by if kind == FULL else 0]


@njit(cache=True, error_model="numpy")
def swap(field, k):
    """Lines k and k - 1 of a field change places."""
    flat = field.reshape(len(field), -1)
    for j in range(flat.shape[1]):
        flat[k, j], flat[k - 1, j] = flat[k - 1, j], flat[k, j]


@njit(cache=True, error_model="numpy")
def maximise_full(stats, wide, belief, mean, cov, P, room):
    """`MvGaussian.mode`."""
    K, d = mean.shape
    free = belief.scale_kind == INVERSE
    new, count = room.new, room.count[:, 0]
    left, inverse, scatter = room.matrices[0], room.matrices[1], room.matrices[2]
    own, right, second = room.vectors[0], room.vectors[1], room.vectors[2]
    for k in range(len(cov)):
        count[k] = belief.a[k, 0, 0]
        for i in range(d):
            for j in range(d):
                new[k, i, j] = belief.b[k, i, j]
    for k in range(K):
        at, home = k * wide, k % len(cov)
        n = stats[at]
        for j in range(d):
            own[j] = stats[at + 1 + j] / n
        if belief.mean_kind == CONJUGATE:
            for j in range(d):
                kappa = belief.t[k, j]
                mean[k, j] = (stats[at + 1 + j] + kappa * belief.s[k, j]) / (n + kappa)
        elif belief.mean_kind == NORMAL:
            if belief.flat:
                for j in range(d):
                    mean[k, j] = own[j]
            else:  # (n P + T) m = P s + T m0, P the precision of the old covariance
                for i in range(d):
                    right[i] = belief.s[k, i]
                    for j in range(d):
                        left[i, j] = n * P[home, i, j] + (belief.t[k, i] if i == j else 0.0)
                        right[i] += P[home, i, j] * stats[at + 1 + j]
                if np.isnan(invert(left, inverse)):
                    return False
                for i in range(d):
                    mean[k, i] = 0.0
                    for j in range(d):
                        mean[k, i] += inverse[i, j] * right[j]
        if not free:
            continue
        f = at + 1 + d
        for i in range(d):
            second[i] = stats[f]
            for j in range(i, d):
                scatter[i, j] = scatter[j, i] = stats[f] - n * own[i] * own[j]
                f += 1
        if not resolved(scatter, second, left):
            return False
        for i in range(d):
            for j in range(d):
                v = scatter[i, j] + n * (mean[k, i] - own[i]) * (mean[k, j] - own[j])
                if belief.mean_kind == CONJUGATE:
                    v += belief.t[k, 0] * (mean[k, i] - belief.s[k, i]) * (mean[k, j] - belief.s[k, j])
                new[home, i, j] += v
        count[home] += n + (1 if belief.mean_kind == CONJUGATE else 0)
    if free:
        for k in range(len(cov)):
            if not count[k] > 0:
                return False
            for i in range(d):
                for j in range(d):
                    cov[k, i, j] = new[k, i, j] / count[k]
    return True


@njit(cache=True, error_model="numpy")
def resolved(scatter, second, L):
    """Whether a scatter is clearly positive definite beside the moments about the origin that it came from."""
    d = len(second)
    for i in range(d):
        for j in range(i + 1):
            rest = scatter[i, j]
            for k in range(j):
                rest -= L[i, k] * L[j, k]
            if i == j:
                if not rest > CLEAR * second[i]:
                    return False
                L[i, i] = np.sqrt(rest)
            else:
                L[i, j] = rest / L[j, j]
    return True


@njit(cache=True, error_model="numpy")
def maximise_diagonal(stats, wide, belief, mean, scale, room):
    """`Gaussian.mode`."""
    K, d = mean.shape
    free = belief.scale_kind != FIXED
    ss, count = room.new, room.count
    for k in range(scale.shape[0]):
        for j in range(scale.shape[1]):
            ss[k, j, 0] = count[k, j] = 0.0
    for k in range(K):
        n = stats[k * wide]
        for j in range(d):
            s, q, t = stats[k * wide + 1 + j], stats[k * wide + 1 + d + j], belief.t[k, j]
            own = s / n
            if belief.mean_kind == CONJUGATE:
                mean[k, j] = (s + t * belief.s[k, j]) / (n + t)
            elif belief.mean_kind == NORMAL:
                v = variance(scale, k, j, belief)
                mean[k, j] = (s + v * belief.s[k, j]) / (n + v * t)
            if not free:
                continue
            within = q - n * own * own
            if not within > CLEAR * q:
                return False
            k0, j0 = k % scale.shape[0], j % scale.shape[1]
            ss[k0, j0, 0] += within + n * (mean[k, j] - own) ** 2
            count[k0, j0] += n
            if belief.mean_kind == CONJUGATE:
                ss[k0, j0, 0] += t * (mean[k, j] - belief.s[k, j]) ** 2
                count[k0, j0] += 1
    if free:
        for k in range(scale.shape[0]):
            for j in range(scale.shape[1]):
                a, b, c = belief.a[k, j, 0], belief.b[k, j, 0], belief.c[k, j, 0]
                if belief.scale_kind == INVERSE:
                    top, below = 0.5 * ss[k, j, 0] + b, 0.5 * count[k, j] + a
                else:
                    top, mid = 2 * (ss[k, j, 0] + 2 * b), count[k, j] + a
                    below = mid + np.sqrt(mid**2 + 4 * c * top)
                if not below > 0:
                    return False
                scale[k, j, 0] = top / below if belief.scale_kind == INVERSE else np.sqrt(top / below)
    return True

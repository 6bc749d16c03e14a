"""What a compiled climb believes: the priors as numbers, the natural parameters W and the log prior of a theta.

The formulas are those of `Gaussian.natural` and `MvGaussian.natural` and of the priors' kernels, and are tested
against them. NaN says that a step needs care: a component that is empty, nearly singular, or too narrow for moments
about the centre.

Arrays come in once, as arguments of the functions that Python calls; from there on they are the addresses of their
numbers (`vector.pointer`), row by row: entry (k, j) of a (K, d) field is number k d + j. numba takes a third of the
time to compile that.
"""

from typing import NamedTuple

import numpy as np

from bayesmix.em.vector import after, part, pointer, up4

DIAGONAL, FULL = 2, 3  # as in fused.KINDS
FIXED, NORMAL, CONJUGATE, INVERSE, SD = range(5)  # the kernels of the priors, as numbers
NOWHERE, ON_WEIGHT, ON_MEAN, ON_SCALE = range(4)  # the field that an order is on
CLEAR = 1e-9  # of a variance must be left after regression on the other features: ten thousand times `inside`'s limit
LOG_2PI = np.log(2 * np.pi)
EPS = float(np.finfo(np.float64).eps)


class Belief(NamedTuple):
    """The priors as numbers. Scales are (K or 1, d or 1, 1), or (K or 1, d, d) when full."""

    weight_free: bool
    weight: np.ndarray  # (K,) Dirichlet exponents
    mean_kind: int  # FIXED, NORMAL (t, s) or CONJUGATE (kappa, centre)
    t: np.ndarray  # (K, d)
    s: np.ndarray  # (K, d)
    flat: bool  # whether t and s are all zero
    scale_kind: int  # FIXED, INVERSE (gamma or Wishart: a, b), SD (a, b, c)
    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    floor: float  # under the weights
    order: int  # the field whose entries `by` (a matrix's on its diagonal) ascend over the components
    by: int
    sorts: bool  # whether components may change places to restore the order
    largest: np.ndarray  # (F,) of each feature: the guard against rounding
    tolerance: float
    spread: float  # of the columns: the least size of a mean, which may be zero


class Inner(NamedTuple):
    """A `Belief` with addresses for arrays, and the sizes of all fields."""

    kind: int
    K: int
    d: int
    C: int  # scales: K or 1
    D: int  # entries of a scale: d or 1, or d d when full
    F: int
    wide: int  # from one component to the next in W and the statistics
    weight_free: bool
    weight: object
    mean_kind: int
    t: object
    s: object
    flat: bool
    scale_kind: int
    a: object
    b: object
    c: object
    square: bool  # whether a scale of independent features is a standard deviation
    floor: float
    order: int
    by: int
    sorts: bool
    largest: object


@part
def inner(kind, belief, mean, scale):
    """The `Inner` of a belief; mean and scale hold one theta per line."""
    F = len(belief.largest)
    square = belief.scale_kind == SD or belief.c[0, 0, 0] < 0
    return Inner(
        kind, mean.shape[1], mean.shape[2], scale.shape[1], scale.shape[2] * scale.shape[3], F, up4(F),
        belief.weight_free, pointer(belief.weight), belief.mean_kind, pointer(belief.t), pointer(belief.s),
        belief.flat, belief.scale_kind, pointer(belief.a), pointer(belief.b), pointer(belief.c), square, belief.floor,
        belief.order, belief.by, belief.sorts, pointer(belief.largest),
    )  # fmt: skip


@part
def invert(V, P, d):
    """P = V^-1 of a positive definite (d, d); returns log|V|, or NaN where V is nearly singular."""
    log_det = 0.0
    for i in range(d):  # the lower triangle of P holds first L, V = L L^T, ...
        for j in range(i + 1):
            rest = V[i * d + j]
            for k in range(j):
                rest -= P[i * d + k] * P[j * d + k]
            if i == j:
                if not rest > CLEAR * V[i * d + i]:
                    return np.nan
                P[i * d + i] = np.sqrt(rest)
                log_det += np.log(rest)
            else:
                P[i * d + j] = rest / P[j * d + j]
    for j in range(d):  # ... then its inverse, ...
        P[j * d + j] = 1 / P[j * d + j]
        for i in range(j + 1, d):
            rest = 0.0
            for k in range(j, i):
                rest -= P[i * d + k] * P[k * d + j]
            P[i * d + j] = rest / P[i * d + i]
    for i in range(d):  # ... whose line i no later line needs
        for j in range(i + 1):
            total = 0.0
            for k in range(i, d):
                total += P[k * d + i] * P[k * d + j]
            P[i * d + j] = total
            P[j * d + i] = total
    return log_det


@part
def dress(it, tolerance, weight, mean, scale, W, P):
    """Writes W = natural(theta), log weights added, and returns the log prior's kernel; NaN where care is needed."""
    value = 0.0
    if it.weight_free:
        for k in range(it.K):
            if not weight[k] > 0:
                return np.nan
            value += it.weight[k] * np.log(weight[k])
    if it.mean_kind == NORMAL:
        for i in range(it.K * it.d):
            value += (it.s[i] - 0.5 * it.t[i] * mean[i]) * mean[i]
    if it.kind == FULL:
        return value + dress_full(it, tolerance, weight, mean, scale, W, P)
    return value + dress_diagonal(it, tolerance, weight, mean, scale, W)


@part
def dress_full(it, tolerance, weight, mean, cov, W, P):
    """The part of a full covariance."""
    d, value, log_det = it.d, 0.0, np.nan
    for k in range(it.K):
        home = k % it.C * d * d
        if k < it.C:
            log_det = invert(after(cov, home), after(P, home), d)
            if it.scale_kind == INVERSE:
                value -= 0.5 * it.a[home] * log_det
                for i in range(home, home + d * d):
                    value -= 0.5 * it.b[i] * P[i]
        at, f, quadratic, bound, away = k * it.wide, 1 + d, 0.0, 0.0, 0.0
        for i in range(d):
            linear, pull = 0.0, 0.0
            for j in range(d):
                p, m = P[home + i * d + j], mean[k * d + j]
                linear += p * m
                pull += p * (m - it.s[k * d + j])
            m = mean[k * d + i]
            W[at + 1 + i] = linear
            quadratic += linear * m
            away += pull * (m - it.s[k * d + i])
            bound += abs(linear) * it.largest[1 + i]
            for j in range(i, d):
                p = P[home + i * d + j]
                p = -0.5 * p if i == j else -p
                W[at + f] = p
                bound += abs(p) * it.largest[f]
                f += 1
        one = -0.5 * (quadratic + log_det + d * LOG_2PI)
        W[at] = one + np.log(weight[k])
        if not EPS * (bound + abs(one)) <= tolerance:
            return np.nan
        if it.mean_kind == CONJUGATE:
            value -= 0.5 * (it.t[k * d] * away + log_det)
    return value


@part
def dress_diagonal(it, tolerance, weight, mean, scale, W):
    """The part of independent features; `scale` holds variances, or standard deviations when the kind is SD."""
    d, value = it.d, 0.0
    for i in range(it.C * it.D):
        v = scale[i]
        if not v > 0:
            return np.nan
        if it.scale_kind == INVERSE:
            value -= it.a[i] * np.log(v) + it.b[i] / v
        elif it.scale_kind == SD:
            value -= it.a[i] * np.log(v) + it.b[i] / (v * v) + it.c[i] * v * v
    for k in range(it.K):
        at, one, bound = k * it.wide, 0.0, 0.0
        for j in range(d):
            v, m, away = variance(it, scale, k, j), mean[k * d + j], mean[k * d + j] - it.s[k * d + j]
            W[at + 1 + j] = m / v
            W[at + 1 + d + j] = -0.5 / v
            one -= 0.5 * (m * m / v + np.log(v) + LOG_2PI)
            bound += abs(m / v) * it.largest[1 + j] + 0.5 / v * it.largest[1 + d + j]
            if it.mean_kind == CONJUGATE:
                value -= 0.5 * (it.t[k * d + j] * away * away / v + np.log(v))
        W[at] = one + np.log(weight[k])
        if not EPS * (bound + abs(one)) <= tolerance:
            return np.nan
    return value


@part
def variance(it, scale, k, j):
    """The variance of feature j in component k."""
    v = scale[k % it.C * it.D + j % it.D]
    return v * v if it.square else v

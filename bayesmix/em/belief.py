"""What a compiled climb believes: the priors as numbers, the natural parameters W and the log prior of a theta.

The formulas are those of `Gaussian.natural` and `MvGaussian.natural` and of the priors' kernels, and are tested
against them. NaN says that a step needs care: a component that is empty, nearly singular, or too narrow for moments
about the centre.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

DIAGONAL, FULL = 2, 3  # as in fused.KINDS
FIXED, NORMAL, CONJUGATE, INVERSE, SD = range(5)  # the kernels of the priors, as numbers
NOWHERE, ON_WEIGHT, ON_MEAN, ON_SCALE = range(4)  # the field that an order is on
CLEAR = 1e-9  # of a variance must be left after regression on the other features: ten thousand times `inside`'s limit
LOG_2PI = np.log(2 * np.pi)


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
    constant: float  # of the log prior
    largest: np.ndarray  # (F,) of each feature: the guard against rounding
    tolerance: float
    spread: float  # of the columns: the least size of a mean, which may be zero


@njit(cache=True, error_model="numpy")
def invert(V, P):
    """P = V^-1 of a positive definite matrix; returns log|V|, or NaN where V is nearly singular."""
    d = V.shape[0]
    log_det = 0.0
    for i in range(d):  # the lower triangle of P holds first L, V = L L^T, ...
        for j in range(i + 1):
            rest = V[i, j]
            for k in range(j):
                rest -= P[i, k] * P[j, k]
            if i == j:
                if not rest > CLEAR * V[i, i]:
                    return np.nan
                P[i, i] = np.sqrt(rest)
                log_det += np.log(rest)
            else:
                P[i, j] = rest / P[j, j]
    for j in range(d):  # ... then its inverse, ...
        P[j, j] = 1 / P[j, j]
        for i in range(j + 1, d):
            rest = 0.0
            for k in range(j, i):
                rest -= P[i, k] * P[k, j]
            P[i, j] = rest / P[i, i]
    for i in range(d):  # ... whose line i no later line needs
        for j in range(i + 1):
            total = 0.0
            for k in range(i, d):
                total += P[k, i] * P[k, j]
            P[i, j] = P[j, i] = total
    return log_det


@njit(cache=True, error_model="numpy")
def dress(kind, weight, mean, scale, belief, W, wide, P):
    """Writes W = natural(theta), log weights added, and returns the log prior; NaN where care is needed."""
    K, d = mean.shape
    value = belief.constant
    if belief.weight_free:
        for k in range(K):
            if not weight[k] > 0:
                return np.nan
            value += belief.weight[k] * np.log(weight[k])
    if belief.mean_kind == NORMAL:
        for k in range(K):
            for j in range(d):
                value += (belief.s[k, j] - 0.5 * belief.t[k, j] * mean[k, j]) * mean[k, j]
    return value + (
        dress_full(weight, mean, scale, belief, W, wide, P)
        if kind == FULL
        else dress_diagonal(weight, mean, scale, belief, W, wide)
    )


@njit(cache=True, error_model="numpy")
def dress_full(weight, mean, cov, belief, W, wide, P):
    """The part of a full covariance."""
    K, d = mean.shape
    value, log_det = 0.0, np.nan
    for k in range(K):
        home = k % len(cov)
        if k < len(cov):
            log_det = invert(cov[k], P[k])
            if belief.scale_kind == INVERSE:
                value -= 0.5 * belief.a[k, 0, 0] * log_det
                for i in range(d):
                    for j in range(d):
                        value -= 0.5 * belief.b[k, i, j] * P[k, i, j]
        at, f, quadratic, bound, away = k * wide, 1 + d, 0.0, 0.0, 0.0
        for i in range(d):
            linear, pull = 0.0, 0.0
            for j in range(d):
                linear += P[home, i, j] * mean[k, j]
                pull += P[home, i, j] * (mean[k, j] - belief.s[k, j])
            W[at + 1 + i] = linear
            quadratic += linear * mean[k, i]
            away += pull * (mean[k, i] - belief.s[k, i])
            bound += abs(linear) * belief.largest[1 + i]
            for j in range(i, d):
                W[at + f] = -0.5 * P[home, i, j] if i == j else -P[home, i, j]
                bound += abs(W[at + f]) * belief.largest[f]
                f += 1
        one = -0.5 * (quadratic + log_det + d * LOG_2PI)
        W[at] = one + np.log(weight[k])
        if not np.finfo(np.float64).eps * (bound + abs(one)) <= belief.tolerance:
            return np.nan
        if belief.mean_kind == CONJUGATE:
            value -= 0.5 * (belief.t[k, 0] * away + log_det)
    return value


@njit(cache=True, error_model="numpy")
def dress_diagonal(weight, mean, scale, belief, W, wide):
    """The part of independent features; `scale` holds variances, or standard deviations when the kind is SD."""
    K, d = mean.shape
    value = 0.0
    for k in range(scale.shape[0]):
        for j in range(scale.shape[1]):
            v, a, b = scale[k, j, 0], belief.a[k, j, 0], belief.b[k, j, 0]
            if not v > 0:
                return np.nan
            if belief.scale_kind == INVERSE:
                value -= a * np.log(v) + b / v
            elif belief.scale_kind == SD:
                value -= a * np.log(v) + b / v**2 + belief.c[k, j, 0] * v**2
    for k in range(K):
        at, one, bound = k * wide, 0.0, 0.0
        for j in range(d):
            v = variance(scale, k, j, belief)
            W[at + 1 + j] = mean[k, j] / v
            W[at + 1 + d + j] = -0.5 / v
            one -= 0.5 * (mean[k, j] ** 2 / v + np.log(v) + LOG_2PI)
            bound += abs(mean[k, j] / v) * belief.largest[1 + j] + 0.5 / v * belief.largest[1 + d + j]
            if belief.mean_kind == CONJUGATE:
                value -= 0.5 * (belief.t[k, j] * (mean[k, j] - belief.s[k, j]) ** 2 / v + np.log(v))
        W[at] = one + np.log(weight[k])
        if not np.finfo(np.float64).eps * (bound + abs(one)) <= belief.tolerance:
            return np.nan
    return value


@njit(cache=True, error_model="numpy")
def variance(scale, k, j, belief):
    v = scale[k % scale.shape[0], j % scale.shape[1], 0]
    return v * v if belief.scale_kind == SD or belief.c[0, 0, 0] < 0 else v

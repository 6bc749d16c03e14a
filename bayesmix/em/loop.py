"""The whole EM loop, compiled, for Gaussian components under conjugate or flat priors.

At a few hundred rows an iteration costs microseconds and Python's own work a hundred times that. The formulas
are those of `Gaussian.mode` and `MvGaussian.mode`, `natural` and the priors' kernels, and are tested against
them. The loop takes the plain path only: wherever something needs care (a component that is empty, nearly
singular or too narrow for moments about the centre, an objective that fell) it stops at its last good theta
and leaves the rest of the climb to `engine.run`.

(numba's cache on disk looks at this file alone: whoever edits fused.py removes bayesmix/em/__pycache__.)
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from bayesmix.em.fused import rows, size_of_scratch, up2, up4

DIAGONAL, FULL = 2, 3  # as in fused.KINDS
FIXED, NORMAL, CONJUGATE, INVERSE, SD = range(5)  # the kernels of the priors, as numbers
CONVERGED, EXHAUSTED, CARE = range(3)  # how a climb ended; CARE: go on in Python
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
    constant: float  # of the log prior
    largest: np.ndarray  # (F,) of each feature: the guard against rounding
    tolerance: float
    spread: float  # of the columns: the least size of a mean, which may be zero


@njit(cache=True, error_model="numpy")
def invert(V, P):
    """P = V^-1 of a positive definite matrix; returns log|V|, or NaN where V is nearly singular."""
    d = V.shape[0]
    A = np.zeros((d, d))  # first L, V = L L^T, then its inverse
    log_det = 0.0
    for i in range(d):
        for j in range(i + 1):
            rest = V[i, j]
            for k in range(j):
                rest -= A[i, k] * A[j, k]
            if i == j:
                if not rest > CLEAR * V[i, i]:
                    return np.nan
                A[i, i] = np.sqrt(rest)
                log_det += np.log(rest)
            else:
                A[i, j] = rest / A[j, j]
    for j in range(d):
        A[j, j] = 1 / A[j, j]
        for i in range(j + 1, d):
            rest = 0.0
            for k in range(j, i):
                rest -= A[i, k] * A[k, j]
            A[i, j] = rest / A[i, i]
    for i in range(d):
        for j in range(i + 1):
            total = 0.0
            for k in range(i, d):
                total += A[k, i] * A[k, j]
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
    value = 0.0
    log_det = np.empty(len(cov))
    for k in range(len(cov)):
        log_det[k] = invert(cov[k], P[k])
        if belief.scale_kind == INVERSE:
            value -= 0.5 * belief.a[k, 0, 0] * log_det[k]
            for i in range(d):
                for j in range(d):
                    value -= 0.5 * belief.b[k, i, j] * P[k, i, j]
    for k in range(K):
        home = k % len(cov)
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
        one = -0.5 * (quadratic + log_det[home] + d * LOG_2PI)
        W[at] = one + np.log(weight[k])
        if not np.finfo(np.float64).eps * (bound + abs(one)) <= belief.tolerance:
            return np.nan
        if belief.mean_kind == CONJUGATE:
            value -= 0.5 * (belief.t[k, 0] * away + log_det[home])
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


@njit(cache=True, error_model="numpy")
def maximise(kind, stats, wide, belief, weight, mean, scale, P):
    """The M-step, in place; False where care is needed."""
    K = len(mean)
    if belief.weight_free:
        total = 0.0
        for k in range(K):
            weight[k] = stats[k * wide] + belief.weight[k]
            if not weight[k] > 0:
                return False
            total += weight[k]
        for k in range(K):
            weight[k] /= total
    for k in range(K):
        if not stats[k * wide] > 0:
            return False
    if kind == FULL:
        return maximise_full(stats, wide, belief, mean, scale, P)
    return maximise_diagonal(stats, wide, belief, mean, scale)


@njit(cache=True, error_model="numpy")
def maximise_full(stats, wide, belief, mean, cov, P):
    """`MvGaussian.mode`."""
    K, d = mean.shape
    free = belief.scale_kind == INVERSE
    new, count, own, right, second = np.empty(cov.shape), np.empty(len(cov)), np.empty(d), np.empty(d), np.empty(d)
    left, inverse, scatter = np.empty((d, d)), np.empty((d, d)), np.empty((d, d))
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
        if not resolved(scatter, second):
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
def resolved(scatter, second):
    """Whether a scatter is clearly positive definite beside the moments about the origin that it came from."""
    d = len(second)
    L = np.zeros((d, d))
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
def maximise_diagonal(stats, wide, belief, mean, scale):
    """`Gaussian.mode`."""
    K, d = mean.shape
    free = belief.scale_kind != FIXED
    ss, count = np.zeros((scale.shape[0], scale.shape[1])), np.zeros((scale.shape[0], scale.shape[1]))
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
            ss[k0, j0] += within + n * (mean[k, j] - own) ** 2
            count[k0, j0] += n
            if belief.mean_kind == CONJUGATE:
                ss[k0, j0] += t * (mean[k, j] - belief.s[k, j]) ** 2
                count[k0, j0] += 1
    if free:
        for k in range(scale.shape[0]):
            for j in range(scale.shape[1]):
                a, b, c = belief.a[k, j, 0], belief.b[k, j, 0], belief.c[k, j, 0]
                if belief.scale_kind == INVERSE:
                    top, below = 0.5 * ss[k, j] + b, 0.5 * count[k, j] + a
                else:
                    top, mid = 2 * (ss[k, j] + 2 * b), count[k, j] + a
                    below = mid + np.sqrt(mid**2 + 4 * c * top)
                if not below > 0:
                    return False
                scale[k, j, 0] = top / below if belief.scale_kind == INVERSE else np.sqrt(top / below)
    return True


@njit(cache=True, error_model="numpy")
def moved(new, old, least):
    """Largest change of an entry relative to the largest entry (or `least`), as in `engine.change`; old becomes new."""
    size, step = least, 0.0
    for i in range(len(new)):
        size = max(size, abs(new[i]))
        step = max(step, abs(new[i] - old[i]))
        old[i] = new[i]
    return step / size if size > 0 else 0.0


@njit(inline="always")
def climb(kind, x, label, row_weight, belief, betas, max_iter, tol, weight, mean, scale, trace, counts):
    """One climb, theta in place: (how it ended, iterations, log likelihood). See `engine.run`."""
    K, d = mean.shape
    F, n = len(belief.largest), x.shape[1]
    wide = up4(F)
    W, stats = np.zeros(up2(K) * wide), np.empty(up2(K) * wide)
    P, scratch = np.empty((len(scale), d, d)), np.empty(size_of_scratch(K, F))
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
        if not maximise(kind, stats, wide, belief, weight, mean, scale, P):
            break
    weight[:] = old_weight
    mean.ravel()[:] = old_mean
    scale.ravel()[:] = old_scale
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

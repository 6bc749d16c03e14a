"""The steps of a Gibbs sweep, compiled, for Gaussian components under conjugate priors (the sweep: `gibbs_sweeps`).

They are those of `gibbs_steps.sweep` with `Gaussian.conditional` and `MvGaussian.conditional`, from the same generator
in the same order.

References: Gelman et al. (2013), Bayesian Data Analysis, sections 3.3, 3.6 and 11.6; Smith & Hocking (1972),
Applied Statistics 21:341-345, for Bartlett's decomposition.
"""

from typing import NamedTuple

import numpy as np

from bayesmix.em.vector import part

DIAGONAL, FULL = 2, 3  # as in fused.KINDS
FIXED, NORMAL, CONJUGATE = range(3)  # what the prior of the mean is
CLEAR = 1e-9  # part of a moment about the centre that must be left of a variance after regression on the others
LOG_2PI = np.log(2 * np.pi)


class Law(NamedTuple):
    """The priors as numbers. Scales are (K or 1, d or 1, 1), or (K or 1, d, d) when full."""

    weight_free: bool
    weight: np.ndarray  # (K,) Dirichlet concentrations
    floor: float  # under the weights
    tries: int  # draws of the weights
    mean_kind: int
    t: np.ndarray  # (K, d): precision (NORMAL) or kappa (CONJUGATE)
    s: np.ndarray  # (K, d): precision times mean, or the mean
    scale_free: bool
    square: bool  # the scale is a standard deviation (known, then)
    a: np.ndarray  # inverse gamma: shape; inverse Wishart: df
    b: np.ndarray  # their scale
    largest: np.ndarray  # (F,) of each feature: the guard against rounding
    tolerance: float


@part
def factor(V, L, least):
    """Lower L with L L' = V; whether every squared pivot is above `least` (d,)."""
    d = len(V)
    for i in range(d):
        for j in range(i + 1):
            rest = V[i, j]
            for k in range(j):
                rest -= L[i, k] * L[j, k]
            if i > j:
                L[i, j] = rest / L[j, j]
            elif rest > least[i]:
                L[i, i] = np.sqrt(rest)
            else:
                return False
        for j in range(i + 1, d):
            L[i, j] = 0.0
    return True


@part
def inverse_transposed(L, out):
    """(L^-1)', upper, of a lower triangular matrix."""
    d = len(L)
    for j in range(d):
        for i in range(j):
            out[j, i] = 0.0
        out[j, j] = 1 / L[j, j]
        for i in range(j + 1, d):
            rest = 0.0
            for k in range(j, i):
                rest -= L[i, k] * out[j, k]
            out[j, i] = rest / L[i, i]


@part
def product(A, B, out):
    """out = A B."""
    d = len(A)
    for i in range(d):
        for j in range(d):
            total = 0.0
            for k in range(d):
                total += A[i, k] * B[k, j]
            out[i, j] = total


@part
def square(A, out):
    """out = A A'."""
    d = len(A)
    for i in range(d):
        for j in range(i + 1):
            total = 0.0
            for k in range(d):
                total += A[i, k] * A[j, k]
            out[i, j] = out[j, i] = total


@part
def copy(a, out):
    """out = a, flat arrays."""
    for i in range(len(a)):
        out[i] = a[i]


@part
def natural(kind, law, weight, mean, scale, P, log_det, W, wide):
    """Writes W = natural(theta), log weights added, from precisions P; False where rounding could be felt."""
    K, d = mean.shape
    for k in range(K):
        at, f, home, quadratic, bound = k * wide, 1 + d, k % len(scale), 0.0, 0.0
        if kind == FULL:
            for i in range(d):
                linear = 0.0
                for j in range(d):
                    linear += P[home, i, j] * mean[k, j]
                W[at + 1 + i] = linear
                quadratic += linear * mean[k, i]
                for j in range(i, d):
                    W[at + f] = -0.5 * P[home, i, j] if i == j else -P[home, i, j]
                    f += 1
            quadratic += log_det[home]
        else:
            for j in range(d):
                v = variance(law, scale, k, j)
                W[at + 1 + j] = mean[k, j] / v
                W[at + 1 + d + j] = -0.5 / v
                quadratic += mean[k, j] ** 2 / v + np.log(v)
        W[at] = -0.5 * (quadratic + d * LOG_2PI)
        for f in range(len(law.largest)):
            bound += abs(W[at + f]) * law.largest[f]
        if not np.finfo(np.float64).eps * bound <= law.tolerance or not weight[k] > 0:
            return False
        W[at] += np.log(weight[k])
    return True


@part
def variance(law, scale, k, j):
    """The variance of feature j in component k."""
    v = scale[k % scale.shape[0], j % scale.shape[1], 0]
    return v * v if law.square else v


@part
def draw_weight(law, stats, wide, weight, rng):
    """weight | z, in place; False where every try fell below the floor."""
    K = len(weight)
    for _ in range(law.tries):
        total, least = 0.0, np.inf
        for k in range(K):
            weight[k] = rng.standard_gamma(stats[k * wide] + law.weight[k])
            total += weight[k]
        for k in range(K):
            weight[k] /= total
            least = min(least, weight[k])
        if least >= law.floor:
            return True
    return False


@part
def draw_diagonal(law, stats, wide, mean, scale, rng):
    """`Gaussian.conditional`, in place."""
    K, d = mean.shape
    joint = law.mean_kind == CONJUGATE
    if law.scale_free:
        ss, count = np.zeros(scale.shape[:2]), np.zeros(scale.shape[:2])
        for k in range(K):
            n = stats[k * wide]
            for j in range(d):
                sum_x, sum_xx, t = stats[k * wide + 1 + j], stats[k * wide + 1 + d + j], law.t[k, j]
                own = sum_x / n if n > 0 else mean[k, j]
                within = sum_xx - n * own**2
                within = within if within > 1e-13 * sum_xx else 0.0  # as `gaussian.scatter`
                away = own - (law.s[k, j] if joint else mean[k, j])
                k0, j0 = k % scale.shape[0], j % scale.shape[1]
                ss[k0, j0] += within + (t * n / (t + n) if joint else n) * away**2
                count[k0, j0] += n
        for k in range(scale.shape[0]):
            for j in range(scale.shape[1]):
                gamma = rng.standard_gamma(0.5 * count[k, j] + law.a[k, j, 0])
                scale[k, j, 0] = (0.5 * ss[k, j] + law.b[k, j, 0]) / gamma
    if law.mean_kind == FIXED:
        return
    for k in range(K):
        n = stats[k * wide]
        for j in range(d):
            v, sum_x, t = variance(law, scale, k, j), stats[k * wide + 1 + j], law.t[k, j]
            precision = (n + t) / v if joint else n / v + t
            right = (sum_x + t * law.s[k, j]) / v if joint else sum_x / v + law.s[k, j]
            mean[k, j] = right / precision + rng.standard_normal() / np.sqrt(precision)


@part
def draw_full(law, stats, wide, mean, cov, P, log_det, rng):
    """`MvGaussian.conditional`, in place, and the new precisions; False (nothing drawn) where care is needed."""
    C, d = len(cov), mean.shape[1]
    L, M, A, inv = np.zeros((C, d, d)), np.empty((d, d)), np.zeros((C, d, d)), np.empty((d, d))
    if law.scale_free:
        S, df, least = law.b.copy(), law.a[:, 0, 0].copy(), np.zeros((C, d))
        posterior_scatter(law, stats, wide, mean, S, df, least)
        for c in range(C):
            if not factor(S[c], L[c], least[c]):
                return False
        for c in range(C):
            for i in range(d):
                for j in range(i):
                    A[c, i, j] = rng.standard_normal()
        for c in range(C):
            for i in range(d):
                A[c, i, i] = np.sqrt(2.0 * rng.standard_gamma(0.5 * (df[c] - i)))
        for c in range(C):
            log_det[c] = 0.0
            for i in range(d):
                log_det[c] += 2.0 * (np.log(L[c, i, i]) - np.log(A[c, i, i]))
            inverse_transposed(A[c], inv)  # cov = M M', M = L A^-T
            product(L[c], inv, M)
            square(M, cov[c])
            inverse_transposed(L[c], inv)  # its inverse is M M', M = L^-T A
            product(inv, A[c], M)
            square(M, P[c])
    if law.mean_kind != FIXED:
        draw_means(law, stats, wide, mean, cov, P, rng)
    return True


@part
def posterior_scatter(law, stats, wide, mean, S, df, least):
    """Adds the scatter to S and the counts to df; least: pivots of S that rounding could have made, (C, d)."""
    K, d = mean.shape
    own, away = np.empty(d), np.empty(d)
    for k in range(K):
        at, home = k * wide, k % len(S)
        n, share, f = stats[at], stats[at], at + 1 + d
        if law.mean_kind == CONJUGATE:
            share = law.t[k, 0] * n / (law.t[k, 0] + n)
        for j in range(d):
            own[j] = stats[at + 1 + j] / n if n > 0 else mean[k, j]
            away[j] = own[j] - (law.s[k, j] if law.mean_kind == CONJUGATE else mean[k, j])
        for i in range(d):
            least[home, i] += CLEAR * stats[f]
            for j in range(i, d):
                v = stats[f] - n * own[i] * own[j] + share * away[i] * away[j]
                S[home, i, j] += v
                if i != j:
                    S[home, j, i] += v
                f += 1
        df[home] += n


@part
def draw_means(law, stats, wide, mean, cov, P, rng):
    """The means given the covariances and their inverses."""
    K, d = mean.shape
    z, right, no = np.empty((K, d)), np.empty(d), np.zeros(d)
    Q, G, inv = np.empty((d, d)), np.zeros((d, d)), np.empty((d, d))
    for k in range(K):
        for j in range(d):
            z[k, j] = rng.standard_normal()
    for k in range(K):
        at, home = k * wide, k % len(cov)
        n = stats[at]
        if law.mean_kind == CONJUGATE:  # centre + L z / sqrt(n + kappa), L L' = cov
            kappa = law.t[k, 0]
            factor(cov[home], G, no)
            for i in range(d):
                noise = 0.0
                for j in range(i + 1):
                    noise += G[i, j] * z[k, j]
                mean[k, i] = (stats[at + 1 + i] + kappa * law.s[k, i]) / (n + kappa) + noise / np.sqrt(n + kappa)
        else:  # Q = n P + T = G G'; Q^-1 (P sum x + T m) + G'^-1 z = G'^-1 (G^-1 (P sum x + T m) + z)
            for i in range(d):
                right[i] = law.s[k, i]
                for j in range(d):
                    Q[i, j] = n * P[home, i, j] + (law.t[k, i] if i == j else 0.0)
                    right[i] += P[home, i, j] * stats[at + 1 + j]
            factor(Q, G, no)
            inverse_transposed(G, inv)
            for i in range(d):
                for j in range(i + 1):
                    z[k, i] += inv[j, i] * right[j]
            for i in range(d):
                mean[k, i] = 0.0
                for j in range(i, d):
                    mean[k, i] += inv[i, j] * z[k, j]

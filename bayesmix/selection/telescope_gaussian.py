"""The telescoping sampler's sweeps for independent Gaussian features, compiled.

The steps are those of `telescope.plain_sweeps`. Densities are computed difference first, so that no component is too
narrow; the sums of squares are taken about the components' own means.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from bayesmix.spec.families import Gaussian
from bayesmix.spec.families.hierarchical import Hierarchical
from bayesmix.spec.priors import ConjugateNormal, Gamma, InverseGamma, Normal, spread


class Law(NamedTuple):
    """The priors as numbers, one for each feature."""

    joint: bool  # mean_k | var_k ~ N(m, var_k / t), else mean_k ~ N(m, 1 / t)
    m: np.ndarray
    t: np.ndarray
    a: np.ndarray  # var_k ~ InverseGamma(a, b)
    unknown: bool  # b ~ Gamma(g, h)
    g: np.ndarray
    h: np.ndarray
    e: float  # weight ~ Dirichlet(e)
    possible: np.ndarray  # values of K
    link: np.ndarray  # (max K, values of K): cumulative p(K | K+)


def law_of(family, d, link):
    """(Law, name of the scale's hyperparameter or None) of a family that the compiled sweeps serve, else None."""
    inner = family.inner if isinstance(family, Hierarchical) else family
    unknowns = family.unknowns if isinstance(family, Hierarchical) else ()
    if type(inner) is not Gaussian or inner.var is None or inner.shared or inner.isotropic:
        return None
    if type(inner.mean) not in (Normal, ConjugateNormal) or type(inner.var) is not InverseGamma:
        return None
    if unknowns and not ([u[0] for u in unknowns] == ["var_scale"] and type(unknowns[0][3]) is Gamma):
        return None
    joint = type(inner.mean) is ConjugateNormal
    scale = unknowns[0][3] if unknowns else Gamma(1.0, 1.0)

    def full(value):
        return np.array(spread(value, (1, d))[0])

    t = full(inner.mean.kappa) if joint else 1 / full(inner.mean.sd) ** 2
    cumulative = np.cumsum(np.exp(link.log_p), axis=1)
    return Law(
        joint, full(inner.mean.mean), t, full(inner.var.shape), bool(unknowns), full(scale.shape), full(scale.rate),
        link.e, link.possible, cumulative / cumulative[:, -1:],
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def sweeps(x, law, rng, K, weight, mean, var, b, out):
    """Writes K and K+ after each sweep into out (2, sweeps); weight (max K,), mean, var (max K, d), b (d,) in place."""
    n, d = x.shape
    most = len(weight)
    z, p, home, log_w = np.empty(n, np.int64), np.empty(most), np.empty(most, np.int64), np.empty(most)
    count, total, square = np.empty(most), np.empty((most, d)), np.empty((most, d))
    for step in range(out.shape[1]):
        # allocations
        for k in range(K):
            log_w[k] = np.log(weight[k])
            for j in range(d):
                log_w[k] -= 0.5 * np.log(var[k, j])
        count[:K] = 0.0
        for i in range(n):
            top = -np.inf
            for k in range(K):
                p[k] = log_w[k]
                for j in range(d):
                    p[k] -= 0.5 * (x[i, j] - mean[k, j]) ** 2 / var[k, j]
                top = max(top, p[k])
            run = 0.0
            for k in range(K):
                run += np.exp(p[k] - top)
                p[k] = run
            u, k = run * (1.0 - rng.random()), 0
            while p[k] < u:
                k += 1
            z[i] = k
            count[k] += 1.0
        # filled components first
        m = 0
        for k in range(K):
            if count[k] > 0:
                home[k] = m
                count[m] = count[k]
                mean[m] = mean[k]
                var[m] = var[k]
                m += 1
        # their parameters given the rows
        total[:m] = 0.0
        square[:m] = 0.0
        for i in range(n):
            total[home[z[i]]] += x[i]
        for i in range(n):
            k = home[z[i]]
            for j in range(d):
                centre = total[k, j] / count[k] if law.joint else mean[k, j]
                square[k, j] += (x[i, j] - centre) ** 2
        for k in range(m):
            for j in range(d):
                if law.joint:
                    away = total[k, j] / count[k] - law.m[j]
                    square[k, j] += law.t[j] * count[k] / (law.t[j] + count[k]) * away**2
                var[k, j] = (b[j] + 0.5 * square[k, j]) / rng.standard_gamma(law.a[j] + 0.5 * count[k])
                if law.joint:
                    centre = (total[k, j] + law.t[j] * law.m[j]) / (count[k] + law.t[j])
                    spread = np.sqrt(var[k, j] / (count[k] + law.t[j]))
                else:
                    precision = count[k] / var[k, j] + law.t[j]
                    centre = (total[k, j] / var[k, j] + law.t[j] * law.m[j]) / precision
                    spread = 1 / np.sqrt(precision)
                mean[k, j] = centre + spread * rng.standard_normal()
        if law.unknown:
            for j in range(d):
                rate = law.h[j]
                for k in range(m):
                    rate += 1 / var[k, j]
                b[j] = rng.standard_gamma(law.g[j] + m * law.a[j]) / rate
        # K given the partition, empty components, weights
        u, v = rng.random(), 0
        while law.link[m - 1, v] < u:
            v += 1
        K = law.possible[v]
        for k in range(m, K):
            count[k] = 0.0
            for j in range(d):
                var[k, j] = b[j] / rng.standard_gamma(law.a[j])
                spread = np.sqrt(var[k, j] / law.t[j]) if law.joint else 1 / np.sqrt(law.t[j])
                mean[k, j] = law.m[j] + spread * rng.standard_normal()
        run = 0.0
        for k in range(K):
            weight[k] = rng.standard_gamma(law.e + count[k])
            run += weight[k]
        for k in range(K):
            weight[k] /= run
        out[0, step] = K
        out[1, step] = m


def chain(problem, law, K, own, w, rng, count):
    """(K, K+) of `count` sweeps from K components with these fields and weights."""
    most, d = int(law.possible[-1]), problem.x.shape[1]
    weight, mean, var = np.zeros(most), np.zeros((most, d)), np.ones((most, d))
    weight[:K], mean[:K], var[:K] = w, own["mean"], own["var"]
    if law.unknown:
        b = np.array(own["var_scale"][0])
    else:
        b = np.array(spread(problem.mixture.family.var.scale, (1, d))[0])
    out = np.empty((2, count), dtype=np.int64)
    sweeps(np.ascontiguousarray(problem.x), law, rng, K, weight, mean, var, b, out)
    return out

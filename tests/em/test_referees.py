"""The census and its masses beside plain formulas on rows of our own: value, gradient, Hessian, and quadrature.

No density of the package is used here: the log posterior is written out with NumPy and SciPy.
"""

import numpy as np
import pytest
from scipy.special import gammaln, logsumexp

import bayesmix as bm

ROWS = np.random.default_rng(5).normal(np.repeat([0.0, 4.0, 7.0], 15), np.repeat([1.0, 0.6, 1.5], 15)).round(2)


def log_posterior(u, x, alpha, mean, var):
    """At u = (log w_k / w_K, means, log variances), densities in the natural coordinates, constants kept."""
    K = (len(u) + 1) // 3
    logits = np.append(u[: K - 1], 0.0)
    log_w, mu, v = logits - logsumexp(logits), u[K - 1 : 2 * K - 1], np.exp(u[2 * K - 1 :])
    rows = np.log(np.exp(log_w + normal(x[:, None], mu, np.sqrt(v))).sum(axis=1)).sum()
    weight = gammaln(K * alpha) - K * gammaln(alpha) + (alpha - 1) * log_w.sum()
    a, b = var
    scale = a * np.log(b) - gammaln(a) - (a + 1) * np.log(v) - b / v
    return rows + weight + normal(mu, *mean).sum() + scale.sum()


def normal(x, mean, sd):
    return -0.5 * ((x - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)


def differences(f, u, step=1e-3):
    """Gradient and Hessian by central differences."""
    e = step * np.eye(len(u))
    gradient = np.array([(f(u + a) - f(u - a)) / (2 * step) for a in e])
    hessian = [[(f(u + a + b) - f(u + a - b) - f(u - a + b) + f(u - a - b)) / (4 * step**2) for b in e] for a in e]
    return gradient, np.array(hessian)


@pytest.mark.parametrize("K,alpha,var", [(2, 2.0, (2.0, 0.4)), (3, 2.0, (2.0, 0.4)), (3, 1.0, (3.0, 9.0))])
def test_every_listed_maximum_is_one(K, alpha, var):
    """Whatever the census calls a maximum has that value, no slope, and curves down in all directions."""
    family = bm.Gaussian(mean=bm.Normal(3, 6), var=bm.InverseGamma(*var))
    fit = bm.fit_em(bm.Mixture(family, K, weight=bm.Dirichlet(alpha)), ROWS, restarts=10, start="prior", seed=2)
    inner = [m for m in fit.optima if m.kind in ("interior", "twin components")]
    assert inner and all(m.definite for m in inner)
    if alpha > 1:
        assert len(inner) > 1
    for mode in inner:
        w, mu, v = mode.theta["weight"], mode.theta["mean"][:, 0], mode.theta["var"][:, 0]
        u = np.concatenate([np.log(w[:-1] / w[-1]), mu, np.log(v)])

        def f(at):
            return log_posterior(at, ROWS, alpha, (3, 6), var)

        gradient, hessian = differences(f, u)
        assert mode.log_posterior == pytest.approx(f(u), abs=1e-9)
        slope, curve = np.abs(gradient).max(), np.linalg.eigvalsh(hessian)
        assert curve[-1] < 0 and gradient @ np.linalg.solve(-hessian, gradient) < 1e-6, (slope, curve)
        off = differences(f, u + 0.1)[0]  # a tenth away the same formulas see a slope
        assert np.abs(off).max() > 100 * slope


def half_planes(x):
    """log of the posterior mass where mean_0 < mean_1, and where not, for the model below, by quadrature."""
    g = np.linspace(-3, 7, 401)
    first, second = (np.log(w) + normal(x, g[:, None], 1) for w in (0.6, 0.4))
    log_p = np.array([np.logaddexp(a, second).sum(axis=1) for a in first])
    log_p += normal(g, 0, 3)[:, None] + normal(g, 1, 2)
    area, above = 2 * np.log(g[1] - g[0]), np.triu(np.ones_like(log_p), 1) > 0
    return {True: logsumexp(log_p[above]) + area, False: logsumexp(log_p[~above]) + area}


def test_each_mass_beside_quadrature():
    """Two unlike components have two optima, one in each half plane; Laplace's error of each falls like 1/n."""
    model = bm.Mixture(
        bm.Gaussian(mean=bm.Normal([[0], [1]], [[3], [2]]), sd=bm.Fixed(1)), 2, weight=bm.Fixed([0.6, 0.4])
    )
    z = np.arange(20)[:, None] % 2
    rows, errors = (np.random.default_rng(3).normal(4.0 * z, 1.0)).round(2)[:, 0], {True: [], False: []}
    for copies in (1, 4):
        x = np.repeat(rows, copies)
        exact, fit = half_planes(x), bm.fit_em(model, x, restarts=10, start="prior", seed=1)
        sides = [bool(m.theta["mean"][0, 0] < m.theta["mean"][1, 0]) for m in fit.optima]
        assert sorted(sides) == [False, True]
        for side, mode in zip(sides, fit.optima, strict=True):
            errors[side].append(abs(mode.log_mass - exact[side]))
    for some, fewer in errors.values():
        assert some < 0.1 and 2.5 < some / fewer < 6


@pytest.mark.parametrize("K", [1, 2])
def test_masses_do_not_depend_on_the_coordinate(K):
    """sd ~ LogNormal(m, s) is var ~ LogNormal(2 m, 2 s): other maxima, the same masses."""
    mean = bm.Normal(3, 6)
    a, b = (
        bm.fit_em(bm.Mixture(bm.Gaussian(mean=mean, **scale), K), ROWS, restarts=8, start="rows", seed=1).optima[0]
        for scale in ({"sd": bm.LogNormal(0.2, 0.7)}, {"var": bm.LogNormal(0.4, 1.4)})
    )
    assert abs(a.log_posterior - b.log_posterior) > 0.1
    assert a.log_mass == pytest.approx(b.log_mass, abs=1e-5)

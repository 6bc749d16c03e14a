"""The compiled pass against the readable one, and both where rounding is hardest."""

import math

import numpy as np
import pytest

import bayesmix as bm
from bayesmix.em import engine, fused, starts, vector
from bayesmix.em.kernel import Problem

FAMILIES = {
    "full": bm.MvGaussian(mean=bm.Flat(), cov=bm.Flat()),
    "shared": bm.MvGaussian(mean=bm.Flat(), cov=bm.Flat(), shared=True),
    "diagonal": bm.Gaussian(mean=bm.Normal(0, 3), sd=bm.HalfNormal(2)),
    "isotropic": bm.Gaussian(mean=bm.Flat(), var=bm.Fixed(1.0), isotropic=True, shared=True),
    "poisson": bm.Poisson(rate=bm.Gamma(2, 1)),
    "bernoulli": bm.Bernoulli(),
}


def rows_of(name, n, d):
    rng = np.random.default_rng(n)
    if name == "poisson":
        return rng.poisson(rng.choice([1.0, 9.0], size=(n, 1)), size=(n, d)).astype(float)
    if name == "bernoulli":
        return (rng.random((n, d)) < rng.choice([0.2, 0.8], size=(n, 1))).astype(float)
    return rng.normal(size=(n, d)) + rng.choice([0.0, 4.0], size=(n, 1))


def problem_of(name, n, d, K, label=False, weight=False):
    rng = np.random.default_rng(3)
    data = bm.Data(
        rows_of(name, n, d),
        label=np.where(rng.random(n) < 0.3, rng.integers(K, size=n), -1) if label else None,
        weight=rng.uniform(0.2, 3, n) if weight else None,
    )
    model = bm.Mixture(FAMILIES[name], K).resolve(data)
    problem = Problem.of(model, data)
    return problem, problem.inward(starts.draw("random", problem, rng))


def same_pass(a, b, rtol=1e-12, beta=1.0, lead=None):
    """Of the features from `lead` on only the sums over components are the same."""
    assert a.objective == pytest.approx(b.objective, rel=rtol)
    assert a.log_likelihood == pytest.approx(b.log_likelihood, rel=rtol, nan_ok=True)
    assert np.isnan(a.log_likelihood) == np.isnan(b.log_likelihood) == math.isinf(beta)
    np.testing.assert_allclose(a.counts, b.counts, rtol=rtol, atol=1e-12 * b.counts.max())
    size = np.abs(b.stats).max(axis=0)
    assert (np.abs(a.stats - b.stats)[:, :lead] <= rtol * 10 * size[:lead]).all()
    np.testing.assert_allclose(a.stats.sum(axis=0), b.stats.sum(axis=0), rtol=rtol * 10, atol=rtol * 10 * size.max())


# ---- the compiled pass -------------------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [1.0, 0.3, 4.0, math.inf])
@pytest.mark.parametrize("label,weight", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("name", list(FAMILIES))
@pytest.mark.parametrize("K", [2, 3])
def test_compiled_equals_readable(K, name, label, weight, beta):
    problem, theta = problem_of(name, 301, 3, K, label, weight)
    assert problem.leading == (4 if name == "isotropic" else problem.feature_count)
    W = problem.mixture.family.natural(np, **problem.mixture.own(theta))
    assert not problem.rough(W).any()
    a, b = problem.compiled_step(theta, W, beta), problem.plain_step(theta, beta)
    same_pass(a, b, beta=beta, lead=problem.leading)
    assert problem.log_likelihood(theta) == pytest.approx(problem.plain_step(theta).log_likelihood, rel=1e-12)


@pytest.mark.parametrize("n,d,K", [(2, 1, 1), (127, 1, 4), (128, 2, 5), (129, 5, 2), (5000, 4, 9)])
@pytest.mark.parametrize("name", ["full", "diagonal", "shared"])
def test_every_shape(name, n, d, K):
    problem, theta = problem_of(name, max(n, K + 1), d, K)
    theta["cov" if "cov" in theta else "sd"] = (np.eye(d) * 2 if "cov" in theta else np.ones(d))[None].repeat(
        1 if name == "shared" else K, axis=0
    )
    W = problem.mixture.family.natural(np, **problem.mixture.own(theta))
    same_pass(problem.compiled_step(theta, W), problem.plain_step(theta))


def test_features_given_or_built():
    """The kernel that is handed Phi, and the one that builds it from x, give one answer."""
    rng = np.random.default_rng(0)
    x, W = rng.normal(size=(3, 1000)), rng.normal(size=(4, 10))
    i, j = np.triu_indices(3)
    phi = np.vstack([np.ones((1, 1000)), x, x[i] * x[j]])
    for a, b in zip(fused.scan("full", x, W), fused.scan(None, phi, W), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)


def test_threads_change_no_bit(monkeypatch):
    rng = np.random.default_rng(0)
    x, W = rng.normal(size=(4, 30_000)), rng.normal(size=(5, 9))
    W[:, 5:] = -1
    monkeypatch.setattr(fused, "threads", lambda: 3)
    many = fused.scan("diagonal", x, W)
    monkeypatch.setattr(fused, "threads", lambda: 1)
    one = fused.scan("diagonal", x, W)
    assert many[:2] == one[:2] and (many[2] == one[2]).all()


def test_exp():
    v = np.linspace(-700, 700, 20_001)
    np.testing.assert_allclose([vector.exp(a) for a in v], np.exp(v), rtol=1e-15)


def test_only_what_is_contiguous_has_one_address():
    from numba import TypingError, njit

    from bayesmix.em.vector import pointer

    second = njit(lambda a: pointer(a)[1])
    assert second(np.arange(6.0).reshape(2, 3)) == 1
    with pytest.raises(TypingError, match="C-contiguous"):
        second(np.asfortranarray(np.arange(6.0).reshape(2, 3)))


def test_a_nan_is_not_hidden():
    problem, theta = problem_of("diagonal", 50, 2, 2)
    theta["mean"][1, 0] = np.nan
    with np.errstate(all="ignore"):
        assert np.isnan(problem.e_step(theta).objective)


def test_without_numba(monkeypatch, galaxies):
    """The same fit, to rounding, where numba is absent."""
    model = bm.Mixture(bm.Gaussian(), 3)
    fast = bm.fit_em(model, galaxies, restarts=3, seed=1)
    monkeypatch.setattr("bayesmix.em.kernel.COMPILED", False)
    slow = bm.fit_em(model, galaxies, restarts=3, seed=1)
    assert fast.log_posterior == pytest.approx(slow.log_posterior, rel=1e-12)
    # restarts end in the one optimum under several labellings: which of them is the best by a last bit is chance
    np.testing.assert_allclose(np.sort(fast.best["mean"], axis=0), np.sort(slow.best["mean"], axis=0), rtol=1e-8)
    for a, b in zip(fast.runs, slow.runs, strict=True):
        np.testing.assert_allclose(a.theta["mean"], b.theta["mean"], rtol=1e-7)


# ---- where rounding is hardest -----------------------------------------------------------------------------


def narrow(offset, s, d=3, n=400):
    """A broad cloud and a cluster of relative sd s, away from the middle; their rows and the cluster's covariance."""
    rng = np.random.default_rng(1)
    cloud = rng.normal(size=(n, d))
    factor = s * (np.eye(d) + 0.3 * np.tri(d, k=-1))
    tight = np.array([1.5, -0.7, 1.0][:d]) + rng.normal(size=(n, d)) @ factor.T
    return np.vstack([cloud, tight]) + offset, n


@pytest.mark.parametrize("offset,s", [(0, 1e-2), (0, 1e-4), (0, 1e-6), (1e6, 1.0), (1e6, 1e-2), (1e6, 1e-4)])
@pytest.mark.parametrize("full", [True, False])
def test_a_narrow_component(offset, s, full):
    """Component log densities to 1e-9 and covariances to 1e-6 relative, against arithmetic in extended precision."""
    x, n = narrow(offset, s)
    d = x.shape[1]
    family = bm.MvGaussian(mean=bm.Flat(), cov=bm.Flat()) if full else bm.Gaussian(mean=bm.Flat(), var=bm.Flat())
    data, model = bm.Data(x), bm.Mixture(family, 2)
    z = np.repeat([0, 1], n)
    fit = bm.fit_em(model, data, start=z, seed=0, max_iter=2)
    run = fit.runs[0]
    assert run.status != engine.COLLAPSED

    long = x.astype(np.longdouble)
    centre = long[n:].mean(axis=0)
    cov = (long[n:] - centre).T @ (long[n:] - centre) / n
    problem = Problem.of(model.resolve(data), data)
    theta = problem.inward(starts.draw(np.eye(2)[z], problem, np.random.default_rng(0)))
    got = theta["cov"][1] if full else np.diag(theta["var"][1])
    scale = np.sqrt(np.outer(np.diag(cov), np.diag(cov))).astype(float)
    wanted = cov if full else np.diag(np.diag(cov))
    assert (np.abs(got - wanted.astype(float)) <= 1e-6 * scale).all()

    # the log density of the cluster's own rows, against extended precision at the same theta
    joint = problem.log_joint(theta, slice(n, 2 * n))[1] - np.log(theta["weight"][1])
    y = problem.x[n:].astype(np.longdouble) - theta["mean"][1]
    factor = np.linalg.cholesky(got)
    solved = np.zeros_like(y)
    for i in range(d):
        solved[:, i] = (y[:, i] - solved[:, :i] @ factor[i, :i].astype(np.longdouble)) / np.longdouble(factor[i, i])
    log_det = sum(np.log(np.longdouble(v)) for v in np.diag(factor))
    exact = -0.5 * (solved**2).sum(axis=1) - log_det - 0.5 * d * np.log(2 * np.longdouble(np.pi))
    assert np.abs(joint - exact.astype(float)).max() <= 1e-9

    # an M-step from there keeps the covariance: its moments are taken about the old mean
    here = problem.e_step(theta)
    r = np.exp(problem.log_joint(theta, slice(0, 2 * n)))
    r = (r / r.sum(axis=0))[1][:, None].astype(np.longdouble)
    new = engine.m_step(problem, here, theta)
    lx = problem.x.astype(np.longdouble)
    mean = (r * lx).sum(axis=0) / r.sum()
    cov = ((r * (lx - mean)).T @ (lx - mean) / r.sum()).astype(float)
    got = new["cov"][1] if full else np.diag(new["var"][1])
    assert (np.abs(got - (cov if full else np.diag(np.diag(cov)))) <= 1e-6 * scale).all()
    np.testing.assert_allclose(new["mean"][1], mean.astype(float), atol=1e-9 * s)


def test_the_guard_is_needed():
    """Negative control: without it, moments about the data's centre lose the narrow covariance."""
    x, n = narrow(0, 1e-6)
    data = bm.Data(x)
    problem = Problem.of(bm.Mixture(FAMILIES["full"], 2).resolve(data), data)
    theta = problem.inward(starts.draw(np.eye(2)[np.repeat([0, 1], n)], problem, np.random.default_rng(0)))
    W = problem.mixture.family.natural(np, **problem.mixture.own(theta))
    assert problem.rough(W)[1]
    new = engine.m_step(problem, problem.compiled_step(theta, W), theta)
    assert new is None or np.abs(new["cov"][1] / theta["cov"][1] - 1).max() > 1e-5

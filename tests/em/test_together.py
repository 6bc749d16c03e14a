"""Climbs in step, and the NumPy pass, against the readable ones."""

import math

import numpy as np
import pytest

import bayesmix as bm
from bayesmix.em import engine, kernel, plain, starts, together
from bayesmix.em.kernel import Problem

MODELS = {
    "full": bm.Mixture(bm.MvGaussian(mean=bm.Flat(), cov=bm.Flat()), 3, weight=bm.Flat()),
    "normal": bm.Mixture(bm.MvGaussian(), 2),
    "sd": bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 3), sd=bm.HalfNormal(2)), 3, weight=bm.Fixed([0.5, 0.3, 0.2])),
    "floor": bm.Mixture(bm.Gaussian(), 3, constraints=bm.MinWeight(0.2)),
    "poisson": bm.Mixture(bm.Poisson(rate=bm.Gamma(2, 1)), 3),
    "order": bm.Mixture(bm.Poisson(), 3, constraints=(bm.Order("rate", by=1), bm.MinWeight(0.1))),
    "matrices in order": bm.Mixture(bm.MvGaussian(), 2, constraints=bm.Order("cov", by=0, enforce="potential")),
    "bernoulli": bm.Mixture(bm.Bernoulli(), 2, weight=bm.Dirichlet(2.0)),
}


def problem_of(name, n=120, d=2, label=False, weight=False):
    rng, K = np.random.default_rng(n), MODELS[name].components
    if isinstance(MODELS[name].family, bm.Poisson):
        x = rng.poisson(rng.choice([1.0, 4.0, 15.0], size=(n, 1)), size=(n, d)).astype(float)
    elif name == "bernoulli":
        x = (rng.random((n, 3)) < rng.choice([0.2, 0.8], size=(n, 1))).astype(float)
    else:
        x = rng.normal(size=(n, d)) + rng.choice([-4.0, 0.0, 4.0], size=(n, 1))
    data = bm.Data(
        x,
        label=np.where(rng.random(n) < 0.3, rng.integers(K, size=n), -1) if label else None,
        weight=rng.uniform(0.2, 3, n) if weight else None,
    )
    return Problem.of(MODELS[name].resolve(data), data)


def agree(a, b):
    assert a.status == b.status and a.trace.shape == b.trace.shape
    np.testing.assert_allclose(a.trace, b.trace, rtol=1e-11)
    assert a.log_posterior == pytest.approx(b.log_posterior, rel=1e-11)
    assert a.log_likelihood == pytest.approx(b.log_likelihood, rel=1e-11)
    np.testing.assert_allclose(a.counts, b.counts, rtol=1e-6, atol=1e-9)
    assert engine.change(b.theta, a.theta) < 1e-7


@pytest.mark.parametrize("stiffness", [1.0, 0.5, math.inf, (0.4, 0.7, 1.0)])
@pytest.mark.parametrize("label,weight", [(False, False), (True, True)])
@pytest.mark.parametrize("name", list(MODELS))
def test_in_step_as_one_by_one(name, label, weight, stiffness):
    unlike = label and "order" in name  # labelled components do not change places: the engine's affair
    problem = problem_of(name, label=label and not unlike, weight=weight)
    assert together.suits(problem)
    thetas = [starts.draw("random", problem, np.random.default_rng(i)) for i in range(4)]
    options = {"stiffness": stiffness, "max_iter": 15}
    runs = together.Together(problem).climb(thetas, **options)
    for run, theta in zip(runs, thetas, strict=True):
        agree(run, engine.run(problem, theta, **options))


def test_company_changes_no_bit():
    problem = problem_of("full")
    thetas = [starts.draw("kmeans++", problem, np.random.default_rng(i)) for i in range(5)]
    for theta, run in zip(thetas, together.Together(problem).climb(thetas), strict=True):
        (alone,) = together.Together(problem).climb([theta])
        np.testing.assert_array_equal(alone.trace, run.trace)
        np.testing.assert_array_equal(alone.theta["cov"], run.theta["cov"])


def test_a_collapse_is_left_to_the_engine():
    """One of two climbs collapses under flat priors; the other ends as it would alone."""
    x = np.append(np.random.default_rng(0).normal(size=40), 30.0)
    problem = Problem.of(bm.Mixture(bm.Gaussian(mean=bm.Flat(), var=bm.Flat()), 2).resolve(bm.Data(x)), bm.Data(x))
    bad = {"weight": np.array([0.5, 0.5]), "mean": np.array([[0.0], [29.0]]), "var": np.array([[1.0], [4.0]])}
    good = {"weight": np.array([0.5, 0.5]), "mean": np.array([[-1.0], [1.0]]), "var": np.array([[9.0], [9.0]])}
    runs = together.Together(problem).climb([bad, good], max_iter=30)
    assert runs[0].status == "collapsed"
    for run, theta in zip(runs, (bad, good), strict=True):
        slow = engine.run(problem, theta, max_iter=30)
        assert run.status == slow.status and len(run.trace) == len(slow.trace)
        np.testing.assert_allclose(run.trace, slow.trace, rtol=1e-10)


@pytest.mark.parametrize(
    "model",
    [
        bm.Mixture(bm.Gaussian(mean=bm.Flat(), var=bm.Flat(), shared=True), 2),
        bm.Mixture(bm.Gaussian(mean=bm.Normal([[0.0], [5.0]], 1.0)), 2),
        bm.Mixture(bm.Gaussian(), 2, constraints=bm.Order("mean", enforce="soft")),
        bm.Mixture(bm.StudentT(), 2),
    ],
    ids=["shared", "a prior of each component's own", "soft order", "not exponential"],
)
def test_what_does_not_go_in_step(model, galaxies):
    assert not together.suits(Problem.of(model.resolve(galaxies), galaxies))


@pytest.mark.parametrize("beta", [1.0, 0.3, math.inf])
@pytest.mark.parametrize("name,label,weight", [("full", True, True), ("sd", False, False), ("poisson", False, True)])
def test_the_numpy_pass_equals_the_readable_one(name, label, weight, beta, monkeypatch):
    monkeypatch.setattr(plain, "FEWEST", 50)  # several blocks
    monkeypatch.setattr(plain, "MOST", 50)
    monkeypatch.setattr(kernel, "KEEP", 0)
    problem = problem_of(name, 301, 3, label, weight)
    theta = problem.inward(starts.draw("random", problem, np.random.default_rng(3)))
    W = problem.mixture.family.natural(np, **problem.mixture.own(theta))
    fast, slow = problem.numpy_step(theta, W, beta), problem.plain_step(theta, beta)
    assert fast.objective == pytest.approx(slow.objective, rel=1e-12)
    assert fast.log_likelihood == pytest.approx(slow.log_likelihood, rel=1e-12, nan_ok=True)
    assert (np.abs(fast.stats - slow.stats) <= 1e-11 * np.abs(slow.stats).max(axis=0)).all()
    monkeypatch.setattr(plain, "WORTH", 0)
    for count in (1, 3):
        monkeypatch.setattr(plain, "threads", lambda count=count: count)
        again = problem.numpy_step(theta, W, beta)
        assert again.objective == fast.objective and (again.stats == fast.stats).all()

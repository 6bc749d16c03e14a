"""The compiled loop against the readable one, restart for restart."""

import math

import numpy as np
import pytest

import bayesmix as bm
from bayesmix.em import batch, engine, fused, starts
from bayesmix.em.kernel import Problem

F = bm.Flat
CENTRE, WISHART = [3.4, 70], bm.InverseWishart(4, [[0.4, 0], [0, 80]])
FAMILIES = {
    "VVV": bm.MvGaussian(mean=F(), cov=F()),
    "EEE": bm.MvGaussian(mean=F(), cov=F(), shared=True),
    "default": bm.MvGaussian(),
    "conjugate": bm.MvGaussian(mean=bm.ConjugateNormal(CENTRE, 0.1), cov=WISHART),
    "conjugate shared": bm.MvGaussian(mean=bm.ConjugateNormal(CENTRE, 0.1), cov=WISHART, shared=True),
    "fixed cov": bm.MvGaussian(mean=bm.Normal(CENTRE, [1, 9]), cov=bm.Fixed([[0.2, 0.3], [0.3, 30]])),
    "fixed mean": bm.MvGaussian(mean=bm.Fixed([[2, 54], [4.3, 80], [3, 70]]), cov=WISHART),
    "per component": bm.MvGaussian(mean=bm.Normal([[2, 55], [4, 80], [3, 70]], [1, 10]), cov=WISHART),
    "VVI": bm.Gaussian(mean=F(), var=F()),
    "VII": bm.Gaussian(mean=F(), var=F(), isotropic=True),
    "EII": bm.Gaussian(mean=F(), var=F(), isotropic=True, shared=True),
    "var": bm.Gaussian(),
    "sd": bm.Gaussian(mean=bm.Normal(CENTRE, [1, 9]), sd=bm.HalfNormal([1, 20])),
    "sd shared": bm.Gaussian(mean=F(), sd=F(), shared=True),
    "conjugate var": bm.Gaussian(mean=bm.ConjugateNormal(CENTRE, [1.0, 2, 3]), var=bm.InverseGamma(2, [1, 30])),
    "conjugate sd": bm.Gaussian(mean=bm.ConjugateNormal(CENTRE, 0.5), sd=bm.HalfNormal([1, 20]), isotropic=False),
    "fixed sd": bm.Gaussian(mean=F(), sd=bm.Fixed([0.5, 7])),
}
WEIGHTS = {
    "flat": F(),
    "dirichlet": bm.Dirichlet([2.0, 3.0, 1.5]),
    "fixed": bm.Fixed([0.5, 0.3, 0.2]),
    "even": bm.Fixed([1 / 3] * 3),
}


LIMITS = {
    "by mean": ("default", (bm.Order("mean", by=1),)),
    "by mean, floor": ("conjugate", (bm.Order("mean", by=0), bm.MinWeight(0.3))),
    "floor": ("VII", (bm.MinWeight(0.25), bm.MinWeight(0.3, enforce="potential"))),
    "by weight": ("VVI", (bm.Order("weight"), bm.MinWeight(0.1))),
    "by cov": ("VVV", (bm.Order("cov", by=1, enforce="potential"),)),
    "by sd": ("sd", (bm.Order("sd", by=1),)),
    "shared scale": ("EEE", (bm.Order("mean", by=0),)),
    "by mean, fixed weights": ("var", (bm.Order("mean", by=1),)),
}


def problem_of(family, faithful, weight="flat", label=False, row_weight=False, constraints=()):
    n = faithful.n
    data = bm.Data(
        faithful.x,
        label=np.where(np.arange(n) % 7 == 0, (faithful.x[:, 1] > 65).astype(int), -1) if label else None,
        weight=np.random.default_rng(0).uniform(0.5, 2, n) if row_weight else None,
    )
    return Problem.of(bm.Mixture(FAMILIES[family], 3, WEIGHTS[weight], constraints).resolve(data), data)


def both(problem, count=3, **options):
    thetas = [starts.draw("kmeans++", problem, np.random.default_rng(i)) for i in range(count)]
    return batch.Batch.of(problem).climb(thetas, **options), [engine.run(problem, theta, **options) for theta in thetas]


def agree(a, b):
    assert a.status == b.status
    assert a.trace.shape == b.trace.shape
    np.testing.assert_allclose(a.trace, b.trace, rtol=1e-11)
    assert a.log_likelihood == pytest.approx(b.log_likelihood, rel=1e-11)
    np.testing.assert_allclose(a.counts, b.counts, rtol=1e-6)
    assert engine.change(b.theta, a.theta) < 1e-7


@pytest.mark.parametrize("family", list(FAMILIES))
def test_the_loops_agree(family, faithful):
    problem = problem_of(family, faithful)
    assert batch.suits(problem)
    for a, b in zip(*both(problem, max_iter=25), strict=True):
        agree(a, b)
        said = sum(bm.Mixture(FAMILIES[family], 3, weight=F()).log_posterior(faithful, a.theta).values())
        assert a.log_posterior == pytest.approx(said, rel=1e-10)


@pytest.mark.parametrize("stiffness", [1.0, 0.4, math.inf, (0.2, 0.5, 0.8, 1.0)])
@pytest.mark.parametrize("weight,label,row_weight", [("dirichlet", True, False), ("fixed", False, True)])
@pytest.mark.parametrize("family", ["VVV", "sd"])
def test_under_every_option(family, weight, label, row_weight, stiffness, faithful):
    problem = problem_of(family, faithful, weight, label, row_weight)
    for a, b in zip(*both(problem, max_iter=20, stiffness=stiffness), strict=True):
        agree(a, b)


@pytest.mark.parametrize("limit", list(LIMITS))
def test_under_an_order_and_a_floor(limit, faithful):
    """Like the engine, restart for restart."""
    family, constraints = LIMITS[limit]
    problem = problem_of(family, faithful, "even" if "fixed" in limit else "flat", constraints=constraints)
    assert batch.suits(problem)
    for a, b in zip(*both(problem, max_iter=25), strict=True):
        agree(a, b)
        assert all((c.value(a.theta, np) >= 0).all() for c in problem.mixture.constraints)
    children = np.random.SeedSequence(5).spawn(6)
    for theta, child in zip(batch.Batch.of(problem).starts("kmeans++", children), children, strict=True):
        assert engine.change(starts.draw("kmeans++", problem, np.random.default_rng(child)), theta) < 1e-9


def test_an_order_that_sorting_may_not_restore(faithful):
    """Unlike components are only looked at: in order they climb on, out of order the climb is the engine's."""
    problem = problem_of("per component", faithful, constraints=(bm.Order("mean", by=1),))
    assert batch.suits(problem) and not batch.Limits.of(problem).sorts
    theta = problem.outward(problem.central)
    fine = theta | {"mean": np.array([[2.0, 50.0], [4.0, 74.0], [4.4, 82.0]])}
    (fast,), slow = batch.Batch.of(problem).climb([fine], max_iter=3), engine.run(problem, fine, max_iter=3)
    agree(fast, slow)
    *_, (how, _, _) = next(batch.Batch.of(problem)._together([fine], np.ones(1), 3, 0.0))
    assert how != batch.CARE
    broken = theta | {"mean": np.array([[4.4, 50.0], [2.0, 60.0], [2.0, 60.1]])}
    *_, (how, _, _) = next(batch.Batch.of(problem)._together([broken], np.ones(1), 3, 0.0))
    assert how == batch.CARE


def test_an_order_is_restored_on_the_way(faithful):
    """Components that begin on the wrong side of each other: no climb falls, and the order holds at the end."""
    problem = problem_of("default", faithful, constraints=(bm.Order("mean", by=0),))
    theta = problem.outward(problem.central) | {"mean": np.array([[3.0, 90.0], [3.1, 70.0], [3.2, 50.0]])}
    (fast,), slow = batch.Batch.of(problem).climb([theta]), engine.run(problem, theta)
    assert fast.status == slow.status == "converged"
    assert fast.log_posterior == pytest.approx(slow.log_posterior, rel=1e-12)
    assert (np.diff(fast.theta["mean"][:, 0]) > 0).all() and (np.diff(fast.trace[:, 0]) > -1e-9).all()
    assert fast.theta["mean"][0, 1] < fast.theta["mean"][-1, 1]  # they changed places


def test_to_the_end(faithful):
    problem = problem_of("default", faithful)
    for a, b in zip(*both(problem), strict=True):
        assert a.status == b.status == "converged" and abs(a.iterations - b.iterations) <= 1
        assert a.log_posterior == pytest.approx(b.log_posterior, rel=1e-12)


def test_what_needs_care_is_left_to_python():
    """A collapse, under flat priors, ends as `engine.run` ends it, after the same iterations."""
    x = np.append(np.random.default_rng(0).normal(size=40), 30.0)
    problem = Problem.of(bm.Mixture(bm.Gaussian(mean=F(), var=F()), 2).resolve(bm.Data(x)), bm.Data(x))
    theta = {"weight": np.array([0.5, 0.5]), "mean": np.array([[0.0], [29.0]]), "var": np.array([[1.0], [4.0]])}
    (fast,), slow = batch.Batch.of(problem).climb([theta]), engine.run(problem, theta)
    assert fast.status == slow.status == "collapsed" and len(fast.trace) == len(slow.trace)
    np.testing.assert_allclose(fast.trace, slow.trace, rtol=1e-10)


@pytest.mark.parametrize(
    "model",
    [
        bm.Mixture(bm.Gaussian(), 2, constraints=bm.MinWeight(0.1, enforce="soft")),
        bm.Mixture(bm.Gaussian(), 2, constraints=(bm.Order("mean"), bm.Order("var", enforce="potential"))),
        bm.Mixture(bm.Gaussian(mean=bm.Uniform(-100, 100)), 2),
        bm.Mixture(bm.Gaussian(var=bm.Gamma(2, 1)), 2),
        bm.Mixture(bm.Poisson(), 2),
    ],
)
def test_what_does_not_qualify(model, galaxies):
    data = bm.Data(np.round(galaxies.x)) if isinstance(model.family, bm.Poisson) else galaxies
    assert not batch.suits(Problem.of(model.resolve(data), data))


def test_neither_threads_nor_company_change_a_bit(monkeypatch, faithful):
    problem = problem_of("VVV", faithful)
    thetas = [starts.draw("kmeans++", problem, np.random.default_rng(i)) for i in range(5)]
    monkeypatch.setattr(fused, "threads", lambda: 2)
    together = batch.Batch.of(problem).climb(thetas)
    monkeypatch.setattr(fused, "threads", lambda: 1)
    for theta, run in zip(thetas, together, strict=True):
        (alone,) = batch.Batch.of(problem).climb([theta])
        np.testing.assert_array_equal(alone.trace, run.trace)
        np.testing.assert_array_equal(alone.theta["cov"], run.theta["cov"])


@pytest.mark.parametrize("family", ["VVV", "EEE", "default", "conjugate", "fixed mean", "VII", "sd", "fixed sd"])
@pytest.mark.parametrize("row_weight", [False, True])
def test_compiled_starts_are_the_starts(family, row_weight, faithful):
    problem = problem_of(family, faithful, row_weight=row_weight)
    children = np.random.SeedSequence(5).spawn(6)
    for theta, child in zip(batch.Batch.of(problem).starts("kmeans++", children), children, strict=True):
        wanted = starts.draw("kmeans++", problem, np.random.default_rng(child))
        assert list(theta) == list(wanted) and engine.change(wanted, theta) < 1e-9


def test_a_start_that_needs_care_is_drawn_in_python():
    """Rows in two places only: the second centre is the other place, and no third one is far from both."""
    x = np.repeat([[0.0], [1.0]], [5, 4], axis=0)
    problem = Problem.of(bm.Mixture(bm.Gaussian(), 3).resolve(bm.Data(x)), bm.Data(x))
    children = np.random.SeedSequence(0).spawn(4)
    for theta, child in zip(batch.Batch.of(problem).starts("kmeans++", children), children, strict=True):
        wanted = starts.draw("kmeans++", problem, np.random.default_rng(child))
        assert engine.change(wanted, theta) == 0


def test_one_compiled_climb_serves_every_problem(faithful):
    """A second signature would double the wait of a first fit."""
    from bayesmix.em import loop

    limits = (bm.Order("mean", by=1), bm.MinWeight(0.1))
    for family, options in (("VVV", {}), ("sd", {"weight": "fixed", "row_weight": True}), ("var", {"label": True}),
                            ("VVI", {"constraints": limits})):  # fmt: skip
        problem = problem_of(family, faithful, **options)
        climber = batch.Batch.of(problem)
        thetas = climber.starts("kmeans++", np.random.SeedSequence(0).spawn(2))
        climber.climb(thetas, max_iter=np.int64(2), tol=0)
        climber.climb(thetas, max_iter=2, tol=1e-8, stiffness=(1, math.inf))
    assert len(loop.climbs.signatures) == 1

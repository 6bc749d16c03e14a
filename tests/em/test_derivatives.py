"""Louis' covariance as a sum over pairs, against scores row by row; the Hessian's other parts against differences."""

import math

import numpy as np
import pytest

import bayesmix as bm
from bayesmix.em import derivatives, modes, plain, surface
from bayesmix.em.kernel import Problem
from bayesmix.em.surface import Surface
from bayesmix.spec.climb import gradient
from bayesmix.spec.matrices import clearly_definite

SHARED = bm.MvGaussian(mean=bm.Normal(0, 5), cov=bm.InverseWishart(4, np.eye(2)), shared=True)
MODELS = {
    "full": bm.Mixture(bm.MvGaussian(), 3),
    "shared": bm.Mixture(SHARED, 3, weight=bm.Dirichlet(2.0)),
    "fixed weights": bm.Mixture(bm.Gaussian(), 2, weight=bm.Fixed([0.4, 0.6])),
    "known spread": bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 3), sd=bm.Fixed(1.0)), 3),
    "counts": bm.Mixture(bm.Poisson(), 3),
    "one component": bm.Mixture(bm.MvGaussian(), 1),
}


def surface_of(name, label=False, weight=False, n=300):
    rng, K = np.random.default_rng(n), MODELS[name].components
    x = rng.normal(size=(n, 2)) + rng.choice([-2.0, 0.0, 2.0], size=(n, 1))
    x = rng.poisson(np.exp(x)).astype(float) if name == "counts" else x
    data = bm.Data(
        x,
        label=np.where(rng.random(n) < 0.3, rng.integers(K, size=n), -1) if label else None,
        weight=rng.uniform(0.2, 3, n) if weight else None,
    )
    problem = Problem.of(MODELS[name].resolve(data), data)
    theta = problem.inward(bm.em.starts.draw("random", problem, rng))
    return Surface(problem, theta, jacobian=True)


@pytest.mark.parametrize("label,weight", [(False, False), (True, True)])
@pytest.mark.parametrize("name", list(MODELS))
def test_pairs_give_what_rows_give(name, label, weight, monkeypatch):
    where = surface_of(name, label, weight)
    u = where.u(where.like)
    by_rows = where.hessian(u)  # rows are few
    called = []
    monkeypatch.setattr(derivatives, "ROWS", 100)
    monkeypatch.setattr(derivatives, "pairwise", lambda *a, f=derivatives.pairwise: called.append(1) or f(*a))
    by_pairs = where.hessian(u)
    unit = np.sqrt(np.abs(np.diag(by_rows)))
    # scores are differences of densities of size 10 with steps of 6e-6: nine digits
    np.testing.assert_allclose(by_pairs / np.outer(unit, unit), by_rows / np.outer(unit, unit), atol=1e-7)
    assert called


def test_pairs_need_no_rounding_to_cancel(monkeypatch):
    """Components far apart: the covariance of the scores is 1e-20, not the rounding of what is 1."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=200) - 7.0, rng.normal(size=200) + 7.0])[:, None]
    problem = Problem.of(bm.Mixture(bm.Gaussian(), 2).resolve(bm.Data(x)), bm.Data(x))
    theta = problem.inward({"weight": np.array([0.5, 0.5]), "mean": np.array([[-7.0], [7.0]]), "var": np.ones((2, 1))})
    where = Surface(problem, theta)
    layout, batch = where._structure
    at = where._all(where.u(theta))
    monkeypatch.setattr(derivatives, "ROWS", 100)
    covariance = derivatives.score_covariance(problem, theta, batch, at, layout, where.active)
    assert 0 < np.abs(covariance).max() < 1e-12 and np.linalg.eigvalsh(covariance).min() > -1e-25


@pytest.mark.parametrize(
    "model",
    [
        bm.Mixture(bm.Bernoulli(), 2),
        bm.Mixture(bm.Categorical(), 2, constraints=bm.MinWeight(0.1, enforce="soft")),
        bm.Mixture(bm.Bernoulli(), 3, constraints=bm.Order("prob", by=1, enforce="soft")),
    ],
    ids=["unit", "simplex and soft floor", "soft order"],
)
def test_the_rest_of_the_hessian_against_differences(model):
    rng = np.random.default_rng(3)
    data = bm.Data((rng.random((60, 3)) < 0.4).astype(float))
    problem = Problem.of(model.resolve(data), data)
    where = Surface(problem, problem.mixture.draw_prior(rng, 3), jacobian=True)
    u = where.u(where.like)
    total = sum(c.logp(where.theta(u)) for c in where._soft) + where._log_jacobian(where._all(u))

    def rest(v):
        return where._soft_walls(v) + where._log_jacobian(where._all(v))

    assert rest(u) == pytest.approx(total, rel=1e-13)
    np.testing.assert_allclose(where._extra_slope(u), gradient(rest, u), rtol=1e-7, atol=1e-7)
    wanted = surface._plain_hessian(rest, u)
    # second differences of a number of size s with step 3e-4 are known to 4 eps s / 1e-7, and to step^2
    atol = 4 * 2.2e-16 * abs(total) / 9e-8 * 10 + 1e-5
    np.testing.assert_allclose(where._extra_hessian(u), wanted, atol=atol)
    assert np.abs(wanted).max() > 100 * atol


def test_a_cheap_look_never_calls_definite_what_is_not():
    rng = np.random.default_rng(0)
    for d in (2, 3, 6):
        vector = np.linalg.qr(rng.normal(size=(40, d, d)))[0]
        for smallest, answers in ((1e-3, {True}), (1e-15, {False}), (-1e-6, {False}), (np.nan, {False})):
            value = np.append(rng.uniform(0.5, 1, d - 1), smallest)
            A = (vector * value) @ np.swapaxes(vector, 1, 2)
            scale = 10.0 ** rng.uniform(-6, 6, (40, d))
            unit = np.sqrt(scale)
            B = A * unit[:, :, None] * unit[:, None, :]
            assert {clearly_definite(b[None], s[None]) for b, s in zip(B, scale, strict=True)} == answers


def test_one_logarithm_for_many_rows():
    rng = np.random.default_rng(0)
    for n in (1, 15, 16, 100, 4096):
        total, weight = rng.uniform(1, 50, n), rng.uniform(0, 2, n)
        exact = math.fsum(np.log(total))
        assert plain.sum_logs(total, None) == pytest.approx(exact, rel=1e-14)
        assert plain.sum_logs(total, weight) == pytest.approx(math.fsum(weight * np.log(total)), rel=1e-13)


def test_of_many_rows_no_unfinished_climb_is_polished(monkeypatch, faithful):
    model = bm.Mixture(bm.MvGaussian(), 2)
    done = bm.fit_em(model, faithful, restarts=2, seed=0).optima[0]
    monkeypatch.setattr(modes, "CHEAP", 272)
    short = bm.fit_em(model, faithful, restarts=1, max_iter=1, seed=0).optima[0]
    assert "max_iter" in short.reason and np.isnan(short.log_mass) and short.log_posterior < done.log_posterior
    assert np.isfinite(bm.fit_em(model, faithful, restarts=2, seed=0).optima[0].log_mass)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_the_heaviest_assignment(size):
    from scipy.optimize import linear_sum_assignment

    gain = np.random.default_rng(size).random((20, size, size))
    for one in gain:
        np.testing.assert_array_equal(modes.heaviest(one), linear_sum_assignment(-one)[1])

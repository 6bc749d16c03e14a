"""Awkward data: no warning (warnings are errors here), no NaN, no hang; and the engine's identities on real data."""

import numpy as np
import pytest

import bayesmix as bm
from bayesmix.em import engine

F = bm.Flat


@pytest.fixture(autouse=True)
def no_hessian(monkeypatch):
    """The census without its numeric Hessians: these tests are about the climb."""
    monkeypatch.setattr("bayesmix.em.modes.LARGEST_HESSIAN", 0)


def rows(n=60, d=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) + 4 * rng.integers(2, size=(n, 1))


def proper(full, sd=1.0, d=2):
    if full:
        return bm.MvGaussian(mean=bm.Normal(0, 10 * sd), cov=bm.InverseWishart(d + 2, np.eye(d) * sd**2))
    return bm.Gaussian(mean=bm.Normal(0, 10 * sd), var=bm.InverseGamma(2, sd**2))


def sound(fit, data):
    """Every number finite, every run ended well, and the posterior is what the specification says."""
    assert np.isfinite(fit.log_posterior)
    for name, value in fit.best.items():
        assert np.isfinite(value).all(), name
    for run in fit.runs:
        assert run.status in (engine.CONVERGED, engine.EXHAUSTED)
        assert np.isfinite(run.trace).all()
        drop = np.diff(run.trace[:, 0])
        assert (drop >= -1e-11 * np.maximum(1, np.abs(run.trace[1:, 0]))).all()
    said = sum(fit.mixture.log_posterior(data, fit.best).values())
    assert fit.log_posterior == pytest.approx(said, rel=1e-9, abs=1e-9)
    p = fit.predict_proba()
    assert np.isfinite(p).all() and np.allclose(p.sum(axis=1), 1)


CASES = {
    "duplicated rows": lambda: (np.repeat(rows(6), 10, axis=0), 3),
    "one value only": lambda: (np.full((20, 2), 3.0), 2),
    "a constant column": lambda: (np.column_stack([rows(50, 1), np.full(50, 7.0)]), 2),
    "fewer rows than components": lambda: (rows(3), 6),
    "one row": lambda: (rows(1), 2),
    "one far outlier": lambda: (np.vstack([rows(80), [[1e6, -1e6]]]), 3),
    "many components": lambda: (rows(120), 50),
    "two clusters far apart": lambda: (np.vstack([rows(40), rows(40) + 1e4]), 2),
}


@pytest.mark.parametrize("start", ["kmeans++", "random", "rows"])
@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("name", list(CASES))
def test_awkward_data(name, full, start):
    x, K = CASES[name]()
    data = bm.Data(x)
    model = bm.Mixture(proper(full), K, weight=bm.Dirichlet(1.5))
    sound(bm.fit_em(model, data, restarts=2, seed=0, start=start, max_iter=60), data)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("full", [True, False])
def test_every_scale_gives_the_same_fit(full, scale):
    """Stretching the data stretches the fit: the same responsibilities, the same number of iterations."""
    x, K = rows(80), 3
    base = bm.fit_em(bm.Mixture(proper(full), K), x, restarts=2, seed=0, max_iter=100)
    data = bm.Data(x * scale)
    fit = bm.fit_em(bm.Mixture(proper(full, scale), K), data, restarts=2, seed=0, max_iter=100)
    sound(fit, data)
    np.testing.assert_allclose(fit.best["mean"] / scale, base.best["mean"], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(fit.predict_proba(), base.predict_proba(), atol=1e-6)
    sound(bm.fit_em(bm.Mixture(bm.MvGaussian() if full else bm.Gaussian(), K), data, restarts=2, seed=0), data)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_an_offset_moves_the_means_alone(offset):
    """Data at 1e6 standard deviations from zero: the same covariances to 1e-6, the same probabilities."""
    x = rows(200)
    model = bm.Mixture(bm.MvGaussian(mean=F(), cov=F()), 2)
    a = bm.fit_em(model, x, restarts=2, seed=0)
    b = bm.fit_em(model, x + offset, restarts=2, seed=0)
    np.testing.assert_allclose(b.best["cov"], a.best["cov"], rtol=1e-6)
    np.testing.assert_allclose(b.best["mean"] - offset, a.best["mean"], atol=1e-6)
    assert b.log_likelihood == pytest.approx(a.log_likelihood, rel=1e-8)


@pytest.mark.parametrize("full", [True, False])
def test_all_labels_in_one_class(full):
    x = rows(40)
    data = bm.Data(x, label=np.zeros(40, dtype=int))
    fit = bm.fit_em(bm.Mixture(proper(full), 2, weight=bm.Dirichlet(2.0)), data, restarts=2, seed=0)
    sound(fit, data)
    np.testing.assert_allclose(fit.best["weight"], [41 / 42, 1 / 42], rtol=1e-9)


@pytest.mark.parametrize("stiffness", [0.3, 1.0, np.inf])
def test_awkward_data_at_any_stiffness(stiffness):
    for name in ("duplicated rows", "fewer rows than components", "one far outlier"):
        x, K = CASES[name]()
        data = bm.Data(x)
        model = bm.Mixture(proper(True), K, weight=bm.Dirichlet(1.5))
        fit = bm.fit_em(model, data, restarts=2, seed=0, max_iter=60, stiffness=stiffness)
        assert np.isfinite(fit.log_posterior)
        for run in fit.runs:
            said = (
                run.trace if stiffness < np.inf else np.append(run.trace[:, 0], run.trace[-1])
            )  # hard: at the end only
            assert run.status != engine.FALL and np.isfinite(said).all()


@pytest.mark.parametrize("full", [True, False])
def test_exchanging_components_exchanges_the_fit(full, faithful):
    """Permutation equivariance, from the same start with its components exchanged."""
    family = bm.MvGaussian() if full else bm.Gaussian()
    model = bm.Mixture(family, 3, weight=bm.Dirichlet(1.2))
    z = np.digitize(faithful.x[:, 1], [60, 78])
    perm = np.array([2, 0, 1])
    a = bm.fit_em(model, faithful, start=z, seed=0)
    b = bm.fit_em(model, faithful, start=np.argsort(perm)[z], seed=0)
    for name, value in a.mixture.permute(a.best, perm).items():
        np.testing.assert_allclose(b.best[name], value, rtol=1e-6, err_msg=name)
    assert b.log_posterior == pytest.approx(a.log_posterior, rel=1e-12)


def test_many_rows_are_never_all_in_memory_twice(monkeypatch):
    """A problem whose features are not kept gives the same pass as one whose features are."""
    from bayesmix.em.kernel import Problem

    data = bm.Data(np.random.default_rng(0).poisson(3.0, size=(10_000, 2)).astype(float))
    model = bm.Mixture(bm.Poisson(), 2).resolve(data)
    theta = {"weight": np.array([0.4, 0.6]), "rate": np.array([[2.0, 3.0], [4.0, 2.5]])}
    kept = Problem.of(model, data)
    with monkeypatch.context() as m:
        m.setattr("bayesmix.em.kernel.KEEP", 0)
        built = Problem.of(model, data)
        a, plain = built.e_step(theta), built.plain_step(theta)
    assert "features" not in vars(built)
    b = kept.e_step(theta)
    assert a.objective == pytest.approx(b.objective, rel=1e-12)
    np.testing.assert_allclose(plain.stats, b.stats, rtol=1e-12)

"""One algorithm with one dial: schedules, hard assignments, k-means."""

import math

import numpy as np
import pytest
from scipy.special import logsumexp

import bayesmix as bm
import cases
from bayesmix.em import engine, starts
from bayesmix.em.kernel import Problem


@pytest.fixture(autouse=True)
def no_hessian(monkeypatch):
    """The census without its numeric Hessians: these tests are about the climb."""
    monkeypatch.setattr("bayesmix.em.modes.LARGEST_HESSIAN", 0)


def free_energy(model, data, theta, beta):
    """F_beta by SciPy."""
    l = model.log_joint(data.x, theta, model.log_label(data))
    rows = l.max(axis=1) if math.isinf(beta) else logsumexp(beta * l, axis=1) / beta
    return float(data.row_weight @ rows + sum(model.log_prior(theta).values()))


SCHEDULES = {
    "annealing": (0.2, 0.2, 0.4, 0.4, 0.7, 0.7, 1.0),
    "to hard": (0.5, 0.5, 1.0, 1.0, 4.0, 4.0, math.inf),
    "constant": (1.0,),
}


@pytest.mark.parametrize("schedule", list(SCHEDULES))
@pytest.mark.parametrize("case", cases.pairwise()[::6], ids=cases.name)
def test_a_schedule_climbs_within_each_stiffness(case, schedule):
    model, betas = case.model.resolve(case.data), SCHEDULES[schedule]
    problem = Problem.of(model, case.data)
    theta = starts.draw("kmeans++", problem, np.random.default_rng(3))
    run = engine.run(problem, theta, stiffness=betas, max_iter=12, keep=True)
    assert run.status in (engine.CONVERGED, engine.EXHAUSTED)
    beta = [betas[min(i, len(betas) - 1)] for i in range(len(run.trace))]
    for i, kept in enumerate(run.thetas):
        if i in (0, 2, len(beta) - 1):
            wanted = free_energy(model, case.data, kept, beta[i])
            assert run.trace[i, 0] == pytest.approx(wanted, rel=1e-9, abs=1e-9)
            unasked = math.isinf(beta[i]) and i < len(beta) - 1  # no hard step needs the log posterior
            soft = math.nan if unasked else free_energy(model, case.data, kept, 1.0)
            assert run.trace[i, 1] == pytest.approx(soft, rel=1e-9, abs=1e-9, nan_ok=unasked)
        if i and beta[i] == beta[i - 1]:
            assert run.trace[i, 0] >= run.trace[i - 1, 0] - 1e-11 * max(1, abs(run.trace[i, 0]))


def test_a_callable_is_a_schedule(galaxies):
    model = bm.Mixture(bm.Gaussian(), 3)
    a = bm.fit_em(model, galaxies, restarts=2, seed=1, stiffness=lambda i: min(1.0, 0.1 + 0.1 * i))
    b = bm.fit_em(model, galaxies, restarts=2, seed=1, stiffness=[min(1.0, 0.1 + 0.1 * i) for i in range(10)])
    np.testing.assert_array_equal(a.runs[0].trace, b.runs[0].trace)
    assert a.runs[0].iterations >= 10 and a.runs[0].status == "converged"
    assert a.settings["stiffness"].split(", ")[-1] == "1.0"


def test_annealing_forgets_a_bad_start():
    """Two clear groups, both means begun in one of them: plain EM is caught, annealed EM is not (K = 3)."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(c, 0.3, 60) for c in (-6.0, 0.0, 6.0)])
    model = bm.Mixture(
        bm.Gaussian(mean=bm.Flat(), var=bm.Fixed(0.09), isotropic=True, shared=True), 3, weight=bm.Fixed([1 / 3] * 3)
    )
    start = {"weight": np.full(3, 1 / 3), "mean": [[-6.3], [-5.9], [3.0]], "var": [[0.09]]}
    caught = bm.fit_em(model, x, start=start, seed=0)
    annealed = bm.fit_em(model, x, start=start, seed=0, stiffness=np.geomspace(0.003, 1, 60))
    assert annealed.log_posterior > caught.log_posterior + 100
    np.testing.assert_allclose(np.sort(annealed.best["mean"][:, 0]), [-6, 0, 6], atol=0.2)


@pytest.mark.parametrize(
    "stiffness", [0, -1.0, math.nan, "hard", [], [1.0, 0.5, 1.0], [0.2, 0.5], [0.5, 2.0], lambda i: 0.1, [[0.5, 1.0]]]
)
def test_a_bad_schedule_is_one_sentence(stiffness, galaxies):
    with pytest.raises(bm.InputError, match=r"stiffness"):
        bm.fit_em(bm.Mixture(bm.Gaussian(), 2), galaxies, stiffness=stiffness, max_iter=20)


# ---- k-means -----------------------------------------------------------------------------------------------


def lloyd(x, centres):
    """Lloyd's algorithm, as everybody writes it."""
    for _ in range(300):
        z = ((x[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        new = np.array([x[z == k].mean(axis=0) if (z == k).any() else centres[k] for k in range(len(centres))])
        if np.allclose(new, centres, rtol=0, atol=1e-14):
            break
        centres = new
    return centres, z


@pytest.mark.parametrize("n,d,k", [(50, 1, 2), (300, 3, 5), (272, 2, 9)])
def test_kmeans_is_lloyd(n, d, k):
    rng = np.random.default_rng(n)
    x = rng.normal(size=(n, d)) + 3 * rng.integers(3, size=(n, 1))
    begin = x[rng.choice(n, k, replace=False)]
    fit = bm.kmeans(x, k, start=begin)
    centres, z = lloyd(x, begin)
    np.testing.assert_allclose(fit.best["mean"], centres, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(fit.predict(), z)
    assert fit.distortion == pytest.approx(((x - centres[z]) ** 2).sum() / n, rel=1e-12)


@pytest.mark.parametrize("beta", [0.3, 2.0])
def test_soft_kmeans_is_mackays(beta):
    """One start, iterated by hand: r_ik proportional to exp(-beta |x_i - m_k|^2 / 2), centres the weighted means."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(80, 2)) + 4 * rng.integers(2, size=(80, 1))
    centres = x[[0, -1]]
    fit = bm.kmeans(x, 2, beta=beta, start=centres)
    for _ in range(2000):
        r = np.exp(-beta / 2 * ((x[:, None] - centres) ** 2).sum(axis=2))
        r /= r.sum(axis=1, keepdims=True)
        centres = r.T @ x / r.sum(axis=0)[:, None]
    np.testing.assert_allclose(fit.best["mean"], centres, atol=1e-5)
    np.testing.assert_allclose(fit.predict_proba(), r, atol=1e-5)
    with pytest.raises(bm.InputError, match="beta"):
        bm.kmeans(x, 2, beta=0.0)


def test_kmeans_on_faithful(faithful, golden):
    seed = golden("seeds")["seed000_kmeans"]
    x = (faithful.x - faithful.x.mean(axis=0)) / faithful.x.std(axis=0)
    fit = bm.kmeans(x, 2, start=[[-1.0, 1.0], [1.0, -1.1]])
    assert np.bincount(fit.predict()).tolist() == [98, 174] or np.bincount(fit.predict()).tolist() == [174, 98]
    assert fit.distortion == pytest.approx(seed["distortion"], rel=1e-10)
    again = bm.kmeans(x, 2, restarts=5, seed=1)
    assert again.distortion <= fit.distortion * (1 + 1e-12)
    assert (np.diff(again.runs[0].trace[:, 0]) >= -1e-9).all()


def test_the_best_of_many_is_the_least_distorted():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(200, 2)) + 5 * rng.integers(4, size=(200, 1))
    fit = bm.kmeans(x, 6, restarts=12, seed=0)
    each = [((x[:, None] - r.theta["mean"]) ** 2).sum(axis=2).min(axis=1).mean() for r in fit.runs]
    assert fit.distortion == pytest.approx(min(each), rel=1e-12) and max(each) > 1.01 * min(each)


def test_an_empty_cluster_keeps_its_centre():
    x = np.array([[0.0], [0.1], [5.0], [5.1]])
    fit = bm.kmeans(x, 3, start=[[0.0], [5.0], [100.0]])
    np.testing.assert_allclose(fit.best["mean"], [[0.05], [5.05], [100.0]], atol=1e-12)
    trace = fit.runs[0].trace
    assert np.isfinite(trace[:, 0]).all() and np.isfinite(trace[-1, 1]) and fit.runs[0].counts.tolist() == [2, 2, 0]


def test_ties_go_to_the_first():
    fit = bm.kmeans(np.array([[-1.0], [0.0], [1.0]]), 2, start=[[-1.0], [1.0]], max_iter=1)
    np.testing.assert_allclose(fit.best["mean"], [[-0.5], [1.0]])


@pytest.mark.parametrize("k", [0, 5, 2.0, True])
def test_a_bad_k_is_one_sentence(k):
    with pytest.raises(bm.InputError, match=r"kmeans\(k="):
        bm.kmeans(np.arange(4.0), k)


def test_every_half_step_of_k_means_is_told(faithful):
    """From the lecture's start: 174 and 98 rows, distortion .2925587, and no half-step that raises it."""
    x = (faithful.x - faithful.x.mean(axis=0)) / faithful.x.std(axis=0)
    fit = bm.kmeans(x, 2, start=[[-1, 1], [1, -1.1]], keep_trace=True)
    steps = bm.distortion_trace(fit)
    assert list(steps["step"][:3]) == ["E", "M", "E"]
    assert (np.diff(steps["distortion"]) <= 1e-15).all() and steps["distortion"].iloc[-1] == pytest.approx(
        0.2925587, abs=5e-8
    )
    assert steps["distortion"].iloc[-1] == pytest.approx(fit.distortion, rel=1e-12)
    assert steps["moved"].iloc[0] == 0 and steps["moved"].iloc[1] > 0.1
    with pytest.raises(bm.InputError, match="keep_trace"):
        bm.distortion_trace(bm.kmeans(x, 2, restarts=1, seed=1))

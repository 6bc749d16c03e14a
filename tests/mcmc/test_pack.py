"""What is stored of chains: complete, bounded, and the same after saving. The draws are made up; nothing is sampled."""

import tracemalloc

import numpy as np
import pytest
from scipy.special import logsumexp

import bayesmix as bm
from bayesmix.em.kernel import Problem
from bayesmix.mcmc import pack
from laplace import packed


@pytest.fixture(scope="module")
def em():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(40, 2)) + 3.0 * (np.arange(40) % 2)[:, None]
    x[::8, 0] = np.nan
    x[11] = np.nan
    weight = np.where(np.arange(40) == 5, 0.0, np.where(np.arange(40) < 10, 2.0, 1.0))
    return bm.fit_em(bm.Mixture(bm.MvGaussian(), 2), bm.Data(x, weight=weight), restarts=3, seed=1)


@pytest.fixture(scope="module")
def fit(em):
    return packed(em, chains=2, draws=40)


def test_log_posterior_and_log_likelihood_of_every_draw(fit):
    pointwise, data = fit.groups["log_likelihood"]["x"], fit.data
    total = fit.groups["sample_stats"]["total_log_likelihood"].values
    for c, s in ((0, 0), (1, 17), (1, 39)):
        theta = fit.theta(c, s, relabelled=False)
        terms = fit.mixture.log_posterior(data, theta)
        assert fit.log_posteriors[c, s] == pytest.approx(sum(terms.values()), rel=1e-10)
        assert total[c, s] == pytest.approx(terms["x"], rel=1e-10)
        rows = data.weight * logsumexp(fit.mixture.log_joint(data.x, theta), axis=1)
        np.testing.assert_allclose(pointwise.sel(chain=c, draw=s), rows[pointwise["obs"].values], atol=1e-9)
    assert sorted(set(range(40)) - set(pointwise["obs"].values.tolist())) == [5, 11]  # weight 0; nothing observed
    assert (np.ptp(pointwise.values, axis=(0, 1)) > 0).all()


def test_single_draws_in_centred_coordinates(fit):
    problem = Problem.of(fit.mixture, fit.data)
    seen = []
    for c, s, theta, r, rows in pack.passes(problem, fit.draws):
        seen.append((c, s))
        if s in (0, 39):
            expected, terms = problem.responsibilities(theta)
            np.testing.assert_allclose(r, expected, rtol=1e-8, atol=1e-12)
            np.testing.assert_allclose(rows, terms, rtol=1e-9, atol=1e-9)
            given = fit.theta(c, s, relabelled=False)
            np.testing.assert_allclose(problem.outward(theta)["mean"], given["mean"], rtol=1e-12)
    assert seen == [(c, s) for c in range(2) for s in range(40)]


def test_allocation_probabilities_with_their_interval(fit):
    r = np.stack([fit._responsibilities(t, fit.data.x) for t in fit.thetas()])
    stored = fit.groups["allocation"]
    np.testing.assert_allclose(stored["probability"], r.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(stored["lower"], np.quantile(r, 0.05, axis=0), rtol=1e-8)
    np.testing.assert_allclose(stored["upper"], np.quantile(r, 0.95, axis=0), rtol=1e-8)
    assert stored.attrs["interval"] == 0.9 and stored.attrs["interval_draws"] == 80
    np.testing.assert_allclose(fit.predict_proba(), r.mean(axis=0), rtol=1e-9)


def test_the_best_draw_is_the_reference_where_there_is_no_em_fit(em):
    fit = packed(em, chains=2, draws=40, start=False)
    best = np.unravel_index(fit.log_posteriors.argmax(), fit.shape)
    np.testing.assert_array_equal(fit.permutation[best], [0, 1])
    np.testing.assert_allclose(fit.groups["allocation"]["probability"].sum(axis=1), 1, rtol=1e-12)


def test_predictive_data_miss_the_same_cells(fit):
    x = fit.groups["posterior_predictive"]["x"].values
    np.testing.assert_array_equal(np.isnan(x), np.broadcast_to(np.isnan(fit.data.x), x.shape))


def test_everything_comes_back_from_a_file(fit, tmp_path):
    again = bm.load(fit.save(tmp_path / "fit.nc"))
    assert set(again.groups) == set(fit.groups)
    for name, group in fit.groups.items():
        assert group.identical(
            again.groups[name].drop_vars([v for v in again.groups[name].coords if v not in group.coords])
        )
    np.testing.assert_array_equal(again.predict_proba(), fit.predict_proba())
    assert "posterior_relabelled" in again.tree
    np.testing.assert_array_equal(again.tree["posterior_relabelled"]["mean"], fit.relabelled["mean"])


def test_a_file_without_intervals_loads(fit, tmp_path):
    """Files of before the intervals were stored: one variable in `allocation`, no totals."""
    from dataclasses import replace

    groups = {
        **fit.groups,
        "allocation": fit.groups["allocation"][["probability"]],
        "sample_stats": fit.groups["sample_stats"][["diverging"]],
    }
    again = bm.load(replace(fit, groups=groups).save(tmp_path / "fit.nc"))
    np.testing.assert_array_equal(again.predict_proba(), fit.predict_proba())


@pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto")  # of sixty draws
def test_large_fits_store_evenly_spaced_draws(em, monkeypatch):
    monkeypatch.setattr(pack, "STORED", 2400)
    fit = packed(em, chains=2, draws=40)
    rows = fit.groups["log_likelihood"]["x"]
    assert rows.shape == (2, 30, 38) and list(rows["draw"].values[[0, -1]]) == [0, 39]
    at = rows["obs"].values
    np.testing.assert_allclose(rows, fit.pointwise(at)[:, rows["draw"].values], atol=1e-9)
    assert fit.groups["sample_stats"]["total_log_likelihood"].shape == (2, 40)
    assert fit.groups["posterior_predictive"]["x"].shape == (2, 15, 40, 2)
    assert fit.settings["notes"][-1].startswith("The pointwise log likelihood is stored of 30 of the 40 draws")
    monkeypatch.setattr(pack, "STORED", 2**25)
    assert packed(em, chains=2, draws=40).settings["notes"] == []
    import arviz as az

    assert np.isfinite(az.loo(fit.tree).elpd)


def test_what_is_diagnosed_does_not_depend_on_what_is_stored(em, fit, monkeypatch):
    """Invariants of every draw, whether the pointwise terms are stored for all draws and rows or not."""
    from bayesmix.diagnostics.invariants import invariants

    monkeypatch.setattr(pack, "STORED", 2400)
    found, full = invariants(packed(em, chains=2, draws=40)), invariants(fit)
    for name, value in full.items():
        assert value.shape == fit.shape
        np.testing.assert_allclose(found[name], value, rtol=1e-9, err_msg=name)


def test_memory(monkeypatch):
    """4 x 200 draws of 3 components on 10^4 rows: 192 MB if r were kept, 64 MB for the row terms; bounded instead."""
    rng = np.random.default_rng(0)
    n, chains, draws, K = 10_000, 4, 200, 3
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 3), sd=bm.HalfNormal(2)), K)
    data = bm.Data(rng.normal(size=n))
    model = model.resolve(data)
    mean = np.array([[-1.0], [0.0], [1.0]])
    posterior = [
        {
            "weight": rng.dirichlet(np.full(K, 50.0), size=draws),
            "mean": mean + 0.01 * rng.normal(size=(draws, K, 1)),
            "sd": np.exp(0.01 * rng.normal(size=(draws, K, 1))),
        }
        for _ in range(chains)
    ]
    stats = [{} for _ in range(chains)]
    monkeypatch.setattr(pack, "STORED", 2**20)
    problem, settings = Problem.of(model, data), {"seed": 0}
    problem.relabelings, problem.responsibilities(problem.inward({k: v[0] for k, v in posterior[0].items()}))
    tracemalloc.start()
    fit = pack.pack(model, data, problem, posterior, stats, None, None, settings, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 110e6
    assert fit.groups["log_likelihood"]["x"].size <= 2**20 and fit.groups["posterior_predictive"]["x"].size <= 2**20
    assert fit.groups["allocation"].attrs["interval_draws"] == 800

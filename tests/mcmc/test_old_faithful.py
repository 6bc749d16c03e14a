"""The main job on real data: EM and MCMC of Old Faithful, the certificate, the verdict, the comparison."""

import arviz as az
import numpy as np
import pytest

import bayesmix as bm


def test_four_chains_without_divergence(faithful_mcmc):
    stats = faithful_mcmc.groups["sample_stats"]
    assert faithful_mcmc.shape == (4, 1000)
    assert int(stats["diverging"].sum()) == 0
    assert (stats["n_steps"] >= 1).all() and (stats["n_steps"] < 2 ** (stats["depth"] + 1)).all()
    assert faithful_mcmc.settings["sampler"] == "nutpie" and faithful_mcmc.settings["target_accept"] == 0.9


def test_no_draw_lies_above_the_map(faithful_em, faithful_mcmc):
    assert faithful_mcmc.log_posterior < faithful_em.log_posterior
    assert faithful_mcmc.log_posteriors.mean() < faithful_em.log_posterior - 2


def test_each_map_coordinate_lies_within_the_central_99_percent(faithful_em, faithful_mcmc):
    table = bm.compare(faithful_em, faithful_mcmc)
    assert ((table["percentile"] > 0.5) & (table["percentile"] < 99.5)).all()
    assert (abs(table["z"]) < 2.6).all()
    assert table.attrs["classification_agreement"] > 0.99
    assert table.attrs["log_posterior_gap"] > 0


def test_log_posterior_of_the_draws_is_the_specifications(faithful_model, faithful_mcmc):
    for c, s in ((0, 0), (1, 500), (3, 999)):
        terms = faithful_model.log_posterior(faithful_mcmc.data, faithful_mcmc.theta(c, s, relabelled=False))
        assert abs(sum(terms.values()) - faithful_mcmc.log_posteriors[c, s]) < 1e-9 * 1150


def test_pointwise_log_likelihood(faithful_mcmc):
    rows = faithful_mcmc.groups["log_likelihood"]["x"].values[2, 17]
    theta = faithful_mcmc.theta(2, 17)
    joint = faithful_mcmc.mixture.log_joint(faithful_mcmc.data.x, theta)
    np.testing.assert_allclose(rows, np.logaddexp(joint[:, 0], joint[:, 1]), rtol=1e-12)


def test_the_verdict_is_sound(faithful_em, faithful_mcmc):
    diagnosis = bm.diagnose(faithful_mcmc, faithful_em)
    assert diagnosis.verdict == "sound"
    assert diagnosis.verdicts == ("sound",)
    assert "sound" in diagnosis.summary()
    assert {f.name for f in diagnosis.findings} >= {
        "convergence",
        "effective size",
        "several modes",
        "certificate",
    }
    assert (diagnosis.occupancy.to_numpy() == 1).all()


def test_the_certificate_is_stored_in_the_saved_fit(faithful_mcmc, tmp_path):
    again = bm.load(faithful_mcmc.save(tmp_path / "fit.nc"))
    assert again.certificate.ok
    assert set(again.certificate.terms) == {"weight", "mean", "cov", "x"}
    assert again.certificate == faithful_mcmc.certificate
    for name, value in faithful_mcmc.draws.items():
        np.testing.assert_array_equal(value, again.draws[name])
    np.testing.assert_array_equal(faithful_mcmc.log_posteriors, again.log_posteriors)
    assert again.modes.equals(faithful_mcmc.modes)
    assert bm.diagnose(again).verdict == "sound"


def test_posterior_predictive_is_calibrated_in_the_mean(faithful_mcmc):
    x = faithful_mcmc.groups["posterior_predictive"]["x"].values
    means = x.mean(axis=2).reshape(-1, 2)
    assert (abs(means.mean(axis=0) - faithful_mcmc.data.x.mean(axis=0)) < 3 * means.std(axis=0)).all()


def test_plain_arviz_reads_the_file(faithful_mcmc, tmp_path):
    path = faithful_mcmc.save(tmp_path / "fit.nc")
    tree = az.from_netcdf(path)
    try:
        loo = az.loo(tree)
        assert np.isfinite(loo.elpd)
        assert "mean" in az.summary(tree, var_names=["mean"]).columns
    finally:
        tree.close()


@pytest.mark.certify
def test_same_seed_same_draws_for_one_and_two_workers(faithful_model, faithful_em, faithful_mcmc):
    """On the model that is compiled already."""
    few = {"start": faithful_em, "draws": 30, "tune": 50, "chains": 2, "seed": 5}
    fits = [bm.fit_mcmc(faithful_model, faithful_mcmc.data, workers=w, **few) for w in (1, 2)]
    np.testing.assert_array_equal(fits[0].draws["mean"], fits[1].draws["mean"])
    np.testing.assert_array_equal(fits[0].log_posteriors, fits[1].log_posteriors)


def test_chains_start_where_they_were_placed(golden):
    c = next(c for c in golden("exact_tiny") if c["name"].startswith("A1"))
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 3), sd=bm.Fixed(1)), 2)
    data = bm.Data(c["y"])
    em = bm.fit_em(model, data, seed=1)
    from bayesmix.mcmc.samplers import natural, unconstrained_start

    pymc_model = model.to_pymc(data)
    u = unconstrained_start(pymc_model, em.best)
    back = natural(pymc_model, u[None])
    np.testing.assert_allclose(back["mean"][0], em.best["mean"], rtol=1e-12)
    np.testing.assert_allclose(back["weight"][0], em.best["weight"], rtol=1e-12)


@pytest.mark.certify
def test_pymcs_own_nuts_agrees(faithful_model, faithful_em, faithful_mcmc):
    fit = bm.fit_mcmc(
        faithful_model, faithful_mcmc.data, start=faithful_em, draws=200, tune=200, chains=2, seed=5, sampler="pymc"
    )
    assert fit.settings["sampler"] == "pymc"
    for at in np.ndindex(2, 2):
        a, b = (f.draws["mean"][..., *at] for f in (fit, faithful_mcmc))
        error = np.hypot(float(az.mcse(a)), float(az.mcse(b)))
        assert error < 0.15 * b.std() and abs(a.mean() - b.mean()) <= 5 * error


def test_stored_allocation_probabilities_are_the_average_over_draws(faithful_mcmc):
    stored = faithful_mcmc.predict_proba()
    fresh = np.mean([faithful_mcmc._responsibilities(t, faithful_mcmc.data.x) for t in faithful_mcmc.thetas()], axis=0)
    np.testing.assert_allclose(stored, fresh, atol=1e-9)
    np.testing.assert_allclose(faithful_mcmc.predict_proba(faithful_mcmc.data.x), stored, atol=1e-12)  # no labels here

"""Mixtures of counts and of zeros and ones against independent fits (golden README, section 2).

Tolerances: 1e-6 on a log likelihood (both sides stop far closer); EM is slow beside a boundary, so it is
given as many steps as it takes.
"""

import numpy as np
import pytest
from scipy.special import gammaln

import bayesmix as bm
from goldens import GOLDEN, read_golden


@pytest.fixture(autouse=True)
def no_hessian(monkeypatch):
    """The census without its numeric Hessians (52 parameters at most): these tests are about EM itself."""
    monkeypatch.setattr("bayesmix.em.modes.LARGEST_HESSIAN", 0)


def column(name):
    return np.loadtxt(GOLDEN / f"{name}.csv", delimiter=",", skiprows=1, usecols=0)


@pytest.mark.parametrize("name,K", [("bioChemists", 1), ("bioChemists", 2), ("bioChemists", 3), ("prussian", 1)])
def test_poisson_mixtures(name, K, golden):
    stored = golden("poisson_mixtures")[name][f"K{K}"]
    model = bm.Mixture(bm.Poisson(rate=bm.Flat()), K, weight=bm.Flat())
    fit = bm.fit_em(model, column(name), restarts=3, seed=1, tol=1e-9, max_iter=20_000)
    assert fit.log_likelihood == pytest.approx(stored["loglik"], abs=1e-6)
    assert fit.df == stored["df"] and -fit.bic == pytest.approx(stored["bic"], abs=1e-5)
    order = np.argsort(fit.best["rate"][:, 0])
    np.testing.assert_allclose(fit.best["rate"][order, 0], np.sort(stored["lam"]), rtol=1e-4)
    np.testing.assert_allclose(fit.best["weight"][order], np.array(stored["w"])[np.argsort(stored["lam"])], rtol=1e-4)


def test_two_poissons_hardly_beat_one_on_horse_kicks(golden):
    """A ridge: from the stored optimum EM does not move, and nowhere is it higher."""
    stored = golden("poisson_mixtures")["prussian"]["K2"]
    model = bm.Mixture(bm.Poisson(rate=bm.Flat()), 2, weight=bm.Flat())
    theta = {"weight": np.array(stored["w"]), "rate": np.array(stored["lam"])[:, None]}
    fit = bm.fit_em(model, column("prussian"), start=theta, seed=0, max_iter=2000)
    assert fit.log_likelihood == pytest.approx(stored["loglik"], abs=1e-6)


def test_a_negative_binomial_beside_poissons(golden):
    """One negative binomial is worth more on the articles than one Poisson, and less than three."""
    fit = bm.fit_em(bm.Mixture(bm.NegativeBinomial(mean=bm.Flat(), alpha=bm.Flat()), 1), column("bioChemists"), seed=0)
    stored = golden("poisson_mixtures")["bioChemists"]
    assert stored["K1"]["loglik"] + 100 < fit.log_likelihood < stored["K3"]["loglik"]


# ---- Bernoulli ---------------------------------------------------------------------------------------------


def zeros_and_ones():
    return read_golden("bernoulli_sim")["results"], np.loadtxt(GOLDEN / "bernoulli_sim.csv", delimiter=",", skiprows=1)[
        :, :-1
    ]


ML = (bm.Bernoulli(prob=bm.Flat()), bm.Flat())
MAP = (bm.Bernoulli(prob=bm.Beta(2, 2)), bm.Dirichlet(2))


@pytest.mark.parametrize("K", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["ML", "MAP_beta2_dir2"])
def test_bernoulli_at_the_stored_optimum(kind, K):
    """The log posterior of the stored parameters, and EM from there: it stays."""
    results, x = zeros_and_ones()
    stored = results[f"{kind}_K{K}"]
    family, weight = ML if kind == "ML" else MAP
    constant = 0.0 if kind == "ML" else K * x.shape[1] * np.log(6) + gammaln(2 * K)
    value = stored["objective_without_norm_constants"] + constant
    model = bm.Mixture(family, K, weight=weight)
    theta = {"weight": np.array(stored["w"]), "prob": np.array(stored["theta"])}
    terms = model.log_posterior(bm.Data(x), theta)
    assert terms["x"] == pytest.approx(stored["loglik"], rel=1e-9)
    assert sum(terms.values()) == pytest.approx(value, rel=1e-9)
    fit = bm.fit_em(model, x, start=theta, seed=0, max_iter=500)
    assert fit.log_posterior == pytest.approx(value, abs=2e-6)
    np.testing.assert_allclose(fit.best["prob"], theta["prob"], atol=2e-3)


@pytest.mark.parametrize(
    "kind,K,seed", [("ML", 2, 1), ("ML", 3, 1), ("MAP_beta2_dir2", 2, 1), ("MAP_beta2_dir2", 3, 1)]
)
def test_bernoulli_from_random_starts(kind, K, seed):
    results, x = zeros_and_ones()
    stored = results[f"{kind}_K{K}"]
    family, weight = ML if kind == "ML" else MAP
    constant = 0.0 if kind == "ML" else K * x.shape[1] * np.log(6) + gammaln(2 * K)
    fit = bm.fit_em(
        bm.Mixture(family, K, weight=weight), x, restarts=10, start="rows", seed=seed, tol=1e-6, max_iter=3000
    )
    assert fit.log_posterior == pytest.approx(stored["objective_without_norm_constants"] + constant, abs=1e-5)


@pytest.mark.certify
def test_the_bernoulli_optimum_that_few_starts_find():
    """K = 4: the best optimum is reached by few of 60 starts, and the census lists it first."""
    results, x = zeros_and_ones()
    model = bm.Mixture(ML[0], 4, weight=ML[1])
    fit = bm.fit_em(model, x, restarts=60, start="rows", seed=1, tol=1e-6, max_iter=300)
    assert fit.log_likelihood == pytest.approx(results["ML_K4"]["loglik"], abs=1e-4)
    assert fit.optima[0].times_reached <= 6 and len(fit.optima) > 3

"""Six posteriors known exactly, by Gibbs and by NUTS: parameters, co-clustering, occupied components, predictive."""

import numpy as np
import pytest

import bayesmix as bm
from tests.mcmc.posteriors import case, exact, gibbs_draws

certify = pytest.mark.certify


@pytest.mark.parametrize("letter", ["A", "B", "S", *(pytest.param(x, marks=certify) for x in "CDZ")])
def test_gibbs(golden, letter):
    c, model, data = case(golden, letter)
    fast = letter in "ABS"  # whole sweeps are compiled
    exact(model, data, gibbs_draws(model, data, 30_000 if fast else 8000), c, step=60 if fast else 8)


@certify
@pytest.mark.parametrize("letter", ["A", "S"])
def test_gibbs_without_the_compiler(golden, letter, monkeypatch):
    from bayesmix.em import kernel

    monkeypatch.setattr(kernel, "COMPILED", False)
    c, model, data = case(golden, letter)
    exact(model, data, gibbs_draws(model, data, 8000), c, step=8)


@certify
@pytest.mark.parametrize("letter", ["B", "C", "D", "Z"])
def test_nuts(golden, letter):
    c, model, data = case(golden, letter)
    fit = bm.fit_mcmc(model, data, draws=5000, tune=1000, seed=21, start="prior")
    exact(model, data, fit.draws, c, step=5)


def test_the_wrong_model_is_told_apart(golden):
    """Negative control: the same data with a known sd of 1.1 instead of 1."""
    c, model, data = case(golden, "A")
    wrong = bm.Mixture(bm.Gaussian(mean=model.family.mean, sd=bm.Fixed(1.1)), 2)
    with pytest.raises(AssertionError, match="against"):
        exact(wrong, data, gibbs_draws(wrong, data, 30_000), c, step=60)


def test_b1_as_a_one_dimensional_inverse_wishart(golden):
    c, _, data = case(golden, "B")
    mean = bm.ConjugateNormal(c["m0"], c["kappa0"])
    model = bm.Mixture(bm.MvGaussian(mean=mean, cov=bm.InverseWishart(2 * c["a0"], [[2 * c["b0"]]])), 2)
    fields = gibbs_draws(model, data, 30_000)
    exact(model, data, fields | {"var": fields["cov"][..., 0]}, c, step=60)


def test_draws_are_those_of_fit_mcmc(golden):
    _, model, data = case(golden, "A")
    fit = bm.fit_mcmc(model, data, sampler="gibbs", start="prior", draws=60, tune=20, chains=2, seed=3)
    assert fit.settings["sampler"] == "gibbs" and fit.certificate.ok
    np.testing.assert_allclose(fit.co_clustering().diagonal(), 1.0)
    assert fit.shape == (2, 60)

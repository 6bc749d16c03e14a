"""The seam is real: the newcomers of `newcomers.py` work everywhere without touching any other file.

They are written as a user would write them. This file takes them through EM, the log posterior, prediction
and storage; the halves for MCMC, the command line, the report and the checks stand at the end.
"""

import json

import numpy as np
import pytest

import bayesmix as bm
from bayesmix.spec.encode import decode, encode
from newcomers import Geometric, Laplace, Weibull


def geometric_rows():
    rng = np.random.default_rng(1)
    z = np.arange(200) % 2
    return rng.geometric(np.array([0.7, 0.08])[z]).astype(float) - 1, z


def laplace_rows():
    rng = np.random.default_rng(2)
    z = np.arange(80) % 2
    return rng.laplace(np.array([0.0, 8.0])[z], np.array([1.0, 0.5])[z]), z


MODELS = {
    "exponential family": (bm.Mixture(Geometric(), 2), geometric_rows),
    "with constraints": (
        bm.Mixture(Geometric(prob=bm.Beta(2, 2)), 2, constraints=(bm.Order("prob"), bm.MinWeight(0.1))),
        geometric_rows,
    ),
    "other family": (
        bm.Mixture(Laplace(center=bm.Normal(4, 5), width=bm.InverseGamma(3, 2)), 2),
        laplace_rows,
    ),
    "other family, new prior": (
        bm.Mixture(Laplace(center=bm.Normal(4, 5), width=Weibull(2, 1)), 2),
        laplace_rows,
    ),
    "new prior": (bm.Mixture(bm.Gaussian(mean=bm.Normal(4, 5), sd=Weibull(1.5, 2)), 2), laplace_rows),
}


@pytest.fixture(scope="module", params=MODELS)
def fitted(request):
    model, rows = MODELS[request.param]
    x, z = rows()
    fit = bm.fit_em(model, bm.Data(x, names=["value"]), restarts=2, seed=3, tol=1e-6)
    return fit, x, z


def test_they_are_registered():
    assert {"Geometric", "Laplace"} <= set(bm.families())


def test_em_climbs_to_the_truth(fitted):
    fit, _, z = fitted
    assert all(r.status == "converged" for r in fit.runs)
    for run in fit.runs:
        assert (np.diff(run.trace[:, 0]) >= -1e-11 * np.abs(run.trace[1:, 0])).all()
    assert fit.certificate.ok and fit.certificate.terms
    agreement = np.mean(fit.predict() == z)
    assert max(agreement, 1 - agreement) > 0.85
    assert fit.modes.loc[0, "kind"] == "interior"


def test_log_posterior_has_their_terms(fitted):
    fit, _, _ = fitted
    terms = fit.mixture.log_posterior(fit.data, fit.best)
    assert set(fit.mixture.family.parameters) <= set(terms)
    assert sum(terms.values()) == pytest.approx(fit.log_posterior, rel=1e-10)


def test_a_small_move_is_not_higher(fitted):
    fit, _, _ = fitted
    model, rng = fit.mixture, np.random.default_rng(0)
    u = model.vector(fit.best)
    for _ in range(20):
        theta = model.from_vector(u + 0.02 * rng.standard_normal(len(u)), fit.best)
        assert sum(model.log_posterior(fit.data, theta).values()) <= fit.log_posterior + 1e-6


def test_prediction(fitted):
    fit, x, _ = fitted
    p = fit.predict_proba(x[:7])
    assert p.shape == (7, 2) and np.allclose(p.sum(axis=1), 1)
    assert np.isfinite(fit.log_density(x[:7])).all()
    new, z = fit.simulate(50, seed=0)
    assert new.shape == (50, 1) and set(z) <= {0, 1}
    fit.mixture.family.check(new, ["value"])


def test_storage(fitted, tmp_path):
    fit, x, _ = fitted
    again = bm.load(fit.save(tmp_path / "fit.nc"))
    assert type(again.mixture.family) is type(fit.mixture.family)
    assert again.mixture.log_posterior(again.data, again.best) == fit.mixture.log_posterior(fit.data, fit.best)
    np.testing.assert_array_equal(again.predict_proba(x), fit.predict_proba(x))
    assert json.dumps(encode(decode(encode(fit.mixture)))) == json.dumps(encode(fit.mixture))


def test_geometric_maximum_likelihood():
    """One component under a flat prior: prob = 1 / (1 + mean), in one M-step."""
    x, _ = geometric_rows()
    fit = bm.fit_em(bm.Mixture(Geometric(prob=bm.Flat()), 1), x, restarts=1, seed=0)
    assert fit.best["prob"][0, 0] == pytest.approx(1 / (1 + x.mean()), rel=1e-9)


def test_laplace_maximum_likelihood():
    """One component under flat priors: the median and the mean absolute deviation, by the numeric M-step."""
    x = laplace_rows()[0][1:][:79]  # an odd number of rows, one median
    fit = bm.fit_em(bm.Mixture(Laplace(center=bm.Flat(), width=bm.Flat()), 1), x, restarts=1, seed=0, tol=1e-6)
    exact = -len(x) * (np.log(2 * np.abs(x - np.median(x)).mean()) + 1)
    assert fit.log_likelihood == pytest.approx(exact, abs=1e-2)  # a kink: quasi-Newton comes close


def test_bad_input_for_a_newcomer():
    with pytest.raises(bm.InputError, match="counts"):
        bm.fit_em(bm.Mixture(Geometric(), 2), [0.5, 1.0, 2.0], restarts=1, seed=0)
    with pytest.raises(bm.InputError, match="shape"):
        Weibull(0, 1)


# ---- MCMC: to_pymc, certificate, fit_mcmc ------------------------------------------------------------------
# (to be written with the MCMC side; `MODELS` above are the models to use)

# ---- a new check, the command line, the report -------------------------------------------------------------
# (to be written with the diagnostics and the report)

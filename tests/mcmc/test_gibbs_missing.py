"""Gibbs with missing cells: they are drawn with the allocations, and the posterior is that of the observed cells."""

import numpy as np
import pytest

import bayesmix as bm


@pytest.mark.certify
def test_a_normal_mean_with_gaps_is_exact():
    """K = 1, known covariance: the posterior of the mean given the observed cells is normal, in closed form."""
    rng = np.random.default_rng(3)
    cov = np.array([[1.0, 0.8], [0.8, 2.0]])
    x = rng.multivariate_normal([1.0, -1.0], cov, size=30)
    x[rng.random(x.shape) < 0.3] = np.nan
    model = bm.Mixture(bm.MvGaussian(mean=bm.Normal(0.0, 10.0), cov=bm.Fixed(cov)), 1)
    precision, linear = np.eye(2) / 100, np.zeros(2)
    for row in x:
        o = np.flatnonzero(~np.isnan(row))
        P = np.linalg.inv(cov[np.ix_(o, o)])
        precision[np.ix_(o, o)] += P
        linear[o] += P @ row[o]
    mean, var = np.linalg.solve(precision, linear), np.diag(np.linalg.inv(precision))
    fit = bm.fit_mcmc(model, x, sampler="gibbs", draws=1500, tune=100, chains=2, seed=1)
    draws = fit.draws["mean"][:, :, 0]
    # an AR(1) chain whose rate is the share of missing information: 3 000 draws are worth at least 700
    assert (np.abs(draws.mean(axis=(0, 1)) - mean) <= 5 * np.sqrt(var / 700)).all()
    np.testing.assert_allclose(draws.var(axis=(0, 1)), var, rtol=0.25)


def test_weights_and_gaps_are_refused():
    x = np.array([[0.0, np.nan], [1.0, 2.0], [2.0, 1.0], [3.0, 3.0]])
    model = bm.Mixture(bm.MvGaussian(mean=bm.Normal(0.0, 10.0), cov=bm.InverseWishart(4, np.eye(2))), 1)
    with pytest.raises(bm.InputError, match="missing cells"):
        bm.fit_mcmc(model, bm.Data(x, weight=[2.0, 1.0, 1.0, 1.0]), sampler="gibbs", draws=5, tune=5, chains=1, seed=0)

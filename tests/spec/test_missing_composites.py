"""Missing cells in families made of members."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

import bayesmix as bm
from bayesmix.em import engine, starts
from bayesmix.em.kernel import Problem
from bayesmix.em.surface import Surface
from bayesmix.mcmc.certificate import certificate


def mixed(rng, n=36):
    z = np.arange(n) % 2
    x = np.column_stack(
        [rng.normal(3.0 * z, 1.0), rng.poisson(2.0 + 5 * z), rng.normal(-z, 1.0), rng.random(n) < 0.2 + 0.6 * z]
    ).astype(float)
    x = np.where(rng.random(x.shape) < 0.25, np.nan, x)
    x[5] = np.nan
    return x, z


def counts(rng, n=36):
    x = (rng.poisson(4.0, size=(n, 2)) * (rng.random((n, 1)) < 0.7)).astype(float)
    x = np.where(rng.random(x.shape) < 0.25, np.nan, x)
    x[7] = np.nan
    return x


def noisy(rng, n=36):
    z = np.arange(n) % 2
    x = rng.normal(size=(n, 2)) + 4.0 * z[:, None]
    x[::9] = rng.uniform(-10, 10, (4, 2))
    x = np.where(rng.random(x.shape) < 0.2, np.nan, x)
    x[3] = np.nan
    return x


def cases():
    rng = np.random.default_rng(1)
    full = bm.MvGaussian(mean=bm.Normal(0, 5), cov=bm.InverseWishart(4, np.eye(2)))
    rate, prob = bm.Poisson(rate=bm.Gamma(2, 0.4)), bm.Bernoulli(prob=bm.Beta(2, 2))
    box = bm.UniformComponent(-12.0, 12.0)
    return {
        "product": (bm.Product(a=(full, [0, 2]), b=(rate, [1]), c=(prob, [3])), 2, mixed(rng)[0]),
        "zero-inflated": (bm.Components(bm.PointMass(0), rate), 2, counts(rng)),
        "noise": (bm.Components((full, 2), box), 3, noisy(rng)),
    }


CASES = cases()


def problem_of(name):
    family, K, x = CASES[name]
    data = bm.Data(x)
    model = bm.Mixture(family, K, weight=bm.Dirichlet(2.0)).resolve(data)
    return model, data, Problem.of(model, data)


@pytest.mark.parametrize("name", CASES)
def test_one_number(name):
    model, data, problem = problem_of(name)
    rng = np.random.default_rng(0)
    for _ in range(3):
        theta = model.draw_prior(rng, data.d)
        said = logsumexp(model.log_joint(data.x, theta), axis=1)
        assert problem.e_step(problem.inward(theta)).log_likelihood == pytest.approx(said.sum(), rel=1e-10)
    assert certificate(model, data, draws=10).max_error <= 1e-10


def test_a_product_is_the_sum_of_its_parts():
    model, data, _ = problem_of("product")
    theta = model.draw_prior(np.random.default_rng(2), 4)
    got = model.family.log_density(data.x, model.own(theta))
    for i, row in enumerate(data.x):
        for k in range(2):
            seen = np.flatnonzero(~np.isnan(row[[0, 2]]))
            exact = 0.0
            if len(seen):
                cov = theta["a.cov"][k][np.ix_(seen, seen)]
                exact += stats.multivariate_normal(theta["a.mean"][k][seen], cov).logpdf(row[[0, 2]][seen])
            if not np.isnan(row[1]):
                exact += stats.poisson(theta["b.rate"][k, 0]).logpmf(row[1])
            if not np.isnan(row[3]):
                exact += stats.bernoulli(theta["c.prob"][k, 0]).logpmf(row[3])
            assert got[i, k] == pytest.approx(exact, rel=1e-11, abs=1e-11)


@pytest.mark.parametrize("name", CASES)
def test_climbs_and_fishers_identity(name):
    model, data, problem = problem_of(name)
    run = engine.run(problem, starts.draw("kmeans++", problem, np.random.default_rng(0)), max_iter=40)
    assert (np.diff(run.trace[:, 0]) >= -1e-10 * np.abs(run.trace[1:, 0])).all()
    assert run.log_posterior == pytest.approx(sum(model.log_posterior(data, run.theta).values()), rel=1e-11)
    theta = problem.inward(model.draw_prior(np.random.default_rng(3), data.d))
    surface = Surface(problem, theta)
    u = surface.u(theta)
    exact = np.array([(surface.value(u + e) - surface.value(u - e)) / 2e-5 for e in 1e-5 * np.eye(len(u))])
    np.testing.assert_allclose(surface.gradient(u), exact, rtol=1e-4, atol=1e-4 * np.abs(exact).max())


@pytest.mark.certify
@pytest.mark.parametrize("name", CASES)
def test_gaps_are_filled(name):
    family, K, x = CASES[name]
    fit = bm.fit_em(bm.Mixture(family, K, weight=bm.Dirichlet(2.0)), x, restarts=2, seed=0)
    got, draws, gap = fit.impute(), fit.impute(draws=600, seed=0), np.isnan(x)
    np.testing.assert_array_equal(got[~gap], x[~gap])
    error = draws.std(axis=0) / np.sqrt(len(draws))
    assert (np.abs(draws.mean(axis=0) - got)[gap] <= 6 * error[gap] + 1e-12).all()
    fit.mixture.family.check(draws[0], fit.data.names)

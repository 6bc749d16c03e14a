"""The census: optima merged up to relabelling, named, and weighed against exact evidences."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar
from scipy.special import betaln, gammaln

import bayesmix as bm
from bayesmix.em.kernel import Problem
from bayesmix.em.surface import Surface, definite
from bayesmix.spec import supports
from bayesmix.spec.priors import Prior, hyper, spread

FAMILY = bm.Gaussian(mean=bm.Normal(20, 10), var=bm.InverseGamma(3, 20))


# ---- distinct optima ---------------------------------------------------------------------------------------


def test_permuted_optima_are_one(galaxies):
    fit = bm.fit_em(bm.Mixture(FAMILY, 3), galaxies, restarts=6, start="random", seed=1)
    assert sum(m.times_reached for m in fit.optima) == 6
    assert fit.modes["share"].sum() == pytest.approx(1)
    assert sorted(i for m in fit.optima for i in m.restarts) == list(range(6))
    values = fit.modes["log_posterior"].to_numpy()
    assert (np.diff(values) < -1e-6).all() and fit.modes["gap"].iloc[0] == 0
    np.testing.assert_allclose(fit.modes["gap"], values[0] - values)
    # the runs themselves ended under different labels, or the test would show nothing
    ends = {tuple(np.argsort(fit.runs[i].theta["mean"][:, 0])) for i in fit.optima[0].restarts}
    assert len(ends) > 1 or len(fit.optima[0].restarts) == 1


def test_several_optima_are_kept_apart(galaxies):
    """P1, K = 2 has three strict maxima (golden/local_optima_galaxies.json)."""
    means = {-237.305025: [[19.5], [21.4]], -239.346067: [[9.8], [21.9]]}
    found = []
    for value, mean in means.items():
        theta = {
            "weight": [0.3, 0.7] if value > -238 else [0.1, 0.9],
            "mean": mean,
            "var": [[40.0], [4.0]] if value > -238 else [[3.0], [9.0]],
        }
        fit = bm.fit_em(bm.Mixture(FAMILY, 2), galaxies, start=theta, seed=0)
        assert fit.log_posterior == pytest.approx(value, abs=1e-5)
        found.append(fit.optima[0])
    both = bm.fit_em(bm.Mixture(FAMILY, 2), galaxies, restarts=12, start="rows", seed=3)
    values = both.modes["log_posterior"].to_numpy()
    assert len(values) >= 2 and values.max() <= -237.305 + 1e-3
    assert both.modes["differs"].iloc[0] == "the best optimum found"
    assert "lower" in both.modes["differs"].iloc[1] and "rows change component" in both.modes["differs"].iloc[1]


@pytest.mark.parametrize("K", [1, 2])
def test_geometry_of_an_interior_optimum(K, faithful):
    fit = bm.fit_em(bm.Mixture(bm.MvGaussian(), K), faithful, restarts=2, seed=1)
    mode = fit.optima[0]
    assert mode.kind == "interior" and mode.definite and mode.reason == ""
    assert mode.gradient_norm < 1e-4
    p = fit.df
    assert mode.u.shape == (p,) and mode.cov_u.shape == (p, p)
    assert np.linalg.eigvalsh(mode.cov_u).min() > 0
    assert np.isfinite(mode.log_mass) and mode.row()["log_mass"] == mode.log_mass


def test_gradient_and_hessian_against_plain_differences(galaxies):
    """Fisher's identity gives what differencing the log posterior gives, at a point that is no mode."""
    model = bm.Mixture(FAMILY, 2).resolve(galaxies)
    problem = Problem.of(model, galaxies)
    theta = problem.inward(
        {"weight": np.array([0.3, 0.7]), "mean": np.array([[15.0], [22.0]]), "var": np.array([[9.0], [4.0]])}
    )
    u = model.vector(theta)
    for jacobian in (False, True):
        surface = Surface(problem, theta, jacobian=jacobian)
        plain = np.array([(surface.value(u + h) - surface.value(u - h)) / 2e-5 for h in 1e-5 * np.eye(len(u))])
        np.testing.assert_allclose(surface.gradient(u), plain, rtol=1e-5, atol=1e-5)
        H = surface.hessian(u)
        e = 1e-3 * np.eye(len(u))
        second = np.array(
            [
                [
                    (
                        surface.value(u + a + b)
                        - surface.value(u + a - b)
                        - surface.value(u - a + b)
                        + surface.value(u - a - b)
                    )
                    / 4e-6
                    for a in e
                ]
                for b in e
            ]
        )
        np.testing.assert_allclose(H, second, rtol=1e-3, atol=1e-2)
    assert definite(-np.eye(2)) and not definite(np.diag([-1.0, 1.0])) and not definite(np.full((2, 2), np.nan))


# ---- kinds -------------------------------------------------------------------------------------------------


def test_twin_components(galaxies):
    """Identical responsibilities stay identical: a saddle, and named as twins."""
    fit = bm.fit_em(bm.Mixture(FAMILY, 2), galaxies, start=np.full((82, 2), 0.5), seed=0)
    assert fit.modes.loc[0, "kind"] == "twin components"
    assert np.isnan(fit.modes.loc[0, "log_mass"]) and "twin" in fit.optima[0].reason


def test_empty_component(galaxies):
    """A component that no row needs rests at its prior's mode, its weight going to zero."""
    theta = {"weight": [1 - 1e-4, 1e-4], "mean": [[20.8], [20.0]], "var": [[21.0], [5.0]]}
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal([[20.8], [60.0]], [[10.0], [0.5]]), var=bm.InverseGamma(3, 20)), 2)
    theta["mean"][1] = [60.0]
    fit = bm.fit_em(model, galaxies, start=theta, seed=0, max_iter=20_000)
    assert fit.modes.loc[0, "kind"] == "empty component" and "empty" in fit.optima[0].reason
    assert fit.best["mean"][1, 0] == pytest.approx(60, abs=1e-2)
    assert fit.best["var"][1, 0] == pytest.approx(20 / (3 + 1), rel=1e-2)


def test_row_weights_that_sum_to_less_than_a_row():
    """Small weights do not make every component empty: the log posterior tends to the maximum of the log prior."""
    x = np.random.default_rng(0).normal(size=(30, 2)) + 5.0 * np.repeat([[0, 0], [1, 0]], 15, axis=0)
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(2, 5), var=bm.InverseGamma(2, 1)), 2)
    fit = bm.fit_em(model, bm.Data(x, weight=np.full(30, 1e-8)), restarts=3, seed=1)
    prior = 4 * stats.norm(2, 5).logpdf(2) + 4 * stats.invgamma(2, scale=1).logpdf(1 / 3)
    row = stats.norm(2, 3**-0.5).logpdf(x).sum()  # at the modes of the priors
    assert fit.log_posterior == pytest.approx(prior + 1e-8 * row, abs=1e-9)
    assert fit.modes.loc[0, "kind"] == "twin components"


def test_at_a_constraint(galaxies):
    model = bm.Mixture(FAMILY, 3, constraints=(bm.MinWeight(0.2),))
    fit = bm.fit_em(model, galaxies, restarts=2, seed=2)
    assert fit.modes.loc[0, "kind"] == "at a constraint" and "constraint" in fit.optima[0].reason
    loose = bm.fit_em(bm.Mixture(FAMILY, 3, constraints=(bm.MinWeight(0.01),)), galaxies, restarts=2, seed=2)
    assert loose.modes.loc[0, "kind"] == "interior"


def test_at_a_bound_of_a_uniform_prior():
    """The likelihood asks for more than the prior allows: the maximum is the bound itself, and is said to be one."""
    x = np.array([6.0, 12.0, 9.0, 15.0, 13.0])
    fit = bm.fit_em(bm.Mixture(bm.Poisson(bm.Uniform(0.05, 9)), 1), x, seed=1)
    assert fit.best["rate"].tolist() == [[9.0]]
    exact = stats.poisson(9).logpmf(x).sum() - np.log(8.95)
    assert fit.log_posterior == pytest.approx(exact, rel=1e-13)
    assert fit.modes.loc[0, "kind"] == "at a constraint" and np.isnan(fit.modes.loc[0, "log_mass"])
    loose = bm.fit_em(bm.Mixture(bm.Poisson(bm.Uniform(0.05, 12)), 1), x, seed=1)
    assert loose.modes.loc[0, "kind"] == "interior" and loose.best["rate"][0, 0] == pytest.approx(11, rel=1e-12)


def test_the_numeric_m_step_reaches_a_bound():
    """A missing cell leaves the negative binomial's M-step to the numeric ascent, whose wall is the prior's bound."""
    x, prior = np.array([6.0, 12.0, 9.0, 15.0, 13.0]), stats.halfnorm(scale=3)
    model = bm.Mixture(bm.NegativeBinomial(mean=bm.Uniform(0.05, 9), alpha=bm.HalfNormal(3)), 1)
    fit = bm.fit_em(model, bm.Data(np.append(x, np.nan)), seed=1)

    def downhill(a):
        return -stats.nbinom(a, a / (a + 9)).logpmf(x).sum() - prior.logpdf(a)

    there = minimize_scalar(downhill, bounds=(0.1, 50), method="bounded", options={"xatol": 1e-9})
    assert fit.best["mean"].tolist() == [[9.0]] and fit.modes.loc[0, "kind"] == "at a constraint"
    assert fit.log_posterior == pytest.approx(-there.fun - np.log(8.95), abs=1e-8)


def test_collapsed_restarts_are_one_last_line():
    x = np.array([0.0, 0.1, 0.3, 5.0, 5.2, 5.3, 11.0])
    fit = bm.fit_em(bm.Mixture(bm.Gaussian(mean=bm.Flat(), var=bm.Flat()), 2), x, restarts=10, start="rows", seed=1)
    kinds = fit.modes["kind"].tolist()
    assert kinds[-1] == "collapsed" and kinds.count("collapsed") == 1
    assert np.isinf(fit.optima[-1].log_posterior) and fit.optima[0].kind != "collapsed"
    assert fit.modes["times_reached"].sum() == 10


# ---- the mass of an optimum --------------------------------------------------------------------------------


def mass(model, data):
    fit = bm.fit_em(model, data, restarts=1, seed=0)
    assert fit.modes.loc[0, "kind"] == "interior"
    return fit.modes.loc[0, "log_mass"]


def test_mass_is_the_evidence_of_a_gaussian_mean():
    """Known variance, normal prior: the posterior is Gaussian and Laplace exact. The evidence is
    a multivariate normal density."""
    from scipy.stats import multivariate_normal

    rng, n = np.random.default_rng(1), 9
    x = rng.normal(2.0, 1.3, size=(n, 2))
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal([1.0, 0.0], [3.0, 0.5]), var=bm.Fixed([1.5, 2.0])), 1)
    exact = sum(
        multivariate_normal(np.full(n, m), v * np.eye(n) + s**2).logpdf(x[:, j])
        for j, (m, v, s) in enumerate([(1.0, 1.5, 3.0), (0.0, 2.0, 0.5)])
    )
    assert mass(model, x) == pytest.approx(exact, abs=1e-5)


def test_mass_of_a_rate_is_stirlings_evidence():
    """Poisson-gamma: the evidence holds Gamma(a), Laplace in log rate holds Stirling's formula for it."""
    x, a, b = np.array([0.0, 2, 5, 1, 3, 3]), 2.5, 0.7
    post_a, post_b = a + x.sum(), b + len(x)
    evidence = a * np.log(b) - gammaln(a) + gammaln(post_a) - post_a * np.log(post_b) - gammaln(x + 1).sum()
    stirling = 0.5 * np.log(2 * np.pi / post_a) + post_a * np.log(post_a) - post_a
    model = bm.Mixture(bm.Poisson(rate=bm.Gamma(a, b)), 1)
    found = mass(model, x)
    assert found == pytest.approx(evidence - gammaln(post_a) + stirling, abs=1e-5)
    assert found == pytest.approx(evidence, abs=1 / (10 * post_a))  # Stirling's error is 1 / (12 a)


def test_mass_of_a_probability():
    """Bernoulli-beta in the logit: Laplace of a beta function, in closed form."""
    x, a, b = np.array([0.0, 1, 1, 0, 1, 1, 1, 0]), 1.5, 2.5
    A, B = a + x.sum(), b + (1 - x).sum()
    p = A / (A + B)
    laplace = A * np.log(p) + B * np.log(1 - p) + 0.5 * np.log(2 * np.pi / ((A + B) * p * (1 - p)))
    found = mass(bm.Mixture(bm.Bernoulli(prob=bm.Beta(a, b)), 1), x)
    assert found == pytest.approx(laplace - betaln(a, b), abs=1e-5)
    assert found == pytest.approx(betaln(A, B) - betaln(a, b), abs=0.05)


@pytest.mark.certify
def test_more_than_150_parameters_are_weighed_too():
    """All labels given, every factor of the posterior is a beta density: Laplace of each in closed form."""
    x, z = (np.random.default_rng(0).random((30, 80)) < 0.4).astype(float), np.arange(30) % 3 // 2
    own = [x[z == k] for k in range(2)]
    A = np.concatenate([[1.5 + len(own[0])], *(2.0 + rows.sum(axis=0) for rows in own)])
    B = np.concatenate([[1.5 + len(own[1])], *(2.0 + (1 - rows).sum(axis=0) for rows in own)])
    p = A / (A + B)
    laplace = A * np.log(p) + B * np.log(1 - p) + 0.5 * np.log(2 * np.pi / ((A + B) * p * (1 - p)))
    model = bm.Mixture(bm.Bernoulli(prob=bm.Beta(2, 2)), 2, weight=bm.Dirichlet(1.5))
    fit = bm.fit_em(model, bm.Data(x, label=z), restarts=1, seed=0)
    exact = laplace.sum() - betaln(1.5, 1.5) - 160 * betaln(2, 2)
    assert fit.df == 161 and fit.optima[0].definite
    assert fit.optima[0].log_mass == pytest.approx(exact, abs=1e-3)


def test_mass_of_one_galaxy_component(galaxies, golden):
    """K = 1 under P1: within Laplace's O(1/n) of the exact evidence."""
    exact = golden("marginal_likelihoods")["K1_exact_chib"]
    assert mass(bm.Mixture(FAMILY, 1), galaxies) == pytest.approx(exact, abs=0.02)


@dataclass(frozen=True, eq=False, repr=False)
class RootInverseGamma(Prior):
    """v = sqrt(s), s ~ InverseGamma(shape, scale): the same belief, a density in the standard deviation."""

    shape: np.ndarray = hyper(positive=True)
    scale: np.ndarray = hyper(positive=True)

    support = supports.positive

    def logp(self, value, theta):
        a, b = spread(self.shape, value.shape), spread(self.scale, value.shape)
        return a * np.log(b) - gammaln(a) - (a + 1) * np.log(value**2) - b / value**2 + np.log(2 * value)

    def rv(self, name, theta, dims):
        raise NotImplementedError

    def draw(self, rng, shape, theta):
        return np.sqrt(bm.InverseGamma(self.shape, self.scale).draw(rng, shape, theta))


@pytest.mark.parametrize("K", [1, 2])
def test_mass_does_not_depend_on_the_coordinate(K, galaxies):
    """The mode moves between variance and standard deviation; the mass, taken in u = log scale, does not."""
    start = np.digitize(galaxies.x[:, 0], [15.0]) if K == 2 else np.zeros(82, int)
    a, b = (
        bm.fit_em(bm.Mixture(bm.Gaussian(mean=bm.Normal(20, 10), **scale), K), galaxies, start=start, seed=0)
        for scale in ({"var": bm.InverseGamma(3, 20)}, {"sd": RootInverseGamma(3, 20)})
    )
    assert a.modes.loc[0, "log_mass"] == pytest.approx(b.modes.loc[0, "log_mass"], abs=1e-4)
    assert np.abs(np.sqrt(a.best["var"]) - b.best["sd"]).max() > 1e-3  # and the modes themselves do differ
    assert abs(a.log_posterior - b.log_posterior) > 0.1


def test_mass_counts_the_relabelings(galaxies):
    """The same posterior with its components told apart has 1/K! of the mass."""
    start = np.digitize(galaxies.x[:, 0], [15.0, 28.0])
    free, ordered = (
        # keep_trace: both climb in one loop, bit for bit, since the numeric Hessian's own noise is about 1e-5
        bm.fit_em(bm.Mixture(FAMILY, 3, constraints=c), galaxies, start=start, seed=0, keep_trace=True)
        for c in ((), (bm.Order("mean"),))
    )
    gap = free.modes.loc[0, "log_mass"] - ordered.modes.loc[0, "log_mass"]
    assert gap == pytest.approx(np.log(6), abs=1e-6)


@pytest.mark.parametrize(
    "scale,offset",
    [
        (1e-12, 0.0),
        (1e-4, 0.0),
        (1e12, 0.0),
        (1.0, 1e6),
    ],
)
@pytest.mark.parametrize("family", [bm.Gaussian(), bm.MvGaussian()], ids=["diagonal", "full"])
def test_mass_does_not_depend_on_the_units(family, scale, offset):
    """p(a x + b) = p(x) / a^(n d) under priors that stretch with the data."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(40, 2)) + 4.0 * (np.arange(40) % 2)[:, None]
    model, start = bm.Mixture(family, 2), np.arange(40) % 2
    a = bm.fit_em(model, x, start=start, seed=0).optima[0]
    b = bm.fit_em(model, x * scale + offset, start=start, seed=0).optima[0]
    assert b.definite and b.reason == ""
    assert b.log_mass + x.size * np.log(scale) == pytest.approx(a.log_mass, abs=1e-3)

"""Missing cells: the density of what was observed, EM that climbs it, and what is said of the gaps."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from scipy.special import logsumexp

import bayesmix as bm
import cases
import newcomers
from bayesmix.em import engine, starts
from bayesmix.em.kernel import Problem
from bayesmix.em.surface import Surface
from bayesmix.spec.families.base import ExponentialFamily
from bayesmix.spec.missing import patterns
from goldens import GOLDEN, read_golden

KINDS = ("gaussian_var", "gaussian_sd", "gaussian_conjugate", "mvgaussian", "mvgaussian_conjugate", "poisson",
         "bernoulli")  # fmt: skip


INDEPENDENT = [f for f in bm.families().values() if issubclass(f, ExponentialFamily) and f.independent is True]


def rows(kind, seed, share=0.3, n=40, d=2, blank=True):
    """x (n, d) with about this share of missing cells, one of its rows blank, and the component of each row."""
    rng = np.random.default_rng(seed)
    x, z = (np.tile(a, (4, 1) if a.ndim == 2 else 4)[:n] for a in cases.rows(kind, d, 2))
    if kind not in ("poisson", "bernoulli"):
        x = x + rng.normal(scale=0.3, size=x.shape)
    x = np.where(rng.random(x.shape) < share, np.nan, x)
    x[0], x[1] = cases.rows(kind, d, 2)[0][:2]  # no column is empty
    if blank:
        x[5] = np.nan
    return x, z


def problem_of(family, data, K=2, **options):
    model = bm.Mixture(family, K, weight=bm.Dirichlet(2.0), **options).resolve(data)
    return model, Problem.of(model, data)


# ---- the density of the observed cells ------------------------------------------------------------------------


def test_rows_of_one_pattern_stay_together():
    nan = np.nan
    x = np.array([[1.0, nan], [2, 3], [nan, nan], [4, nan], [nan, 5]])
    found = [(r.tolist(), c.tolist()) for r, c in patterns(x)]
    assert found == [([0, 3], [0]), ([1], [0, 1]), ([2], []), ([4], [1])]


def test_observed_cells_have_scipys_marginal_normal():
    rng = np.random.default_rng(1)
    d, K = 4, 3
    a = rng.normal(size=(K, d, d))
    theta = {
        "weight": np.array([0.2, 0.5, 0.3]),
        "mean": rng.normal(size=(K, d)),
        "cov": a @ np.swapaxes(a, 1, 2) + 0.1 * np.eye(d),
    }
    x = np.where(rng.random((60, d)) < 0.4, np.nan, rng.normal(size=(60, d)))
    x[3] = np.nan
    model = bm.Mixture(bm.MvGaussian(), K)
    got = model.log_joint(x, theta)
    for i, row in enumerate(x):
        o = np.flatnonzero(~np.isnan(row))
        for k in range(K):
            exact = 0.0
            if len(o):
                exact = stats.multivariate_normal(theta["mean"][k, o], theta["cov"][k][np.ix_(o, o)]).logpdf(row[o])
            assert got[i, k] - np.log(theta["weight"][k]) == pytest.approx(exact, rel=1e-12, abs=1e-12)


def test_observed_cells_have_the_integral_over_the_others():
    """By quadrature over the missing coordinate, not by a formula for marginals."""
    theta = {"mean": np.array([[0.3, -1.0]]), "cov": np.array([[[1.5, 0.6], [0.6, 0.8]]])}
    family = bm.MvGaussian()
    whole = integrate.quad(lambda t: np.exp(family.logpdf(np.array([[0.9, t]]), **theta)[0, 0]), -15, 15)[0]
    assert family.log_density(np.array([[0.9, np.nan]]), theta)[0, 0] == pytest.approx(np.log(whole), abs=1e-9)


@pytest.mark.parametrize("kind", ["gaussian_var", "poisson", "bernoulli"])
def test_independent_features_drop_out(kind):
    x, _ = rows(kind, 2)
    family = cases.family(kind, 2)
    theta = family.draw_prior(np.random.default_rng(0), 2, 2)
    got = family.log_density(x, theta)
    single = cases.family(kind, 1)
    exact = np.zeros_like(got)
    for j in range(2):
        seen = ~np.isnan(x[:, j])
        exact[seen] += single.logpdf(x[seen, j : j + 1], **{n: v[:, j : j + 1] for n, v in theta.items()})
    np.testing.assert_allclose(got, exact, rtol=1e-12)
    assert (got[5] == 0).all() and (got[0] != 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_kernel_agrees_with_logpdf(kind):
    x, z = rows(kind, 3)
    data = bm.Data(x, label=np.where(np.arange(len(z)) < 9, z, -1), weight=np.linspace(0.5, 2, len(z)))
    model, problem = problem_of(cases.family(kind, 2), data)
    rng = np.random.default_rng(0)
    for _ in range(5):
        theta = model.draw_prior(rng, 2)
        said = sum(model.log_posterior(data, theta).values()) - sum(model.log_prior(theta).values())
        here = problem.e_step(problem.inward(theta))
        assert here.log_likelihood == pytest.approx(said, rel=1e-11)
        r, row = problem.responsibilities(problem.inward(theta))
        joint = model.log_joint(x, theta, model.log_label(data))
        np.testing.assert_allclose(row, logsumexp(joint, axis=1), rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(r, np.exp(joint - logsumexp(joint, axis=1, keepdims=True)), atol=1e-9)
        np.testing.assert_allclose(here.counts, data.weight @ r, rtol=1e-9)


def any_family(cls):
    """A family with its left-out priors from zeros and ones (or ones and twos), a theta, and rows of it with gaps."""
    rng = np.random.default_rng(7)
    x = (rng.random((30, 2)) < 0.5).astype(float)
    x[:2] = [[0.0, 1.0], [1.0, 0.0]]
    try:
        family = cls().resolve(x)
    except (TypeError, bm.InputError, RuntimeWarning):
        x = x + 1.0  # a family of positive values
        family = cls().resolve(x)
    theta = family.draw_prior(rng, 2, 2)
    x = family.draw(np.arange(30) % 2, rng, **theta)
    return family, theta, np.where(rng.random(x.shape) < 0.25, np.nan, x)


CAN = [cls for name, cls in bm.families().items() if getattr(cls, "marginalises", False) and name in bm.__all__]


SLOW = pytest.mark.certify  # a numeric M-step for every pattern


@pytest.mark.parametrize(
    "cls",
    [
        c if c.exponential else pytest.param(c, marks=SLOW)
        for c in CAN
        if c.marginalises is True or c.independent is True
    ],
)
def test_every_family_that_can_does(cls):
    """Kernel against `logpdf`, a climb that never falls, gaps filled, whatever the family."""
    family, theta, x = any_family(cls)
    model = bm.Mixture(family, 2, weight=bm.Dirichlet(2.0))
    data = bm.Data(x)
    problem = Problem.of(model.resolve(data), data)
    theta = {"weight": np.array([0.4, 0.6]), **theta}
    said = logsumexp(model.log_joint(x, theta), axis=1)
    assert problem.e_step(problem.inward(theta)).log_likelihood == pytest.approx(said.sum(), rel=1e-9)
    whole = ~np.isnan(x).any(axis=1)
    plain = logsumexp(np.log(theta["weight"]) + family.logpdf(x[whole], **model.own(theta)), axis=1)
    np.testing.assert_allclose(said[whole], plain, rtol=1e-12)
    run = engine.run(problem, theta, max_iter=4)
    assert (np.diff(run.trace[:, 0]) >= -1e-9 * np.maximum(1, np.abs(run.trace[1:, 0]))).all()
    z = np.arange(len(x)) % 2
    family.check(family.draw_missing(x, z, np.random.default_rng(0), model.own(theta)), ["a", "b"])


def test_a_narrow_component_with_gaps():
    """A relative sd of 1e-6: the product of features would lose it, `logpdf` does not, whatever the pattern."""
    rng = np.random.default_rng(5)
    x = np.concatenate([rng.normal(size=(40, 3)), 1.0 + 1e-6 * rng.normal(size=(40, 3))])
    x = np.where(rng.random(x.shape) < 0.25, np.nan, x)
    family = bm.MvGaussian(mean=bm.Normal(0, 2), cov=bm.InverseWishart(5, np.eye(3)))
    model, problem = problem_of(family, bm.Data(x))
    theta = {
        "weight": np.array([0.5, 0.5]),
        "mean": np.array([[0.0] * 3, [1.0] * 3]),
        "cov": np.stack([np.eye(3), 1e-12 * np.eye(3)]),
    }
    said = logsumexp(model.log_joint(x, theta), axis=1)
    inner = problem.inward(theta)
    np.testing.assert_allclose(problem.responsibilities(inner)[1], said, rtol=1e-9, atol=1e-9)
    assert problem.e_step(inner).log_likelihood == pytest.approx(said.sum(), rel=1e-10)


def test_patterns_together_are_patterns_one_by_one():
    """`complete_patterns` and `pattern_weights` against `complete_stats` and the marginals, and rows in batches."""
    rng = np.random.default_rng(6)
    x = np.where(rng.random((9000, 4)) < 0.3, np.nan, rng.normal(size=(9000, 4)))
    family = bm.MvGaussian(mean=bm.Normal(0, 2), cov=bm.InverseWishart(7, np.eye(4)), shared=True)
    _, problem = problem_of(family, bm.Data(x, weight=rng.random(9000)))
    theta = problem.inward(problem.mixture.draw_prior(rng, 4))
    here, total, own = problem.e_step(theta), 0.0, problem.mixture.own(theta)
    for part in problem.parts:
        p = part.problem.e_step(part.theta(family, theta))
        total = total + family.complete_stats(p.stats, np.isin(np.arange(4), part.columns), own)
    np.testing.assert_allclose(here.stats, total, rtol=1e-9, atol=1e-8)
    assert len(problem.sorted.batches) > 1


# ---- the E-step's statistics ----------------------------------------------------------------------------------


@pytest.mark.parametrize("family", INDEPENDENT)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_a_familys_expected_statistics_are_those_of_its_draws(family, d):
    """E phi within 6 standard errors of 40 000 draws; and each column's own statistics are where `slots` says."""
    rng = np.random.default_rng(d)
    zero_one = (rng.random((40, d)) < 0.5).astype(float)
    zero_one[:2] = [[0.0], [1.0]]
    try:
        family = family().resolve(zero_one)
    except (bm.InputError, RuntimeWarning):
        family = family().resolve(zero_one + 1.0)  # a family of positive values
    theta = family.draw_prior(rng, 2, d)
    mean = family.expected_sufficient(theta)
    for k in range(2):
        x = family.draw(np.full(40_000, k), rng, **theta)
        phi = family.sufficient(x)
        off = np.abs(phi.mean(axis=0) - mean[k])
        assert (off <= 6 * phi.std(axis=0) / np.sqrt(len(x)) + 1e-12).all()
    for j in range(d):
        np.testing.assert_array_equal(phi[:, family.slots(d)[j]], family.sufficient(x[:, j : j + 1])[:, 1:])


@pytest.mark.parametrize("kind", ["gaussian_var", "mvgaussian", "poisson"])
def test_completed_statistics_are_those_of_drawn_gaps(kind):
    """E[r^T Phi | observed] against gaps drawn 1500 times: within 6 standard errors, variance included."""
    rng = np.random.default_rng(4)
    x, _ = rows(kind, 4, n=8, d=2)
    data = bm.Data(x)
    model, problem = problem_of(cases.family(kind, 2), data)
    theta = problem.inward(model.draw_prior(rng, 2))
    own = problem.mixture.own(theta)
    r, _ = problem.responsibilities(theta)
    here, family = problem.e_step(theta), problem.mixture.family
    for k in range(2):
        z = np.full(len(x), k)
        drawn = np.array(
            [r[:, k] @ family.sufficient(family.draw_missing(problem.x, z, rng, own)) for _ in range(1500)]
        )
        error = drawn.std(axis=0) / np.sqrt(len(drawn))
        assert (np.abs(drawn.mean(axis=0) - here.stats[k]) <= 6 * error + 1e-9).all()
    # negative control: without the conditional variance it is visibly another number
    short = Problem.of(model, data, impute="mean").e_step(theta)
    if kind != "poisson":
        assert (np.abs(drawn.mean(axis=0) - short.stats[1]) > 8 * error).any()


@pytest.mark.parametrize("kind", KINDS)
def test_fishers_identity(kind):
    """The gradient from completed statistics is that of the observed cells' log posterior, by differences."""
    x, z = rows(kind, 6)
    data = bm.Data(x, label=np.where(np.arange(len(z)) < 4, z, -1))
    model, problem = problem_of(cases.family(kind, 2), data)
    theta = problem.inward(model.draw_prior(np.random.default_rng(3), 2))
    surface = Surface(problem, theta)
    u = surface.u(theta)
    exact = np.empty(len(u))
    for j in range(len(u)):
        e = np.zeros(len(u))
        e[j] = 1e-5
        up, down = (
            sum(problem.mixture.log_posterior(bm.Data(problem.x, label=data.label), surface.theta(v)).values())
            for v in (u + e, u - e)
        )
        exact[j] = (up - down) / 2e-5
    np.testing.assert_allclose(surface.gradient(u), exact, rtol=2e-5, atol=2e-4 * np.abs(exact).max())


# ---- EM -------------------------------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 1000),
    share=st.floats(0.05, 0.7),
    stiffness=st.sampled_from([0.5, 1.0, np.inf]),
    labels=st.sampled_from(["none", "some", "soft"]),
    weighted=st.booleans(),
    constraint=st.sampled_from([(), (bm.MinWeight(0.2),), (bm.Order("weight"),)]),
)
def test_the_objective_never_falls(kind, seed, share, stiffness, labels, weighted, constraint):
    x, z = rows(kind, seed, share)
    label = None if labels == "none" else np.where(np.arange(len(z)) < 8, z, -1)
    if labels == "soft":
        label = 0.2 + 0.6 * np.eye(2)[z]
    weight = np.linspace(0.2, 2.0, len(z)) if weighted else None
    data = bm.Data(x, label=label, weight=weight)
    _, problem = problem_of(cases.family(kind, 2), data, constraints=constraint)
    theta = starts.draw("kmeans++", problem, np.random.default_rng(seed))
    run = engine.run(problem, theta, stiffness=stiffness, max_iter=15)
    assert run.status in (engine.CONVERGED, engine.EXHAUSTED)
    assert (np.diff(run.trace[:, 0]) >= -1e-11 * np.maximum(1, np.abs(run.trace[1:, 0]))).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_vanishes_where_em_stops(kind):
    """By finite differences of the observed cells' log posterior in unconstrained coordinates."""
    x, z = rows(kind, 7, share=0.2)
    data = bm.Data(x)
    fit = bm.fit_em(bm.Mixture(cases.family(kind, 2), 2, weight=bm.Dirichlet(2.0)), data, start=z, seed=0)
    model, best = fit.mixture, fit.best
    u = model.vector(best)
    value = sum(model.log_posterior(data, best).values())
    assert value == pytest.approx(fit.log_posterior, rel=1e-12)
    for j in range(len(u)):
        e = np.zeros(len(u))
        e[j] = 1e-4
        up, down = (sum(model.log_posterior(data, model.from_vector(v, best)).values()) for v in (u + e, u - e))
        assert abs(up - down) / 2e-4 <= 1e-4 and max(up, down) <= value + 1e-9
    assert (fit.optima[0].definite or fit.optima[0].kind == "twin components") and fit.certificate.ok


@pytest.mark.parametrize("name", ["kmeans++", "random", "rows", "prior", "jitter"])
def test_every_start_knows_of_gaps(name, monkeypatch):
    monkeypatch.setattr("bayesmix.em.modes.LARGEST_HESSIAN", 0)
    x, _ = rows("mvgaussian", 8)
    model = bm.Mixture(cases.family("mvgaussian", 2), 2)
    fit = bm.fit_em(model, x, start=name, restarts=2, seed=3)
    assert all(r.status == "converged" for r in fit.runs)


def test_blank_rows_change_nothing():
    """Under uniform weights' prior a row of which nothing was observed leaves every estimate where it was."""
    x, z = rows("mvgaussian", 9, share=0.0, blank=False)
    model = bm.Mixture(cases.family("mvgaussian", 2), 2)
    plain = bm.fit_em(model, x, start=z, seed=0)
    more = bm.fit_em(model, np.concatenate([x, np.full((7, 2), np.nan)]), start=np.append(z, [0, 1, 0, 1, 0, 1, 0]))
    assert more.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-7)
    for name in plain.best:
        np.testing.assert_allclose(more.best[name], plain.best[name], atol=1e-5)
    np.testing.assert_allclose(more.predict_proba()[-7:], [more.best["weight"]] * 7, rtol=1e-9)


def test_a_blank_row_counts_by_its_label_alone():
    x, _ = rows("gaussian_var", 10, share=0.0, blank=False)
    both = np.concatenate([x, np.full((30, 2), np.nan)])
    label = np.append(np.full(len(x), -1), np.zeros(30, int))
    model = bm.Mixture(cases.family("gaussian_var", 2), 2)
    fit = bm.fit_em(model, bm.Data(both, label=label), restarts=3, seed=0)
    np.testing.assert_allclose(fit.predict_proba()[-30:], [[1, 0]] * 30)
    said = fit.log_density()[-1]
    assert said == pytest.approx(np.log(fit.best["weight"][0]), rel=1e-12)


def test_all_labels_are_separate_fits_with_gaps():
    x, z = rows("mvgaussian", 11, blank=False)
    family = cases.family("mvgaussian", 2)
    together = bm.fit_em(bm.Mixture(family, 2, weight=bm.Dirichlet(3.0)), bm.Data(x, label=z), restarts=1, seed=0)
    for k in range(2):
        alone = bm.fit_em(bm.Mixture(family, 1), bm.Data(x[z == k]), restarts=1, seed=0)
        for name in family.parameters:
            np.testing.assert_allclose(together.best[name][k], alone.best[name][0], rtol=1e-4, atol=1e-6)


def test_row_weight_two_is_a_doubled_row_with_gaps():
    x, z = rows("gaussian_conjugate", 12)
    model = bm.Mixture(cases.family("gaussian_conjugate", 2), 2)
    weight = np.where(np.arange(len(x)) % 3 == 0, 2.0, 1.0)
    double = np.concatenate([x, x[weight == 2]]), np.concatenate([z, z[weight == 2]])
    a = bm.fit_em(model, bm.Data(x, weight=weight), start=z, seed=0)
    b = bm.fit_em(model, bm.Data(double[0]), start=double[1], seed=0)
    assert a.log_posterior == pytest.approx(b.log_posterior, rel=1e-9)


@pytest.mark.parametrize("family", [bm.Gaussian(), bm.MvGaussian()], ids=["diagonal", "full"])
@pytest.mark.parametrize("scale,offset", [(1e-12, 0.0), (1e12, 0.0), (1.0, 1e6)])
def test_units_and_origin_do_not_matter(family, scale, offset):
    x, z = rows("mvgaussian", 13)
    a = bm.fit_em(bm.Mixture(family, 2), x, start=z, seed=0)
    b = bm.fit_em(bm.Mixture(family, 2), x * scale + offset, start=z, seed=0)
    np.testing.assert_allclose((b.best["mean"] - offset) / scale, a.best["mean"], rtol=1e-4, atol=1e-5)
    cells = (~np.isnan(x)).sum()
    assert b.log_likelihood + cells * np.log(scale) == pytest.approx(a.log_likelihood, abs=1e-4)
    assert b.certificate.ok


def test_left_out_priors_look_at_the_observed_cells():
    x, _ = rows("mvgaussian", 14)
    model = bm.Mixture(bm.Gaussian(), 2).resolve(bm.Data(x))
    np.testing.assert_allclose(model.family.mean.mean, np.nanmean(x, axis=0), rtol=1e-12)
    np.testing.assert_allclose(model.family.mean.sd, 2 * np.nanstd(x, axis=0), rtol=1e-12)


# ---- the lecture's numbers ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lecture():
    """x (40, 2) whose second column ends after 20 rows, the printed table, and the model without priors."""
    x = np.genfromtxt(GOLDEN / "seed004_missing_sample.csv", delimiter=",", skip_header=1)
    golden = read_golden("seeds")["seed004_missing"]
    mu1, mu2, rho, s1, s2 = golden["naive_rows"][0]
    start = {"weight": [1.0], "mean": [[mu1, mu2]], "cov": [[[s1**2, rho * s1 * s2], [rho * s1 * s2, s2**2]]]}
    return x, golden, bm.Mixture(bm.MvGaussian(mean=bm.Flat(), cov=bm.Flat()), 1), start


def as_row(theta):
    """mu1, mu2, rho, s1, s2, the columns of the lecture's table."""
    mean, cov = theta["mean"][0], theta["cov"][0]
    sd = np.sqrt(np.diag(cov))
    return [*mean, cov[0, 1] / sd.prod(), *sd]


def test_the_lectures_table(lecture):
    x, golden, model, start = lecture
    fit = bm.fit_em(model, x, start=start, impute="mean", keep_trace=True, seed=0)
    table = np.array([as_row(t) for t in fit.runs[0].thetas[:20]])
    np.testing.assert_allclose(table, golden["naive_rows"], atol=1e-9)
    trace = fit.runs[0].trace[:20, 0]
    np.testing.assert_allclose(trace, golden["naive_observed_loglik"], atol=1e-9)
    assert (np.diff(trace) < -1e-3).any() and fit.runs[0].status == "converged"  # it fell, and that is no fault
    assert as_row(fit.best)[2] == pytest.approx(0.947156, abs=1e-6)
    assert as_row(fit.best)[4] == pytest.approx(0.862140, abs=1e-6)
    assert any("not EM" in note for note in fit.settings["notes"]) and fit.settings["impute"] == "mean"
    assert not fit.optima[0].definite and fit.optima[0].gradient_norm > 1


def test_the_true_maximum_likelihood(lecture):
    x, golden, model, start = lecture
    fit = bm.fit_em(model, x, start=start, keep_trace=True, seed=0)
    table = np.array([as_row(t) for t in fit.runs[0].thetas[:6]])
    np.testing.assert_allclose(table, golden["correct_EM_first_rows"], atol=1e-9)
    assert (np.diff(fit.runs[0].trace[:, 0]) >= -1e-12).all()
    limit = golden["correct_EM_limit"]
    np.testing.assert_allclose(as_row(fit.best), [limit[n] for n in ("mu1", "mu2", "rho", "s1", "s2")], atol=1e-6)
    assert fit.log_likelihood == pytest.approx(-73.174978, abs=1e-6)
    assert fit.optima[0].definite and fit.optima[0].gradient_norm < 1e-4


def test_the_true_maximum_is_the_regression(lecture):
    """In closed form for a monotone pattern: the regression of y on x carried over to all x."""
    x, _, model, _ = lecture
    fit = bm.fit_em(model, x, restarts=1, seed=0)
    seen = ~np.isnan(x[:, 1])
    slope, intercept = np.polyfit(x[seen, 0], x[seen, 1], 1)
    noise = (x[seen, 1] - intercept - slope * x[seen, 0]).var()
    a, v = x[:, 0].mean(), x[:, 0].var()
    np.testing.assert_allclose(fit.best["mean"][0], [a, intercept + slope * a], atol=1e-6)
    np.testing.assert_allclose(fit.best["cov"][0], [[v, slope * v], [slope * v, slope**2 * v + noise]], atol=1e-6)
    np.testing.assert_allclose(fit.impute()[~seen, 1], intercept + slope * x[~seen, 0], atol=1e-6)


# ---- what is said of the gaps ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    x, z = rows("mvgaussian", 15)
    return x, bm.fit_em(bm.Mixture(cases.family("mvgaussian", 2), 2), x, start=z, seed=0)


def test_impute_is_the_conditional_expectation(fitted):
    x, fit = fitted
    got = fit.impute()
    np.testing.assert_array_equal(got[~np.isnan(x)], x[~np.isnan(x)])
    assert np.isnan(fit.data.x).any() and not np.isnan(got).any()
    i = int(np.flatnonzero(np.isnan(x[:, 1]) & ~np.isnan(x[:, 0]))[0])
    t = np.linspace(-30, 30, 20_001)
    density = np.exp(fit.log_density(np.column_stack([np.full(len(t), x[i, 0]), t])))
    assert got[i, 1] == pytest.approx((t * density).sum() / density.sum(), abs=1e-8)
    np.testing.assert_allclose(got[5], fit.best["weight"] @ fit.best["mean"], rtol=1e-12)
    np.testing.assert_allclose(fit.impute(x[:9]), got[:9], rtol=1e-12)


def test_imputed_draws_scatter_about_it(fitted):
    x, fit = fitted
    draws = fit.impute(draws=1000, seed=0)
    assert draws.shape == (1000, *x.shape)
    error = draws.std(axis=0) / np.sqrt(1000)
    gap = np.isnan(x)
    assert (np.abs(draws.mean(axis=0) - fit.impute())[gap] <= 6 * error[gap]).all() and (error[gap] > 0).all()
    np.testing.assert_array_equal(draws[7][~gap], x[~gap])
    np.testing.assert_array_equal(fit.impute(draws=3, seed=1), fit.impute(draws=3, seed=1))
    with pytest.raises(bm.InputError, match="draws"):
        fit.impute(draws=0)


@pytest.mark.parametrize("kind", ["gaussian_sd", "poisson", "bernoulli"])
def test_impute_with_independent_features(kind):
    x, z = rows(kind, 16)
    fit = bm.fit_em(bm.Mixture(cases.family(kind, 2), 2), x, start=z, seed=0)
    mean = fit.predict_proba() @ fit.best[fit.mixture.family.expectation]
    np.testing.assert_allclose(fit.impute(), np.where(np.isnan(x), mean, x), rtol=1e-12)
    draws = fit.impute(draws=2, seed=0)
    fit.mixture.family.check(draws[0], fit.data.names)  # a drawn gap is a possible value
    short = bm.fit_em(bm.Mixture(cases.family(kind, 2), 2), x, start=z, seed=0, impute="mean")
    assert (short.log_posterior < fit.log_posterior - 1e-6) == (kind == "gaussian_sd")


def test_an_mcmc_fit_averages_over_its_draws(fitted):
    _, fit = fitted
    other = fit.mixture.draw_prior(np.random.default_rng(0), 2)
    two = bm.Fit(
        "mcmc", fit.mixture, fit.data, {n: np.stack([fit.best[n], other[n]])[None] for n in other},
        np.zeros((1, 2)), np.array([[[0, 1], [1, 0]]]), {}, fit.certificate,
    )  # fmt: skip
    one = bm.Fit(
        "mcmc", fit.mixture, fit.data, {n: v[None, None] for n, v in other.items()}, np.zeros((1, 1)),
        np.array([[[0, 1]]]), {}, fit.certificate,
    )  # fmt: skip
    np.testing.assert_allclose(two.impute(), 0.5 * (fit.impute() + one.impute()), rtol=1e-12)


def test_new_rows_with_gaps(fitted):
    _, fit = fitted
    new = np.array([[1.0, np.nan], [np.nan, np.nan]])
    best = fit.best
    at = best["weight"] * stats.norm(best["mean"][:, 0], np.sqrt(best["cov"][:, 0, 0])).pdf(1.0)
    np.testing.assert_allclose(fit.predict_proba(new), [at / at.sum(), best["weight"]], rtol=1e-10)
    np.testing.assert_allclose(fit.log_density(new), [np.log(at.sum()), 0.0], atol=1e-12)
    assert fit.predict(new).tolist() == [at.argmax(), best["weight"].argmax()]


def test_a_saved_fit_keeps_its_gaps(fitted, tmp_path):
    _, fit = fitted
    again = bm.load(fit.save(tmp_path / "fit.nc"))
    np.testing.assert_array_equal(again.data.x, fit.data.x)
    np.testing.assert_allclose(again.impute(), fit.impute(), rtol=1e-12)


# ---- what cannot be done --------------------------------------------------------------------------------------


class _Odd(bm.Gaussian):
    """A family that has not said that its features are independent."""

    independent = False


class _Laplace(newcomers.Laplace):
    """Not an exponential family: the numeric M-step looks at the observed cells."""

    independent = True
    expectation = "center"


def test_a_family_that_is_not_exponential():
    x, _ = rows("gaussian_var", 19, n=24)
    family = _Laplace(center=bm.Normal(0, 5), width=bm.LogNormal(0, 1))
    data = bm.Data(x)
    model, problem = problem_of(family, data)
    run = engine.run(problem, starts.draw("kmeans++", problem, np.random.default_rng(0)), max_iter=8)
    assert (np.diff(run.trace[:, 0]) >= -1e-9).all() and run.trace[-1, 0] > run.trace[0, 0]
    assert run.log_posterior == pytest.approx(sum(model.log_posterior(data, run.theta).values()), rel=1e-12)
    exact = stats.laplace(run.theta["center"][0], run.theta["width"][0]).logpdf(np.nan_to_num(x))
    np.testing.assert_allclose(
        family.log_density(x, model.own(run.theta))[:, 0], np.where(np.isnan(x), 0.0, exact).sum(axis=1), atol=1e-12
    )
    with pytest.raises(bm.InputError, match="sufficient statistics to impute"):
        bm.fit_em(bm.Mixture(family, 2), x, impute="mean", restarts=1, seed=0)


def test_other_families_say_so():
    x, _ = rows("gaussian_var", 17)
    with pytest.raises(bm.InputError, match="_Odd does not support missing cells"):
        bm.fit_em(bm.Mixture(_Odd(), 2), x, restarts=1, seed=0)
    fit = bm.fit_em(bm.Mixture(_Odd(), 2), np.nan_to_num(x), restarts=1, seed=0)
    with pytest.raises(bm.InputError, match="_Odd does not support; drop"):
        fit.predict(x)


def test_impute_takes_mean_or_nothing():
    x, _ = rows("gaussian_var", 18)
    with pytest.raises(bm.InputError, match="impute='median'"):
        bm.fit_em(bm.Mixture(bm.Gaussian(), 2), x, impute="median", restarts=1, seed=0)
    whole = bm.fit_em(bm.Mixture(bm.Gaussian(), 2), np.nan_to_num(x), impute="mean", restarts=1, seed=0)
    assert whole.settings["impute"] is None and not any("impute" in n for n in whole.settings["notes"])


@pytest.mark.parametrize("family,bad", [(bm.Bernoulli(), 2.0), (bm.Poisson(), 1.5)])
def test_the_sample_space_is_checked_between_gaps(family, bad):
    x = np.array([[np.nan, 1.0], [1.0, 0.0], [0.0, np.nan], [1.0, bad]])
    with pytest.raises(bm.InputError, match="row 3"):
        bm.fit_em(bm.Mixture(family, 1), x, restarts=1, seed=0)
    x[3, 1] = 0.0
    assert bm.fit_em(bm.Mixture(family, 1), x, restarts=1, seed=0).log_posterior < 0

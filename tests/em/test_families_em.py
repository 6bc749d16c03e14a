"""EM for the families beyond the Gaussians: exact answers at K = 1, known truth at K = 2, other units, edges."""

import numpy as np
import pytest
from scipy import optimize, stats

import bayesmix as bm
from bayesmix.em import engine
from bayesmix.spec.climb import log_slope, root
from bayesmix.spec.families.base import Family
from bayesmix.spec.gamma_ratios import digamma_difference, log_gamma_ratio

N = 600
Z = np.arange(N) % 2


def rows(name):
    """Rows of two well separated components, component Z[i] each."""
    rng = np.random.default_rng(sum(map(ord, name)))
    if name == "Categorical":
        p = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]])[Z]
        return np.stack([(rng.random((N, 1)) > np.cumsum(p, axis=1)[:, :2]).sum(axis=1) for _ in range(5)], axis=1)
    if name == "Multinomial":
        return np.stack(
            [rng.multinomial(3 + i % 9, p) for i, p in enumerate(np.array([[0.8, 0.1, 0.1], [0.1, 0.2, 0.7]])[Z])]
        )
    x = {
        "NegativeBinomial": lambda: rng.poisson(np.array([2.0, 40.0])[Z] * rng.gamma(4.0, 0.25, N)),
        "ExponentialComponent": lambda: rng.exponential(np.array([0.5, 60.0])[Z]),
        "GammaComponent": lambda: rng.gamma(np.array([3.0, 40.0])[Z]),
        "LogNormalComponent": lambda: np.exp(rng.normal(np.array([0.0, 3.0])[Z], 0.5)),
        "StudentT": lambda: 9.0 * Z + rng.standard_t(3, N),
        "MvStudentT": lambda: 9.0 * Z[:, None] + rng.standard_t(4, (N, 2)),
    }[name]()
    return x.astype(float).reshape(N, -1)


FAMILIES = {
    "Categorical": bm.Categorical,
    "Multinomial": bm.Multinomial,
    "NegativeBinomial": bm.NegativeBinomial,
    "ExponentialComponent": bm.ExponentialComponent,
    "GammaComponent": bm.GammaComponent,
    "LogNormalComponent": bm.LogNormalComponent,
    "StudentT": bm.StudentT,
    "MvStudentT": bm.MvStudentT,
}


@pytest.fixture(autouse=True)
def no_hessian(monkeypatch):
    """The census without its numeric Hessians: these tests are about EM itself."""
    monkeypatch.setattr("bayesmix.em.modes.LARGEST_HESSIAN", 0)


# ---- known truth -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
def test_em_finds_the_components(name):
    """The posterior mode is above the truth's own responsibilities, climbs without a fall, and sorts the rows."""
    x = rows(name)
    model = bm.Mixture(FAMILIES[name](), 2)
    fit = bm.fit_em(model, x, restarts=2, seed=1)
    for run in fit.runs:
        assert run.status == engine.CONVERGED
        assert (np.diff(run.trace[:, 0]) >= -1e-11 * np.maximum(1, np.abs(run.trace[1:, 0]))).all()
    from_truth = bm.fit_em(model, x, start=Z, seed=1)
    assert fit.log_posterior >= from_truth.log_posterior - 1e-6
    agreement = np.mean(fit.predict() == Z)
    assert max(agreement, 1 - agreement) > 0.93
    assert fit.certificate.ok


@pytest.mark.parametrize(
    "name,power",
    [("ExponentialComponent", 1), ("GammaComponent", 1), ("LogNormalComponent", 1), ("StudentT", 1), ("MvStudentT", 1)],
)
@pytest.mark.parametrize("factor", [1e-12, 1e12])
def test_other_units(name, power, factor):
    """Left-out priors stretch with the data: the same responsibilities whatever the units."""
    x = rows(name)[:150]
    a, b = (bm.fit_em(bm.Mixture(FAMILIES[name](), 2), v, start=Z[:150], seed=0) for v in (x, x * factor))
    np.testing.assert_allclose(a.predict_proba(), b.predict_proba(), atol=1e-6)


@pytest.mark.parametrize("name", ["StudentT", "MvStudentT"])
def test_another_origin(name):
    x = rows(name)[:150]
    a, b = (bm.fit_em(bm.Mixture(FAMILIES[name](), 2), v, start=Z[:150], seed=0) for v in (x, x + 1e5))
    np.testing.assert_allclose(a.predict_proba(), b.predict_proba(), atol=1e-6)


# ---- K = 1 under flat priors: maximum likelihood, against SciPy ----------------------------------------------


def flat(family, **options):
    names = [p for p in family().parameters if p not in options]
    return family(**dict.fromkeys(names, bm.Flat()), **options)


def best(family, x, **options):
    return bm.fit_em(bm.Mixture(flat(family, **options), 1), x, restarts=1, seed=0, tol=1e-10)


def test_gamma_maximum_likelihood():
    x = rows("GammaComponent")[Z == 0]
    shape, _, scale = stats.gamma.fit(x, floc=0)
    fit = best(bm.GammaComponent, x)
    np.testing.assert_allclose([fit.best["shape"][0, 0], fit.best["rate"][0, 0]], [shape, 1 / scale], rtol=1e-6)
    assert fit.log_likelihood >= stats.gamma(shape, scale=scale).logpdf(x).sum() - 1e-9
    assert len(fit.runs[0].trace) <= 3  # the M-step is the joint maximum, not a cycle


def test_lognormal_maximum_likelihood():
    x = rows("LogNormalComponent")[Z == 0]
    fit = best(bm.LogNormalComponent, x)
    np.testing.assert_allclose(fit.best["mean"][0, 0], np.log(x).mean(), rtol=1e-10)
    np.testing.assert_allclose(fit.best["var"][0, 0], np.log(x).var(), rtol=1e-10)
    assert fit.summary().loc["expectation[0]", "value"] == pytest.approx(np.exp(np.log(x).mean() + np.log(x).var() / 2))


def test_exponential_and_multinomial_maximum_likelihood():
    x = rows("ExponentialComponent")
    assert best(bm.ExponentialComponent, x).best["rate"][0, 0] == pytest.approx(1 / x.mean(), rel=1e-12)
    counts = rows("Multinomial")
    np.testing.assert_allclose(best(bm.Multinomial, counts).best["prob"][0], counts.sum(axis=0) / counts.sum())
    codes = rows("Categorical")
    share = (codes[:, :, None] == np.arange(3)).mean(axis=0)
    np.testing.assert_allclose(best(bm.Categorical, codes).best["prob"][0], share, rtol=1e-12)


def test_negative_binomial_maximum_likelihood():
    x = rows("NegativeBinomial")[Z == 0]
    fit = best(bm.NegativeBinomial, x)
    m = x.mean()
    found = optimize.minimize_scalar(
        lambda u: -stats.nbinom(np.exp(u), np.exp(u) / (m + np.exp(u))).logpmf(x).sum(), (0.0, 1.0), tol=1e-12
    )
    assert fit.best["mean"][0, 0] == pytest.approx(m, rel=1e-9)
    assert fit.best["alpha"][0, 0] == pytest.approx(np.exp(found.x), rel=1e-5)
    assert fit.log_likelihood == pytest.approx(-found.fun, abs=1e-8)


def test_t_maximum_likelihood():
    x = rows("StudentT")[Z == 0]
    df, loc, scale = stats.t.fit(x)
    fit = best(bm.StudentT, x)
    assert fit.log_likelihood >= stats.t(df, loc, scale).logpdf(x).sum() - 1e-9
    np.testing.assert_allclose(
        [fit.best["df"][0], fit.best["mean"][0, 0], fit.best["scale"][0, 0]], [df, loc, scale], rtol=2e-3
    )
    one = bm.MvStudentT(mean=bm.Flat(), scale=bm.Flat(), df=bm.Flat())  # at d = 1 the same distribution
    mv = bm.fit_em(bm.Mixture(one, 1), x, restarts=1, seed=0, tol=1e-10)
    assert mv.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-7)
    assert mv.best["scale"][0, 0, 0] == pytest.approx(fit.best["scale"][0, 0] ** 2, rel=1e-4)


def test_large_fixed_df_is_the_gaussian(faithful):
    """df = 1e8 gives the Gaussian's maximum likelihood to the difference of the densities, about n / df."""
    t = best(bm.MvStudentT, faithful.x, df=bm.Fixed(1e8))
    gaussian = bm.fit_em(bm.Mixture(bm.MvGaussian(mean=bm.Flat(), cov=bm.Flat()), 1), faithful.x, restarts=1, seed=0)
    assert t.log_likelihood == pytest.approx(gaussian.log_likelihood, abs=1e-4)
    np.testing.assert_allclose(t.best["scale"], gaussian.best["cov"], rtol=1e-5)


def test_light_tails_and_even_counts_reach_the_limit():
    """Maximum likelihood at infinity: df and alpha end where the density is Gaussian or Poisson to rounding."""
    x = np.linspace(-1, 1, 40)
    assert best(bm.StudentT, x).best["df"][0] == pytest.approx(1e8)
    even = np.tile([4.0, 5.0, 6.0], 10)
    fit = best(bm.NegativeBinomial, even)
    assert fit.best["alpha"][0, 0] == pytest.approx(1e8)
    assert fit.log_likelihood == pytest.approx(stats.poisson(5.0).logpmf(even).sum(), abs=1e-5)


# ---- the M-steps -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["StudentT", "MvStudentT", "NegativeBinomial"])
@pytest.mark.parametrize("shared", [False, True])
def test_update_ends_no_lower_than_the_numeric_step(name, shared):
    """Fixed points of the M-step against a quasi-Newton ascent of the same Q, from the same start."""
    x, rng = rows(name)[:60], np.random.default_rng(5)
    family = FAMILIES[name](shared=shared).resolve(x)
    r = rng.dirichlet(np.ones(2), size=len(x))
    theta = numeric = family.start(2, x.shape[1])
    for _ in range(60):
        theta = family.update(x, r, theta)
    for _ in range(3):
        numeric = Family.update(family, x, r, numeric)
    exact, climbed = family.complete(x, r, theta), family.complete(x, r, numeric)
    assert exact >= climbed - 1e-8 * abs(climbed)
    assert exact == pytest.approx(climbed, rel=1e-5)
    shaken = family.from_vector(family.vector(theta) + 1e-3, theta)
    assert family.complete(x, r, shaken) < exact  # negative control


def test_a_fall_is_answered_by_the_numeric_step():
    x = rows("StudentT")[:50]
    family, r = bm.StudentT().resolve(x), np.ones((50, 1))
    good = family.update(x, r, family.start(1, 1))
    bad = {**good, "mean": good["mean"] + 5}
    kept = family.not_lower(x, r, good, bad)
    assert family.complete(x, r, kept) >= family.complete(x, r, good) > family.complete(x, r, bad)
    assert family.not_lower(x, r, bad, good) is good


def test_any_prior_on_positives():
    """Priors without a kernel, and bounded ones, in the M-steps that use slopes."""
    x, counts = rows("GammaComponent"), rows("NegativeBinomial")
    for family, data, name in (
        (bm.GammaComponent(shape=bm.LogNormal(1, 1), rate=bm.LogNormal(0, 1)), x, "shape"),
        (bm.GammaComponent(shape=bm.Uniform(0.5, 4), rate=bm.Gamma(2, 1)), x, "shape"),
        (bm.NegativeBinomial(mean=bm.LogNormal(2, 1), alpha=bm.Uniform(0.1, 3)), counts, "alpha"),
        (bm.StudentT(scale=bm.Gamma(2, 1), df=bm.Uniform(2, 5)), rows("StudentT"), "df"),
    ):
        fit = bm.fit_em(bm.Mixture(family, 2), data[:100], start=Z[:100], seed=0)
        assert fit.runs[0].status == engine.CONVERGED
        low, high = family.parameters[name].prior.interval
        assert (fit.best[name] >= low).all() and (fit.best[name] <= high).all()


# ---- edges -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
def test_few_rows_and_a_far_outlier(name):
    """n < K, and one row far from all others: no warning, no NaN."""
    x = rows(name)
    family = FAMILIES[name]().resolve(x)
    few = bm.fit_em(bm.Mixture(family, 4), x[:3], restarts=2, seed=0, max_iter=200)
    assert np.isfinite(few.log_posterior)
    far = x[:30].astype(float)
    if name not in ("Categorical", "Multinomial"):
        far[7] = 1e4 * np.abs(x).max()
        far = np.round(far)
        far = far if name != "LogNormalComponent" and name != "GammaComponent" else far + 1
    fit = bm.fit_em(bm.Mixture(FAMILIES[name](), 2), far, restarts=2, seed=0, max_iter=300)
    assert np.isfinite(fit.log_posterior) and np.isfinite(fit.predict_proba()).all()


def test_a_flat_gamma_component_that_collapses_is_named():
    """20 equal rows have no best shape: from near there a flat prior lets the shape run off."""
    x = np.concatenate([np.full(20, 3.0), np.linspace(1, 9, 40)])
    near = {"weight": [0.3, 0.7], "shape": [[1e5], [4.0]], "rate": [[1e5 / 3], [1.0]]}
    with pytest.raises(bm.InputError, match="collapsed"):
        bm.fit_em(bm.Mixture(flat(bm.GammaComponent), 2), x, start=near, seed=0)
    proper = bm.fit_em(bm.Mixture(bm.GammaComponent(), 2), x, start=near, seed=0)
    assert proper.runs[0].status == engine.CONVERGED


def test_multinomial_totals():
    x = rows("Multinomial")
    fit = bm.fit_em(bm.Mixture(bm.Multinomial(), 2), x, start=Z, seed=0)
    total, share = np.array(fit.mixture.family.totals).T
    np.testing.assert_array_equal(total, np.unique(x.sum(axis=1)))
    new, _ = fit.simulate(4000, seed=0)
    assert set(new.sum(axis=1)) == set(total)
    p = np.array([(new.sum(axis=1) == t).mean() for t in total])
    assert (np.abs(p - share) <= 5 * np.sqrt(share * (1 - share) / 4000)).all()
    given = bm.Multinomial(totals=7).resolve(x.astype(float))
    assert (given.draw(np.zeros(5, int), np.random.default_rng(0), prob=fit.best["prob"]).sum(axis=1) == 7).all()
    for bad in ("many", -1, ((3, -0.5),), ()):
        with pytest.raises(bm.InputError, match="totals"):
            bm.Multinomial(totals=bad)


def test_categories():
    x = rows("Categorical")
    fit = bm.fit_em(bm.Mixture(bm.Categorical(), 2), x, start=Z, seed=0)
    assert fit.mixture.family.categories == 3 and fit.best["prob"].shape == (2, 5, 3)
    assert fit.df == 1 + 2 * 5 * 2
    assert fit.tree["posterior"]["prob"].dims == ("chain", "draw", "component", "feature", "category")
    assert {"prob[0, x0, 0]", "prob[1, x4, 2]", "prob[0, x2, 1]"} <= set(fit.summary().index)
    with pytest.raises(bm.InputError, match=r"codes 0\.\.2"):
        fit.predict_proba(x[:3] + 1)
    more = bm.Mixture(bm.Categorical(categories=4), 2).resolve(bm.Data(x))
    assert more.field_shape("prob", 5) == (2, 5, 4)
    for bad in (1, 2.5, "3", True):
        with pytest.raises(bm.InputError, match="at least 2"):
            bm.Categorical(categories=bad)


# ---- the helpers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("a", [1e-3, 0.7, 12.0, 99.0, 101.0, 3e4, 1e9, 1e15])
def test_gamma_differences_are_sums(a):
    """Gamma(a + m) / Gamma(a) = a (a + 1) ... (a + m - 1) for whole m, exactly."""
    for m in (1, 2, 7, 40):
        steps = a + np.arange(m)
        assert log_gamma_ratio(a, m) == pytest.approx(np.log(steps).sum(), rel=3e-14, abs=3e-13)
        assert digamma_difference(a, m) == pytest.approx((1 / steps).sum(), rel=1e-12)


def test_root():
    top = np.array([[1.0, 2.0], [3.0, 1e-3]])
    np.testing.assert_allclose(np.exp(root(lambda u: top - np.exp(u), np.zeros((2, 2)))), top, rtol=1e-14)
    np.testing.assert_array_equal(root(lambda u: np.array([1.0, -1.0]) + 0 * u, np.zeros(2)), [80, -80])
    np.testing.assert_array_equal(root(lambda u: -u, np.zeros(1)), [0.0])


@pytest.mark.parametrize(
    "prior", [bm.Gamma(2, 3), bm.InverseGamma(2, 3), bm.HalfNormal(2), bm.Exponential(2), bm.LogNormal(1, 0.5)]
)
def test_log_slope(prior):
    v, h = np.array([0.3, 1.0, 4.0]), 1e-4
    exact = (prior.logp(v * np.exp(h), {}) - prior.logp(v * np.exp(-h), {})) / (2 * h)
    np.testing.assert_allclose(log_slope(prior, v, {}), exact, rtol=1e-6, atol=1e-6)

"""EM as an algorithm: it never falls, repeats itself, respects every symmetry, and says when it is stuck."""

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp

import bayesmix as bm
import cases
from bayesmix.em import engine, starts
from bayesmix.em.kernel import Problem

SEED = 7


@pytest.fixture(autouse=True)
def no_hessian(monkeypatch):
    """The census without its numeric Hessians: these tests are about the climb."""
    monkeypatch.setattr("bayesmix.em.modes.LARGEST_HESSIAN", 0)


FLAT_VVV = bm.MvGaussian(mean=bm.Flat(), cov=bm.Flat())


def blobs(n=60, d=2, gap=4.0):
    rng = np.random.default_rng(5)
    z = np.arange(n) % 2
    return rng.normal(size=(n, d)) * np.linspace(1, 0.5, d) + gap * z[:, None], z


def same_theta(a, b, **tolerance):
    for name in a:
        np.testing.assert_allclose(b[name], a[name], err_msg=name, **tolerance)


def climb(case, **options):
    """One run without the census."""
    model = case.model.resolve(case.data)
    problem = Problem.of(model, case.data)
    theta = starts.draw("kmeans++", problem, np.random.default_rng(SEED))
    return model, engine.run(problem, theta, **options)


# ---- the objective -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases.pairwise() + cases.extras(), ids=cases.name)
def test_the_objective_never_falls(case):
    model, run = climb(case, max_iter=12, keep=True)
    assert run.status in (engine.CONVERGED, engine.EXHAUSTED)
    objective = run.trace[:, 0]
    assert np.isfinite(objective).all() and len(run.thetas) == len(objective)
    assert (np.diff(objective) >= -1e-11 * np.maximum(1, np.abs(objective[1:]))).all()
    np.testing.assert_array_equal(run.trace[:, 0], run.trace[:, 1])  # at stiffness 1, F is the log posterior
    # what the trace says is what the specification says of the theta it kept, hard constraints included
    for i in {0, len(objective) - 1}:
        said = sum(model.log_posterior(case.data, run.thetas[i]).values())
        assert objective[i] == pytest.approx(said, rel=1e-9, abs=1e-9)
    assert run.counts.sum() == pytest.approx(case.data.row_weight.sum(), rel=1e-12)


@pytest.mark.parametrize("stiffness", [0.3, 1.0, 2.5, np.inf])
def test_stiffness_climbs_its_own_objective(stiffness, galaxies):
    model = bm.Mixture(bm.Gaussian(), 3).resolve(galaxies)
    problem = Problem.of(model, galaxies)
    theta = starts.draw("kmeans++", problem, np.random.default_rng(1))
    run = engine.run(problem, theta, stiffness=stiffness, max_iter=300)
    assert run.status == engine.CONVERGED
    assert (np.diff(run.trace[:, 0]) >= -1e-9).all()
    l = model.log_joint(galaxies.x, run.theta)
    rows = l.max(axis=1) if np.isinf(stiffness) else logsumexp(stiffness * l, axis=1) / stiffness
    prior = sum(model.log_prior(run.theta).values())
    assert run.trace[-1, 0] == pytest.approx(rows.sum() + prior, rel=1e-12)
    assert run.trace[-1, 1] == pytest.approx(logsumexp(l, axis=1).sum() + prior, rel=1e-12)


def test_a_fall_is_reported(monkeypatch, galaxies):
    """Negative control: an M-step that goes down ends the run at its last good theta."""
    model = bm.Mixture(bm.Gaussian(), 2).resolve(galaxies)
    problem = Problem.of(model, galaxies)
    theta = starts.draw("kmeans++", problem, np.random.default_rng(1))
    good, calls = engine.m_step, itertools.count()

    def bad(problem, here, theta):
        new = good(problem, here, theta)
        return new if next(calls) < 2 else {**new, "mean": new["mean"] + 1.0}

    monkeypatch.setattr(engine, "m_step", bad)
    run = engine.run(problem, theta)
    assert run.status == "numerical fall" and run.iterations == 2
    assert run.log_posterior == pytest.approx(sum(model.log_posterior(galaxies, run.theta).values()), rel=1e-12)


# ---- the same again ----------------------------------------------------------------------------------------


def fits_equal(a, b):
    for name in a.best:
        np.testing.assert_array_equal(a.best[name], b.best[name])
    for r, s in zip(a.runs, b.runs, strict=True):
        np.testing.assert_array_equal(r.trace, s.trace)
        assert r.status == s.status


def test_same_seed_same_bits(galaxies):
    model = bm.Mixture(bm.Gaussian(), 3)
    a, b = (bm.fit_em(model, galaxies, restarts=3, seed=11) for _ in range(2))
    fits_equal(a, b)
    other = bm.fit_em(model, galaxies, restarts=3, seed=12)
    assert not np.array_equal(other.runs[0].trace[0], a.runs[0].trace[0])
    more = bm.fit_em(model, galaxies, restarts=4, seed=11)  # restart i does not depend on how many there are
    np.testing.assert_array_equal(more.runs[2].trace, a.runs[2].trace)


def test_workers_do_not_matter(galaxies):
    model = bm.Mixture(bm.Gaussian(), 2)
    one, two = (bm.fit_em(model, galaxies, restarts=4, seed=3, workers=w) for w in (1, 2))
    fits_equal(one, two)


def test_a_fresh_seed_is_recorded(galaxies):
    model = bm.Mixture(bm.Gaussian(), 2)
    a = bm.fit_em(model, galaxies, restarts=2)
    b = bm.fit_em(model, galaxies, restarts=2, seed=a.settings["seed"])
    fits_equal(a, b)


def test_a_converged_point_does_not_move(faithful):
    fit = bm.fit_em(bm.Mixture(FLAT_VVV, 2), faithful, restarts=1, seed=1)
    again = bm.fit_em(bm.Mixture(FLAT_VVV, 2), faithful, start=fit, seed=0)
    assert again.runs[0].iterations <= 2 and again.settings["start"] == "given"
    same_theta(fit.best, again.best, rtol=1e-7)
    assert again.log_posterior == pytest.approx(fit.log_posterior, abs=1e-9)


def test_stopping_is_not_a_tolerance_per_row(faithful):
    """A tighter tol never stops earlier, and max_iter is obeyed and reported."""
    model, start = bm.Mixture(FLAT_VVV, 2), (faithful.x[:, 1] > 60).astype(int)
    loose, tight = (bm.fit_em(model, faithful, start=start, seed=0, tol=tol).runs[0] for tol in (1e-3, 1e-6))
    assert loose.iterations < tight.iterations
    short = bm.fit_em(model, faithful, start=start, seed=0, max_iter=3).runs[0]
    assert short.status == "reached max_iter" and short.iterations == 3


# ---- symmetries --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind,d",
    [
        ("gaussian_var", 2),
        ("gaussian_sd", 1),
        ("mvgaussian_conjugate", 2),
        ("poisson", 2),
        ("categorical", 1),
        ("negative_binomial", 1),
        ("gamma", 1),
        ("student_t", 1),
        ("mv_student_t", 2),
    ],
)
def test_row_weight_two_is_a_doubled_row(kind, d):
    x, z = cases.rows(kind, d, 2)
    model = bm.Mixture(cases.family(kind, d), 2, weight=bm.Dirichlet(1.5))
    weight = np.array([2.0, 1.0, 1.0, 2.0] * 3)
    twice = np.concatenate([x, x[weight == 2]]), np.concatenate([z, z[weight == 2]])
    few = {"seed": 0, "max_iter": 60}  # every step is the same, so a short climb tells as much as a long one
    a = bm.fit_em(model, bm.Data(x, weight=weight), start=z, **few)
    b = bm.fit_em(model, bm.Data(twice[0]), start=twice[1], **few)
    plain = bm.fit_em(model, bm.Data(x), start=z, **few)
    assert a.log_posterior == pytest.approx(b.log_posterior, rel=1e-10)
    same_theta(a.best, b.best, rtol=1e-6, atol=1e-9)
    assert abs(a.log_posterior - plain.log_posterior) > 0.1


def test_a_row_of_weight_zero_is_absent():
    x, z = cases.rows("gaussian_var", 1, 2)
    model = bm.Mixture(cases.family("gaussian_var", 1), 2)
    far = np.append(x, [[1e3]], axis=0)
    a = bm.fit_em(model, bm.Data(far, weight=np.append(np.ones(12), 0)), start=np.append(z, 0), seed=0)
    b = bm.fit_em(model, bm.Data(x), start=z, seed=0)
    same_theta(a.best, b.best, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    "kind",
    [k for k in cases.KINDS if k not in ("gaussian_conjugate", "student_t")],
)
def test_all_labels_are_separate_fits(kind):
    x, z = cases.rows(kind, 2, 2)
    family = cases.family(kind, 2)
    together = bm.fit_em(bm.Mixture(family, 2, weight=bm.Dirichlet(3.0)), bm.Data(x, label=z), restarts=1, seed=0)
    np.testing.assert_allclose(together.best["weight"], (np.bincount(z) + 2) / (len(z) + 4), rtol=1e-9)
    for k in range(2):
        alone = bm.fit_em(bm.Mixture(family, 1), bm.Data(x[z == k]), restarts=1, seed=0)
        for name in family.parameters:
            np.testing.assert_allclose(together.best[name][k], alone.best[name][0], rtol=1e-5, atol=1e-7)
    onehot = bm.fit_em(
        bm.Mixture(family, 2, weight=bm.Dirichlet(3.0)), bm.Data(x, label=np.eye(2)[z]), restarts=1, seed=0
    )
    assert onehot.log_posterior == pytest.approx(together.log_posterior, rel=1e-12)


def test_one_component_is_the_plain_fit(iris):
    fit = bm.fit_em(bm.Mixture(FLAT_VVV, 1), iris.x[:, :2], restarts=1, seed=0)
    np.testing.assert_allclose(fit.best["mean"][0], iris.x[:, :2].mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(fit.best["cov"][0], np.cov(iris.x[:, :2].T, bias=True), rtol=1e-9)
    assert fit.best["weight"].tolist() == [1.0] and fit.df == 5
    counts = np.array([0.0, 3, 1, 4, 2])
    rate = bm.fit_em(bm.Mixture(bm.Poisson(rate=bm.Gamma(3, 2)), 1), counts, restarts=1, seed=0).best["rate"]
    np.testing.assert_allclose(rate, [[(10 + 2) / (5 + 2)]], rtol=1e-12)
    var = bm.Gaussian(mean=bm.Fixed(2.0), var=bm.InverseGamma(3, 1))
    value = bm.fit_em(bm.Mixture(var, 1), counts, restarts=1, seed=0).best["var"]
    np.testing.assert_allclose(value, [[(0.5 * ((counts - 2) ** 2).sum() + 1) / (2.5 + 4)]], rtol=1e-12)


@pytest.mark.parametrize(
    "kind,d",
    [("gaussian_var", 2), ("mvgaussian", 1), ("poisson", 1), ("bernoulli", 2), ("multinomial", 2), ("gamma", 1)],
)
def test_permutation_equivariance(kind, d):
    x, z = cases.rows(kind, d, 3)
    model = bm.Mixture(cases.family(kind, d), 3, weight=bm.Dirichlet(2.0))
    perm = np.array([2, 0, 1])
    a = bm.fit_em(model, x, start=z, seed=0)
    b = bm.fit_em(model, x, start=np.argsort(perm)[z], seed=0)
    assert a.log_posterior == pytest.approx(b.log_posterior, rel=1e-10)
    same_theta(model.permute(a.best, perm), b.best, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("family", [bm.Gaussian(), bm.MvGaussian(), FLAT_VVV], ids=["diagonal", "full", "flat"])
@pytest.mark.parametrize("scale,offset", [(1e-12, 0.0), (1e12, 0.0), (1.0, 1e6), (1e-3, -1e3)])
def test_units_and_origin_do_not_matter(family, scale, offset):
    x, z = blobs()
    model = bm.Mixture(family, 2)
    a = bm.fit_em(model, x, start=z, seed=0)
    b = bm.fit_em(model, x * scale + offset, start=z, seed=0)
    np.testing.assert_allclose(b.best["weight"], a.best["weight"], rtol=1e-6)
    np.testing.assert_allclose((b.best["mean"] - offset) / scale, a.best["mean"], rtol=1e-5, atol=1e-6)
    name = "cov" if "cov" in a.best else "var"
    np.testing.assert_allclose(b.best[name] / scale**2, a.best[name], rtol=1e-4, atol=1e-6)
    assert b.log_likelihood + x.size * np.log(scale) == pytest.approx(a.log_likelihood, abs=1e-5)
    assert b.certificate.ok and [r.status for r in b.runs] == ["converged"]


# ---- starts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [*starts.NAMES, "labels", "responsibilities", "theta", "fit"])
@pytest.mark.parametrize("labels", ["none", "some"])
def test_every_start(start, labels):
    x, z = blobs()
    data = bm.Data(x, label=None if labels == "none" else np.where(np.arange(len(z)) < 10, z, -1))
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(2, 5), var=bm.InverseGamma(2, 1)), 2)
    theta = {"weight": [0.5, 0.5], "mean": [[0.0, 0.0], [4.0, 4.0]], "var": np.ones((2, 2))}
    given = {
        "labels": z,
        "responsibilities": 0.1 + 0.8 * np.eye(2)[z],
        "theta": theta,
        "fit": bm.fit_em(model, data, start=theta, seed=0) if start == "fit" else None,
    }
    fit = bm.fit_em(model, data, start=given.get(start, start), restarts=3, seed=4)
    assert len(fit.runs) == (3 if start in starts.NAMES else 1)
    best = bm.fit_em(model, data, start=z, seed=0)
    if start != "jitter":  # which may stay at the saddle in the middle
        assert fit.log_posterior == pytest.approx(best.log_posterior, abs=1e-6)


def test_a_start_is_where_it_begins():
    x, _ = blobs()
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(2, 5), var=bm.InverseGamma(2, 1)), 2)
    theta = {"weight": [0.3, 0.7], "mean": [[0.0, 1.0], [4.0, 3.0]], "var": np.full((2, 2), 2.0)}
    fit = bm.fit_em(model, x, start=theta, seed=0, keep_trace=True)
    same_theta({n: np.asarray(v) for n, v in theta.items()}, fit.runs[0].thetas[0], rtol=1e-12, atol=1e-12)
    first = sum(model.log_posterior(bm.Data(x), {n: np.asarray(v, float) for n, v in theta.items()}).values())
    assert fit.runs[0].trace[0, 0] == pytest.approx(first, rel=1e-12)


def test_starts_in_other_clothes():
    """One-hot whole numbers, a mask, and fields (K,) where there is one feature: the same climbs."""
    x, z = blobs()
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(2, 5), var=bm.InverseGamma(2, 1)), 2)
    plain = bm.fit_em(model, x, start=z, seed=0).runs[0].trace
    for start in (np.eye(2, dtype=int)[z], z == 1, z.tolist()):
        np.testing.assert_allclose(bm.fit_em(model, x, start=start, seed=0).runs[0].trace, plain, rtol=1e-12)
    short = {"weight": [0.5, 0.5], "mean": [0.0, 4.0], "var": [1.0, 2.0]}
    full = {name: np.reshape(value, (2, 1) if name != "weight" else 2) for name, value in short.items()}
    a, b = (bm.fit_em(model, x[:, 0], start=theta, seed=0) for theta in (short, full))
    np.testing.assert_array_equal(a.runs[0].trace, b.runs[0].trace)


def test_a_generator_is_a_seed():
    """It gives one whole number, which is recorded and repeats the fit."""
    x, _ = blobs()
    a = bm.fit_em(bm.Mixture(bm.Gaussian(), 2), x, restarts=2, start="rows", seed=np.random.default_rng(5))
    b = bm.fit_em(a.mixture, x, restarts=2, start="rows", seed=a.settings["seed"])
    assert isinstance(a.settings["seed"], int) and a.settings["seed"] == np.random.default_rng(5).integers(2**32)
    assert all(np.array_equal(r.trace, s.trace) for r, s in zip(a.runs, b.runs, strict=True))


@pytest.mark.parametrize(
    "start,words",
    [
        ("best", "kmeans"),
        (np.zeros(7, int), "whole-number labels"),
        (np.full(60, 2), "0..1"),
        (np.full((60, 2), np.nan), "responsibilities"),
        ({"weight": [0.5, 0.5]}, "missing"),
        ({"weight": [0.5, 0.5], "mean": [0.0, 1.0], "var": np.ones((2, 2))}, "shape"),
        ({"weight": [0.5, 0.5], "mean": np.zeros((2, 2)), "var": np.full((2, 2), 99.0)}, "log prior"),
    ],
)
def test_bad_starts(start, words):
    x, _ = blobs()
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(2, 5), var=bm.Uniform(0, 9)), 2)
    with pytest.raises(bm.InputError, match=words):
        bm.fit_em(model, x, start=start, seed=0)


@pytest.mark.parametrize(
    "options",
    [
        {"restarts": 0},
        {"restarts": 2.5},
        {"max_iter": 0},
        {"workers": 0},
        {"stiffness": 0},
        {"stiffness": -1},
        {"tol": -1e-8},
        {"tol": float("nan")},
        {"seed": -1},
        {"seed": 1.5},
        {"seed": "one"},
    ],
)
def test_bad_options(options):
    with pytest.raises(bm.InputError, match=next(iter(options))):
        bm.fit_em(bm.Mixture(bm.Gaussian(), 2), blobs()[0], **({"seed": 0} | options))


def test_ctrl_c_keeps_what_is_finished(galaxies):
    def progress(done, total):
        assert total == 6
        if done == 2:
            raise KeyboardInterrupt

    model = bm.Mixture(bm.Gaussian(), 2)
    fit = bm.fit_em(model, galaxies, restarts=6, seed=3, progress=progress)
    assert len(fit.runs) == 2 and fit.settings["partial"] is True and fit.settings["restarts"] == 2
    whole = bm.fit_em(model, galaxies, restarts=6, seed=3)
    assert whole.settings["partial"] is False
    np.testing.assert_array_equal(fit.runs[1].trace, whole.runs[1].trace)


def test_ctrl_c_before_anything_is_finished(galaxies, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "run", stop)
    monkeypatch.setattr("bayesmix.em.batch.Batch.climb", stop)
    with pytest.raises(KeyboardInterrupt):
        bm.fit_em(bm.Mixture(bm.Gaussian(), 2), galaxies, restarts=2, seed=3)


# ---- degeneracy --------------------------------------------------------------------------------------------

PROPER = {
    "gaussian": bm.Gaussian(mean=bm.Normal(0, 5), var=bm.InverseGamma(2, 1)),
    "sd": bm.Gaussian(mean=bm.Normal(0, 5), sd=bm.LogNormal(0, 1)),
    "full": bm.MvGaussian(mean=bm.Normal(0, 5), cov=bm.InverseWishart(4, 1.0)),
}
FLATS = {
    "gaussian": bm.Gaussian(mean=bm.Flat(), var=bm.Flat()),
    "sd": bm.Gaussian(mean=bm.Flat(), sd=bm.Flat()),
    "full": FLAT_VVV,
}
HARD = {
    "more components than rows": (np.array([[0.0, 1.0], [2.0, 3.0]]), 3),
    "a constant column": (np.array([[0.0, 1.0], [2.0, 1.0], [5.0, 1.0], [6.0, 1.0]]), 2),
    "one row": (np.array([[1.0, 2.0]]), 1),
}


@pytest.mark.parametrize("what", HARD)
@pytest.mark.parametrize("family", FLATS)
def test_too_little_data_under_flat_priors(what, family):
    x, K = HARD[what]
    with pytest.raises(bm.InputError) as caught:
        bm.fit_em(bm.Mixture(FLATS[family], K), x, restarts=2, seed=0)
    assert "prior" in str(caught.value) and str(caught.value).endswith(".")


@pytest.mark.parametrize("what", HARD)
@pytest.mark.parametrize("family", PROPER)
def test_too_little_data_under_proper_priors(what, family):
    x, K = HARD[what]
    fit = bm.fit_em(bm.Mixture(PROPER[family], K, weight=bm.Dirichlet(2.0)), x, restarts=1, seed=0, tol=1e-5)
    assert np.isfinite(fit.log_posterior) and all(r.status == "converged" for r in fit.runs)


def test_a_collapse_is_named():
    """Flat priors, a component on one row: the density has no bound, and nothing hides it."""
    x = np.concatenate([blobs()[0], [[40.0, 40.0]]])
    start = np.repeat([0, 1], [60, 1])
    with pytest.raises(bm.InputError, match="collapsed"):
        bm.fit_em(bm.Mixture(FLAT_VVV, 2), x, start=start, seed=0)
    proper = bm.fit_em(bm.Mixture(bm.MvGaussian(), 2), x, start=start, seed=0)
    assert proper.modes.loc[0, "kind"] != "collapsed"


ON_A_ROW = {
    "Gaussian": lambda sd: (bm.Gaussian(mean=bm.Normal(3, 5), sd=sd), "mean", "sd"),
    "StudentT": lambda sd: (bm.StudentT(mean=bm.Normal(3, 5), scale=sd, df=bm.Fixed(30)), "mean", "scale"),
    "LogNormal": lambda sd: (bm.LogNormalComponent(mean=bm.Normal(3, 5), sd=sd), "mean", "sd"),
}


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "in Components"])
@pytest.mark.parametrize("name", ON_A_ROW)
def test_a_scale_that_only_rounding_holds_up_has_collapsed(name, alone):
    """A bounded prior on sd does not stop a component that sits on one row: sd falls until rounding stops it."""
    x = np.random.default_rng(0).normal(5.0, 1.0, 30)
    x = np.exp(x) if name == "LogNormal" else x
    row = np.log(x[7]) if name == "LogNormal" else x[7]

    def fit(scale):
        family, mean, sd = ON_A_ROW[name](scale)
        fixed = {"df": [30.0]} if name == "StudentT" else {}
        if alone:
            start = {"weight": [0.1, 0.9], mean: [[row], [5.0]], sd: [[1e-3], [1.0]]}
            return bm.fit_em(bm.Mixture(family, 2), x, start=start | {n: v * 2 for n, v in fixed.items()}, seed=0)
        wide = bm.UniformComponent(-1e4, 1e4)
        start = {"weight": [0.9, 0.1], mean: [[row]], sd: [[1e-3]], "lower": [[-1e4]], "upper": [[1e4]]} | fixed
        return bm.fit_em(bm.Mixture(bm.Components(family, wide)), x, start=start, seed=0)

    with pytest.raises(bm.InputError, match="collapsed"):
        fit(bm.HalfNormal(3))
    kept = fit(bm.LogNormal(0, 1))  # it vanishes at zero: the same start ends at a maximum
    assert kept.runs[0].status == "converged" and kept.modes.loc[0, "kind"] != "collapsed"


def test_collapsed_restarts_are_counted():
    x = np.array([0.0, 0.1, 0.3, 5.0, 5.2, 5.3, 11.0])
    fit = bm.fit_em(bm.Mixture(bm.Gaussian(mean=bm.Flat(), var=bm.Flat()), 2), x, restarts=12, start="rows", seed=1)
    lost = sum(r.status == "collapsed" for r in fit.runs)
    assert 0 < lost < 12
    last = fit.modes.iloc[-1]
    assert last["kind"] == "collapsed" and last["times_reached"] == lost and last["share"] == pytest.approx(lost / 12)
    assert fit.modes.loc[0, "kind"] != "collapsed" and fit.modes["times_reached"].sum() == 12
    assert any("collapse" in note for note in fit.settings["notes"])
    assert np.isfinite(fit.log_posterior) and fit.log_posterior == fit.modes.loc[0, "log_posterior"]


@pytest.mark.parametrize(
    "model,word",
    [
        (bm.Mixture(cases.family("gaussian_var", 1), 2, weight=bm.Dirichlet(0.5)), "weight"),
        (bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 5), sd=bm.Uniform(0, 9)), 2), "sd"),
    ],
)
def test_an_unbounded_posterior_is_announced(model, word, galaxies):
    fit = bm.fit_em(model, galaxies, restarts=2, seed=0)
    assert any(f"`{word}`" in note for note in fit.settings["notes"])
    sound = bm.fit_em(bm.Mixture(cases.family("gaussian_var", 1), 2), galaxies, restarts=1, seed=0)
    assert sound.settings["notes"] == []


# ---- constraints -------------------------------------------------------------------------------------------


def backwards():
    """Two classes whose labelled rows stand slightly in the wrong order: the M-step breaks Order."""
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(0.6, 1, 8), rng.normal(0.0, 1, 8), rng.normal(0.3, 1, 8)])
    label = np.repeat([0, 1, -1], 8)
    x[:8] += 0.3 + x[8:16].mean() - x[:8].mean()
    return bm.Data(x, label=label)


@pytest.mark.parametrize("enforce", ["transform", "potential"])
def test_an_order_that_the_labels_resist(enforce):
    data = backwards()
    family = bm.Gaussian(mean=bm.Normal(0, 3), var=bm.InverseGamma(3, 2))
    free = bm.fit_em(bm.Mixture(family, 2), data, restarts=1, seed=0)
    assert free.best["mean"][0, 0] > free.best["mean"][1, 0]
    model = bm.Mixture(family, 2, constraints=(bm.Order("mean", enforce=enforce),))
    fit = bm.fit_em(model, data, restarts=2, seed=0, keep_trace=True)
    for run in fit.runs:
        assert run.status == "converged"
        assert (np.diff(run.trace[:, 0]) >= -1e-9).all()
        for theta in run.thetas:
            assert theta["mean"][0, 0] <= theta["mean"][1, 0]
    assert fit.modes.loc[0, "kind"] == "at a constraint" and np.isnan(fit.modes.loc[0, "log_mass"])
    assert fit.log_posterior < free.log_posterior

    def downhill(u):  # on the wall: one common mean, by an optimiser that knows nothing of EM
        w, var = 1 / (1 + np.exp(-u[1])), np.exp(u[2:])
        theta = {"weight": np.array([w, 1 - w]), "mean": np.full((2, 1), u[0]), "var": var[:, None]}
        return -sum(model.log_posterior(data, theta).values())

    wall = minimize(
        downhill, np.zeros(4), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-11, "maxiter": 4000}
    )
    assert fit.log_posterior == pytest.approx(-wall.fun, abs=1e-5)


@pytest.mark.parametrize("enforce", ["transform", "potential", "soft"])
def test_order_of_exchangeable_components_costs_nothing(enforce, galaxies):
    """Hard: sorting leaves the log posterior unchanged. Soft: another posterior, and its maximum."""
    family = bm.Gaussian(mean=bm.Normal(20, 10), var=bm.InverseGamma(3, 20))
    free = bm.fit_em(bm.Mixture(family, 3), galaxies, restarts=2, seed=2)
    model = bm.Mixture(family, 3, constraints=(bm.Order("mean", enforce=enforce),))
    fit = bm.fit_em(model, galaxies, restarts=1, seed=2)
    assert (np.diff(fit.best["mean"][:, 0]) > 0).all()
    terms = fit.mixture.log_posterior(galaxies, fit.best)
    if enforce == "soft":
        assert terms["order_mean_0"] < 0
        assert fit.log_posterior == pytest.approx(free.log_posterior, abs=0.5)
    else:
        assert terms["order_mean_0"] == 0
        assert fit.log_posterior == pytest.approx(free.log_posterior, abs=1e-8)


@pytest.mark.parametrize("enforce", ["transform", "potential"])
def test_the_floor_is_kept(enforce, galaxies):
    family = bm.Gaussian(mean=bm.Normal(20, 10), var=bm.InverseGamma(3, 20))
    model = bm.Mixture(family, 3, constraints=(bm.MinWeight(0.15, enforce=enforce),))
    fit = bm.fit_em(model, galaxies, restarts=2, seed=2, keep_trace=True)
    assert fit.best["weight"].min() == pytest.approx(0.15, abs=1e-12)
    assert all((theta["weight"] >= 0.15).all() for run in fit.runs for theta in run.thetas)
    assert fit.modes.loc[0, "kind"] == "at a constraint"
    inside = bm.fit_em(bm.Mixture(family, 3, constraints=(bm.MinWeight(0.01),)), galaxies, restarts=2, seed=2)
    free = bm.fit_em(bm.Mixture(family, 3), galaxies, restarts=2, seed=2)
    assert inside.log_posterior == pytest.approx(free.log_posterior, abs=1e-9)
    assert inside.modes.loc[0, "kind"] == "interior"


@pytest.mark.parametrize("constraint", [bm.Order("mean", enforce="soft", width=0.5), bm.MinWeight(0.4, enforce="soft")])
def test_a_soft_wall_is_climbed_to_its_top(constraint):
    """No quasi-Newton step from the end of EM finds a higher point of the softened posterior."""
    data = backwards()
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 3), var=bm.InverseGamma(3, 2)), 2, constraints=(constraint,))
    fit = bm.fit_em(model, data, restarts=1, seed=0)
    model = fit.mixture

    def downhill(u):
        return -sum(model.log_posterior(data, model.from_vector(u, fit.best)).values())

    top = minimize(downhill, model.vector(fit.best), method="BFGS")
    assert fit.log_posterior == pytest.approx(-downhill(model.vector(fit.best)), rel=1e-12)
    assert fit.log_posterior >= -top.fun - 1e-6
    free = bm.fit_em(bm.Mixture(model.family, 2), data, restarts=1, seed=0)
    assert sum(model.log_posterior(data, free.best).values()) < fit.log_posterior - 1e-3  # the wall matters

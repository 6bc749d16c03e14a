"""The specification: its named terms against SciPy, labels, symmetry, coordinates, and what it refuses."""

import json
from itertools import permutations

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

import bayesmix as bm
import cases
from bayesmix.spec.encode import decode, encode

# ---- the log posterior, term by term, written again with SciPy ---------------------------------------------


def test_gaussian_terms(galaxies):
    model = bm.Mixture(
        bm.Gaussian(mean=bm.Normal(20, 10), var=bm.InverseGamma(3, 20)),
        components=3,
        weight=bm.Dirichlet([1.0, 2.0, 3.0]),
        constraints=(bm.Order("mean"), bm.MinWeight(0.05, enforce="soft", width=0.02)),
    )
    theta = {
        "weight": np.array([0.1, 0.7, 0.2]),
        "mean": np.array([[9.0], [21.0], [33.0]]),
        "var": np.array([[2.0], [5.0], [1.0]]),
    }
    terms = model.log_posterior(galaxies, theta)
    w, m, v = theta["weight"], theta["mean"][:, 0], theta["var"][:, 0]
    rows = np.array(
        [
            [np.log(a) + stats.norm(b, np.sqrt(c)).logpdf(x) for a, b, c in zip(w, m, v, strict=True)]
            for x in galaxies.x[:, 0]
        ]
    )
    expected = {
        "weight": stats.dirichlet([1, 2, 3]).logpdf(w),
        "mean": stats.norm(20, 10).logpdf(m).sum(),
        "var": stats.invgamma(3, scale=20).logpdf(v).sum(),
        "order_mean_0": 0.0,
        "min_weight": np.log(1 / (1 + np.exp(-(w - 0.05) / 0.02))).sum(),
        "x": logsumexp(rows, axis=1).sum(),
    }
    assert list(terms) == list(expected)
    for name, value in expected.items():
        assert terms[name] == pytest.approx(value, rel=1e-12, abs=1e-12), name
    wrong = {**theta, "mean": theta["mean"][[1, 0, 2]]}
    assert model.log_posterior(galaxies, wrong)["order_mean_0"] == -np.inf


def test_mvgaussian_terms(faithful):
    weight = np.tile([1.0, 2.0], 136)
    label = np.where(np.arange(272) < 5, 1, -1)
    data = bm.Data(faithful.x, label=label, weight=weight, names=faithful.names)
    scale = np.array([[0.4, 1.0], [1.0, 80.0]])
    model = bm.Mixture(
        bm.MvGaussian(mean=bm.ConjugateNormal([3.5, 70], 0.1), cov=bm.InverseWishart(5, scale), shared=True),
        2,
    )
    theta = {
        "weight": np.array([0.4, 0.6]),
        "mean": np.array([[2.0, 55.0], [4.3, 80.0]]),
        "cov": np.array([[[0.2, 0.5], [0.5, 36.0]]]),
    }
    cov = theta["cov"][0]
    rows = np.stack(
        [
            np.log(theta["weight"][k]) + stats.multivariate_normal(theta["mean"][k], cov).logpdf(data.x)
            for k in range(2)
        ],
        axis=1,
    )
    row = np.where(label == 1, rows[:, 1], logsumexp(rows, axis=1))  # a label picks its component's joint term
    terms = model.log_posterior(data, theta)
    assert terms["weight"] == pytest.approx(0.0, abs=1e-14)  # Dirichlet(1) with K = 2 has density one
    prior = stats.multivariate_normal([3.5, 70], cov / 0.1)
    assert terms["mean"] == pytest.approx(prior.logpdf(theta["mean"]).sum(), rel=1e-12)
    assert terms["cov"] == pytest.approx(
        stats.invwishart(5, scale).logpdf(cov), rel=1e-12
    )  # a shared field counts once
    assert terms["x"] == pytest.approx(weight @ row, rel=1e-12)
    assert list(terms) == ["weight", "mean", "cov", "x"]


def test_count_terms():
    x = np.array([[0.0, 1.0], [3.0, 0.0], [7.0, 2.0]])
    soft = np.array([[0.9, 0.1], [1.0, 1.0], [0.0, 0.5]])
    model = bm.Mixture(bm.Poisson(rate=bm.Gamma([2.0, 3.0], 0.5)), 2, weight=bm.Fixed([0.3, 0.7]))
    rate = np.array([[1.0, 0.5], [6.0, 2.0]])
    terms = model.log_posterior(bm.Data(x, label=soft), {"weight": np.array([0.3, 0.7]), "rate": rate})
    mass = np.array([[stats.poisson(r).pmf(v).prod() for r in rate] for v in x])
    assert terms["x"] == pytest.approx(np.log((mass * [0.3, 0.7] * soft).sum(axis=1)).sum(), rel=1e-12)
    assert terms["rate"] == pytest.approx(stats.gamma([2.0, 3.0], scale=2.0).logpdf(rate).sum(), rel=1e-12)
    assert list(terms) == ["rate", "x"]  # Fixed weights have no term


def test_accurate_far_from_the_origin():
    """Large offsets cost nothing: differences are taken first."""
    x = np.array([0.1, 0.2, 0.35])
    model = bm.Mixture(bm.Gaussian(mean=bm.Flat(), sd=bm.Flat()), 1)
    near = model.log_joint(x[:, None], {"weight": np.ones(1), "mean": np.array([[0.2]]), "sd": np.array([[0.1]])})
    far = model.log_joint(
        x[:, None] + 2.0**20,
        {"weight": np.ones(1), "mean": np.array([[0.2 + 2.0**20]]), "sd": np.array([[0.1]])},
    )
    np.testing.assert_allclose(far, near, atol=1e-7)


def test_theta_at_the_door(galaxies):
    """Lists and (K,) for (K, 1) will do; a field that is missing or misshapen is named; outside, the log is -inf."""
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(20, 10), var=bm.InverseGamma(3, 20)), 2)
    short = {"weight": [0.25, 0.75], "mean": [9, 21], "var": [2, 5]}
    full = {"weight": np.array([0.25, 0.75]), "mean": np.array([[9.0], [21.0]]), "var": np.array([[2.0], [5.0]])}
    assert model.log_posterior(galaxies, short) == model.log_posterior(galaxies, full)
    assert model.log_posterior(galaxies.x[:, 0], full) == model.log_posterior(galaxies, full)
    np.testing.assert_array_equal(model.permute(short, [1, 0])["mean"], [21, 9])
    outside = model.log_posterior(galaxies, {**full, "var": [[2.0], [-5.0]]})
    assert outside["var"] == outside["x"] == -np.inf and np.isfinite(outside["mean"])
    with pytest.raises(bm.InputError, match="the field 'var' is missing"):
        model.log_posterior(galaxies, {"weight": [0.5, 0.5], "mean": [9, 21]})
    known = bm.Mixture(bm.Gaussian(mean=bm.Flat(), var=bm.Fixed([2, 5])), 2, weight=bm.Fixed([0.25, 0.75]))
    assert known.log_posterior(galaxies, {"mean": [9, 21]}) == known.log_posterior(galaxies, full)
    with pytest.raises(bm.InputError, match="the field 'mean' is missing"):
        known.log_posterior(galaxies, {"var": [2, 5]})
    with pytest.raises(bm.InputError, match=r"expected 'mean' of shape \(2, 1\), got \(3,\)"):
        model.log_posterior(galaxies, {**full, "mean": [9, 21, 30]})
    with pytest.raises(bm.InputError, match=r"expected 'weight' to sum to 1, got 0\.9"):
        model.log_posterior(galaxies, {**full, "weight": [0.25, 0.65]})
    with pytest.raises(bm.InputError, match=r"call mixture.resolve\(data\) first"):
        bm.Mixture(bm.Gaussian(), 2, constraints=bm.Order("mean")).draw_prior(np.random.default_rng(0), 1)


# ---- labels ------------------------------------------------------------------------------------------------

X = np.arange(6.0)[:, None]
MODEL = bm.Mixture(bm.Gaussian(mean=bm.Normal(2, 3), var=bm.InverseGamma(2, 1)), 3)


def test_bernoulli_rows_far_from_and_at_certainty():
    """Sums of log p and log(1 - p) by SciPy, for many features, and where a probability is 0 or 1."""
    rng = np.random.default_rng(1)
    prob, family = rng.uniform(1e-12, 1 - 1e-12, (3, 784)), bm.Bernoulli()
    x = (rng.random((5, 784)) < 0.3).astype(float)
    by_hand = stats.bernoulli.logpmf(x[:, None], prob).sum(axis=2)
    np.testing.assert_allclose(family.logpdf(x, prob), by_hand, rtol=1e-13)
    prob[0, :2] = [0.0, 1.0]
    x[:3, :2] = [[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]
    found = family.logpdf(x, prob)
    np.testing.assert_allclose(found, stats.bernoulli.logpmf(x[:, None], prob).sum(axis=2), rtol=1e-12)
    assert np.isfinite(found[0, 0]) and (found[1:3, 0] == -np.inf).all()


def test_responsibilities_by_bayes_theorem(davis):
    """w_k f_k(x_i) over their sum; a label that excludes a component leaves the other."""
    model = bm.Mixture(bm.Gaussian(mean=bm.Flat(), sd=bm.Flat()), 2, weight=bm.Flat())
    theta = {"weight": np.array([0.25, 0.75]), "mean": np.array([[160.0], [180]]), "sd": np.array([[5.0], [9]])}
    x = davis.x[:6, 1:]
    joint = [0.25, 0.75] * stats.norm.pdf(x, [160.0, 180.0], [5.0, 9.0])
    np.testing.assert_allclose(model.responsibilities(x, theta), joint / joint.sum(axis=1, keepdims=True), rtol=1e-12)
    one_hot = np.eye(2)[davis.label[:6]]
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(model.responsibilities(x, theta, np.log(one_hot)), one_hot)


@pytest.mark.parametrize(
    "label,expected",
    [
        (None, None),
        ([-1] * 6, None),
        ([0, 1, 2, -1, -1, 0], [[0, 9, 9], [9, 0, 9], [9, 9, 0], [0, 0, 0], [0, 0, 0], [0, 9, 9]]),
        (np.eye(3)[[0, 1, 2, 0, 1, 2]], [[0, 9, 9], [9, 0, 9], [9, 9, 0], [0, 9, 9], [9, 0, 9], [9, 9, 0]]),
    ],
)
def test_log_label(label, expected):
    found = MODEL.log_label(bm.Data(X, label=label))
    if expected is None:
        assert found is None
    else:
        expected = np.where(np.array(expected) == 9, -np.inf, 0.0)
        np.testing.assert_array_equal(found, expected)


def test_soft_labels_are_probabilities():
    soft = np.random.default_rng(0).dirichlet(np.ones(3), size=6)
    np.testing.assert_allclose(MODEL.log_label(bm.Data(X, label=soft)), np.log(soft))
    # ones say nothing
    terms = [MODEL.log_posterior(bm.Data(X, label=label), _theta())["x"] for label in (None, np.ones((6, 3)))]
    assert terms[0] == pytest.approx(terms[1], rel=1e-14)


def _theta():
    return {
        "weight": np.array([0.2, 0.3, 0.5]),
        "mean": np.array([[0.0], [2.0], [4.0]]),
        "var": np.array([[1.0], [2.0], [0.5]]),
    }


def test_several_components_per_class():
    model = bm.Mixture(MODEL.family, 3, classes=[0, 0, 1])
    data = bm.Data(X, label=["b", "a", "", "", "a", "b"])
    label = model.log_label(data)
    assert (label[0] == [-np.inf, -np.inf, 0]).all() and (label[1] == [0, 0, -np.inf]).all() and (label[2] == 0).all()
    assert model.class_names(data) == ("a", "b")
    assert model.blocks(data) == ((0, 1), (2,)) and model.relabelings(data) == 2
    with pytest.raises(bm.InputError, match=r"0\.\.1"):
        model.log_label(bm.Data(X, label=[0, 1, 2, 0, 1, 2]))
    fit = bm.fit_em(model, data, restarts=2, seed=0)
    assert fit.predict_proba().shape == (6, 2) and fit.predict()[0] == "b"


def test_classes_that_nobody_has():
    data = bm.Data(X, label=["b", "a", "", "", "a", "b"])
    assert MODEL.class_names(data) == ("a", "b", "2")
    assert MODEL.class_names(bm.Data(X)) == ("0", "1", "2")


# ---- symmetry ----------------------------------------------------------------------------------------------


def test_permute_is_relabelling():
    model = bm.Mixture(bm.Gaussian(shared=True), 3)
    theta = _theta() | {"var": np.ones((1, 1))}
    perm = np.array([2, 0, 1])
    moved = model.permute(theta, perm)
    np.testing.assert_array_equal(moved["mean"], theta["mean"][perm])
    assert moved["var"] is theta["var"]
    back = model.permute(moved, np.argsort(perm))
    np.testing.assert_array_equal(back["weight"], theta["weight"])


@pytest.mark.parametrize("labels", cases.LABELS)
def test_blocks_are_the_permutations_that_change_nothing(labels):
    """By brute force: exactly the permutations within blocks leave the log posterior unchanged."""
    case = cases.make("gaussian_var", 1, labels=labels)
    model, data = case.model.resolve(case.data), case.data
    theta = model.draw_prior(np.random.default_rng(2), 1)
    value = sum(model.log_posterior(data, theta).values())
    blocks = model.blocks(data)
    same = 0
    for perm in permutations(range(3)):
        other = sum(model.log_posterior(data, model.permute(theta, perm)).values())
        unchanged = abs(other - value) < 1e-9 * abs(value)
        same += unchanged
        assert unchanged == all(perm[k] in block for block in blocks for k in block)
    assert same == model.relabelings(data)
    assert (
        blocks
        == {
            "none": ((0, 1, 2),),
            "some": ((0,), (1,), (2,)),
            "all": ((0,), (1,), (2,)),
            "soft": ((0,), (1,), (2,)),
        }[labels]
    )


def test_priors_break_the_symmetry():
    own = bm.Mixture(bm.Gaussian(mean=bm.Normal([[0.0], [5.0], [0.0]], 1), var=bm.InverseGamma(2, 1)), 3)
    assert own.blocks(bm.Data(X)) == ((0, 2), (1,)) and own.relabelings(bm.Data(X)) == 2
    weight = bm.Mixture(MODEL.family, 3, weight=bm.Dirichlet([1.0, 1.0, 2.0]))
    assert weight.blocks(bm.Data(X)) == ((0, 1), (2,))
    fixed = bm.Mixture(MODEL.family, 3, weight=bm.Fixed([0.2, 0.4, 0.4]))
    assert fixed.blocks(bm.Data(X)) == ((0,), (1, 2))
    known = bm.Mixture(bm.Gaussian(mean=bm.Fixed([1.0, 2.0, 2.0]), var=bm.InverseGamma(2, 1)), 3)
    assert known.blocks(bm.Data(X)) == ((0,), (1, 2))
    ordered = bm.Mixture(MODEL.family, 3, constraints=bm.Order("mean", by=0))
    assert ordered.relabelings(bm.Data(X)) == 1 and ordered.blocks(bm.Data(X)) == ((0, 1, 2),)
    floored = bm.Mixture(MODEL.family, 3, constraints=bm.MinWeight(0.1))
    assert floored.relabelings(bm.Data(X)) == 6


# ---- coordinates, degrees of freedom, storage --------------------------------------------------------------

SAMPLE = cases.pairwise()[::3] + cases.extras()


@pytest.mark.parametrize("case", SAMPLE, ids=cases.name)
def test_coordinates(case):
    model, d = case.model.resolve(case.data), case.data.d
    theta = model.draw_prior(np.random.default_rng(3), d)
    u = model.vector(theta)
    assert u.shape == (model.df(d),)
    back = model.from_vector(u, theta)
    for name, value in theta.items():
        assert value.shape == model.field_shape(name, d)
        np.testing.assert_allclose(back[name], value, rtol=1e-10)
        assert len(model.dims(name)) == value.ndim
        coords = model.coords(case.data)
        assert [len(coords[dim]) for dim in model.dims(name)] == list(value.shape)
    assert np.isfinite(model.log_jacobian(u, theta))


@pytest.mark.parametrize("case", SAMPLE, ids=cases.name)
def test_json_roundtrip(case):
    model = case.model.resolve(case.data)
    again = decode(json.loads(json.dumps(encode(model))))
    theta = model.draw_prior(np.random.default_rng(4), case.data.d)
    assert again.log_posterior(case.data, theta) == model.log_posterior(case.data, theta)
    assert encode(again) == encode(model) and again.constraints == model.constraints


def test_an_unknown_class_is_named():
    with pytest.raises(bm.InputError, match=r"'Nonesuch'.*import"):
        decode({"type": "Nonesuch"})


@pytest.mark.parametrize(
    "family,K,d,df",
    [
        (bm.Gaussian(), 3, 2, 2 + 6 + 6),
        (bm.Gaussian(shared=True), 3, 2, 2 + 6 + 2),
        (bm.Gaussian(isotropic=True), 3, 2, 2 + 6 + 3),
        (bm.Gaussian(isotropic=True, shared=True), 3, 2, 2 + 6 + 1),
        (bm.Gaussian(var=bm.Fixed(1)), 3, 2, 2 + 6),
        (bm.MvGaussian(), 2, 3, 1 + 6 + 12),
        (bm.MvGaussian(shared=True), 2, 3, 1 + 6 + 6),
        (bm.Poisson(), 4, 2, 3 + 8),
        (bm.Bernoulli(), 1, 5, 5),
    ],
)
def test_degrees_of_freedom(family, K, d, df):
    assert bm.Mixture(family, K).df(d) == df
    assert bm.Mixture(family, K, weight=bm.Fixed(1 / K)).df(d) == df - (K - 1)


def test_defaults_move_and_stretch_with_the_data():
    """A left-out prior looks at neither K nor the labels, and shifts and scales with x."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(30, 2)) * [1.0, 4.0] + [3.0, -7.0]
    for family in (bm.Gaussian(), bm.Gaussian(sd=bm.HalfNormal(1)), bm.MvGaussian()):
        one, two = (bm.Mixture(family, 2).resolve(bm.Data(x * a + b)).family for a, b in ((1.0, 0.0), (10.0, 5.0)))
        np.testing.assert_allclose(two.mean.mean, one.mean.mean * 10 + 5)
        np.testing.assert_allclose(two.mean.sd, one.mean.sd * 10)
        other = bm.Mixture(family, 5).resolve(bm.Data(x, label=np.arange(30) % 5)).family
        assert other.mean == one.mean
    a, b = (bm.Mixture(bm.MvGaussian(), 2).resolve(bm.Data(x * s)).family.cov for s in (1.0, 10.0))
    np.testing.assert_allclose(b.scale, 100 * a.scale)
    np.testing.assert_allclose(a.scale, np.diag(x.var(axis=0)) / 2)


def test_resolving_changes_nothing_that_was_given():
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 1)), 2)
    resolved = model.resolve(bm.Data(X))
    assert resolved.family.mean is model.family.mean and model.family.var != resolved.family.var
    assert resolved.resolve(bm.Data(X * 100)).family.var == resolved.family.var  # already explicit


# ---- bad input ---------------------------------------------------------------------------------------------


def fit(model, data):
    return lambda: bm.fit_em(model, data, restarts=1, seed=0)


@pytest.mark.parametrize(
    "make,words",
    [
        (lambda: bm.Mixture(bm.Gaussian, 2), "bm.Gaussian"),
        (lambda: bm.Mixture(bm.Gaussian(), 0), "at least 1"),
        (lambda: bm.Mixture(bm.Gaussian(), -2), "at least 1"),
        (lambda: bm.Mixture(bm.Gaussian(), 2.0), "whole number"),
        (lambda: bm.Mixture(bm.Gaussian(), True), "whole number"),
        (lambda: bm.Mixture(bm.Gaussian(), 2, weight=0.5), "bm.Dirichlet"),
        (lambda: bm.Mixture(bm.Gaussian(), 2, weight=bm.Beta(1, 1)), "bm.Dirichlet"),
        (lambda: bm.Mixture(bm.Gaussian(), 3, classes=[0, 1]), "classes"),
        (lambda: bm.Mixture(bm.Gaussian(), 3, classes=[0, 0, 2]), "classes"),
        (lambda: bm.Gaussian(var=bm.HalfNormal(1), sd=bm.HalfNormal(1)), "exactly one"),
        (lambda: bm.Gaussian(mean=3.0), r"Fixed\(3.0\)"),
        (lambda: bm.Gaussian(var=bm.Normal(0, 1)), "positive"),
        (lambda: bm.MvGaussian(cov=bm.HalfNormal(1)), "positive definite"),
        (lambda: bm.Poisson(rate=bm.Uniform(-1, 1)), "positive"),
        (fit(MODEL, bm.Data(X, label=[0, 1, 2, 3, -1, -1])), r"0\.\.2"),
        (fit(MODEL, bm.Data(X, label=np.ones((6, 2)))), "3 columns"),
        (fit(MODEL, bm.Data([[1.0, np.nan], [2.0, np.nan]])), "all cells of column 'x1' are missing"),
        (fit(bm.Mixture(bm.Gaussian(var=bm.Fixed(-1.0)), 2), X), "var=Fixed"),
        (fit(bm.Mixture(bm.Gaussian(), 2, weight=bm.Fixed(0.4)), X), "weight=Fixed"),
        (
            fit(bm.Mixture(bm.Gaussian(mean=bm.Normal([1.0, 2.0, 3.0, 4.0], 1)), 2), np.ones((5, 2)) * X[:5]),
            "broadcast",
        ),
        (fit(bm.Mixture(bm.Gaussian(mean=bm.Flat()), 7), X), "only 6 rows"),
        (fit(bm.Mixture(bm.Gaussian(), 2), np.ones(5)), "constant"),
        (fit(bm.Mixture(bm.Gaussian(), 1), [3.0]), "constant"),
        (fit(MODEL, [[np.inf], [1.0]]), "finite"),
        (lambda: bm.Data(X, weight=[-1.0, 1, 1, 1, 1, 1]), "negative"),
    ],
)
def test_one_clear_sentence(make, words):
    with pytest.raises(bm.InputError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)

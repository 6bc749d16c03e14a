"""`Fit`: what it says of rows, what it stores, and that a saved fit is the same fit."""

import json

import numpy as np
import pytest
from scipy.special import logsumexp

import bayesmix as bm
import cases


@pytest.fixture(scope="module")
def labelled():
    """Davis heights and weights, half of the sexes known, row weights, constraints: all that is stored."""
    davis = bm.datasets.davis(("height", "weight"))
    label = np.where(np.arange(200) % 2 == 0, np.array([*davis.classes, ""])[davis.label], "")
    weight = np.where(np.arange(200) < 10, 2.0, 1.0)
    data = bm.Data(davis.x, label=label, weight=weight, names=davis.names)
    model = bm.Mixture(
        bm.Gaussian(), 2, constraints=(bm.Order("mean", by="height"), bm.MinWeight(0.1, enforce="potential"))
    )
    return bm.fit_em(model, data, restarts=3, seed=5)


@pytest.fixture(scope="module")
def plain(galaxies):
    return bm.fit_em(bm.Mixture(bm.Gaussian(), 3), galaxies, restarts=3, seed=1)


# ---- numbers -----------------------------------------------------------------------------------------------


def test_the_parts_add_up(labelled):
    terms = labelled.mixture.log_posterior(labelled.data, labelled.best)
    assert labelled.log_posterior == pytest.approx(sum(terms.values()), rel=1e-12)
    assert labelled.log_likelihood == pytest.approx(terms["x"], rel=1e-12)
    assert labelled.log_likelihood == pytest.approx(labelled.data.row_weight @ labelled.log_density(), rel=1e-12)
    assert labelled.df == 1 + 4 + 4 and labelled.shape == (1, 1)
    assert labelled.modes.loc[0, "log_posterior"] == pytest.approx(labelled.log_posterior, rel=1e-12)


def test_criteria(labelled, plain):
    """Smaller is better; n is the sum of the row weights; ICL adds the doubt in the assignment."""
    assert labelled.bic == pytest.approx(9 * np.log(210) - 2 * labelled.log_likelihood, rel=1e-12)
    r = plain.predict_proba()
    assert plain.icl == pytest.approx(plain.bic - 2 * np.log(r.max(axis=1)).sum(), rel=1e-12)
    assert plain.icl > plain.bic > 0


def test_better_models_have_smaller_bic(galaxies):
    one, three = (bm.fit_em(bm.Mixture(bm.Gaussian(), K), galaxies, restarts=2, seed=1) for K in (1, 3))
    assert three.bic < one.bic


# ---- what it says of rows ----------------------------------------------------------------------------------


def test_predict_proba_is_bayes_rule(plain):
    x = np.array([[9.0], [20.0], [24.0], [33.0]])
    joint = plain.mixture.log_joint(x, plain.best)
    expected = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
    p = plain.predict_proba(x)
    np.testing.assert_allclose(p, expected, rtol=1e-12)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(plain.predict(x), expected.argmax(axis=1))
    np.testing.assert_allclose(plain.log_density(x), logsumexp(joint, axis=1), rtol=1e-12)
    np.testing.assert_array_equal(plain.predict_proba(bm.Data(x)), p)


def test_density_integrates_to_one(plain):
    grid = np.linspace(-60, 120, 20_001)[:, None]
    assert np.exp(plain.log_density(grid)).sum() * (grid[1, 0] - grid[0, 0]) == pytest.approx(1, abs=1e-8)


def test_own_rows_use_their_labels(labelled):
    known = labelled.data.label >= 0
    names = np.array(labelled.data.classes)
    own, new = labelled.predict(), labelled.predict(labelled.data.x)
    assert (own[known] == names[labelled.data.label[known]]).all()
    assert (new[known] != own[known]).any()  # a label decides where x alone would say otherwise
    assert set(own) <= {"F", "M"} and labelled.class_names == ("F", "M")
    np.testing.assert_array_equal(labelled.predict_proba()[~known], labelled.predict_proba(labelled.data.x)[~known])


def test_seeds_are_whole_numbers_or_generators(plain):
    for call in (plain.simulate, lambda n, seed: plain.impute(draws=n, seed=seed)):
        np.testing.assert_array_equal(call(3, seed=1)[0], call(3, seed=np.random.default_rng(1))[0])
        for bad in (-1, 1.5, "a"):
            with pytest.raises(bm.InputError, match=r"seed=\.\.\.\): expected a whole number of at least 0"):
                call(3, seed=bad)
    with pytest.raises(bm.InputError, match="at least 1, got 0"):
        plain.simulate(0)


def test_simulate(plain):
    x, z = plain.simulate(4000, seed=1)
    again, _ = plain.simulate(4000, seed=1)
    np.testing.assert_array_equal(x, again)
    assert x.shape == (4000, 1) and z.shape == (4000,) and z.dtype == np.int64
    assert not np.array_equal(x, plain.simulate(4000, seed=2)[0])
    w = plain.best["weight"]
    share = np.bincount(z, minlength=3) / 4000
    assert (np.abs(share - w) <= 5.5 * np.sqrt(w * (1 - w) / 4000)).all()
    for k in range(3):
        rows = x[z == k, 0]
        sd = np.sqrt(plain.best["var"][k, 0])
        assert abs(rows.mean() - plain.best["mean"][k, 0]) <= 5.5 * sd / np.sqrt(len(rows))


def test_co_clustering(plain):
    c = plain.co_clustering()
    r = plain.predict_proba()
    assert c.shape == (82, 82) and (np.diag(c) == 1).all()
    np.testing.assert_allclose(c, c.T)
    assert c[0, 40] == pytest.approx(r[0] @ r[40], rel=1e-12)


def test_summary_and_repr(labelled):
    table = labelled.summary()
    assert table.loc["mean[0, height]", "value"] == pytest.approx(labelled.best["mean"][0, 0])
    assert (~table["derived"]).sum() == 2 + 4 + 4
    assert "em" in repr(labelled) and "K = 2" in repr(labelled)


@pytest.mark.parametrize(
    "x,word",
    [
        (np.zeros((3, 2)), "1 features"),
        ([[np.inf]], "finite"),
        ([["a"]], "number"),
    ],
)
@pytest.mark.parametrize("method", ["predict", "predict_proba", "log_density"])
def test_bad_rows(plain, method, x, word):
    with pytest.raises(bm.InputError, match=word):
        getattr(plain, method)(x)


def test_rows_outside_the_family():
    fit = bm.fit_em(bm.Mixture(bm.Poisson(), 1), [0.0, 1, 5, 2], restarts=1, seed=0)
    with pytest.raises(bm.InputError, match="counts"):
        fit.predict([[1.5]])


@pytest.mark.parametrize("interval", [0.9, 0, 1.5])
def test_an_interval_needs_draws(plain, interval):
    with pytest.raises(bm.InputError, match="interval"):
        plain.predict_proba([[1.0]], interval=interval)


# ---- storage -----------------------------------------------------------------------------------------------


def equal(a, b):
    assert json.dumps(a.settings, sort_keys=True) == json.dumps(b.settings, sort_keys=True)
    assert a.engine == b.engine and a.certificate == b.certificate
    for name in a.draws:
        np.testing.assert_array_equal(a.draws[name], b.draws[name])
    np.testing.assert_array_equal(a.log_posteriors, b.log_posteriors)
    np.testing.assert_array_equal(a.permutation, b.permutation)
    np.testing.assert_array_equal(a.data.x, b.data.x)
    for part in ("label", "weight"):
        left, right = getattr(a.data, part), getattr(b.data, part)
        assert (left is None) == (right is None)
        if left is not None:
            np.testing.assert_array_equal(left, right)
            assert left.dtype == right.dtype
    assert a.data.names == b.data.names and a.data.classes == b.data.classes
    assert a.mixture.constraints == b.mixture.constraints and a.mixture.classes == b.mixture.classes
    assert a.modes.to_json() == b.modes.to_json()
    for m, o in zip(a.optima, b.optima, strict=True):
        assert m.restarts == o.restarts and m.reason == o.reason
        for name in m.theta:
            np.testing.assert_array_equal(m.theta[name], o.theta[name])
    for r, s in zip(a.runs, b.runs, strict=True):
        np.testing.assert_array_equal(r.trace, s.trace)
        assert (r.status, r.log_posterior, r.log_likelihood) == (s.status, s.log_posterior, s.log_likelihood)
        np.testing.assert_array_equal(r.counts, s.counts)
    assert a.mixture.log_posterior(a.data, a.best) == b.mixture.log_posterior(b.data, b.best)
    np.testing.assert_array_equal(a.predict(), b.predict())
    np.testing.assert_array_equal(a.predict_proba(a.data.x[:5]), b.predict_proba(b.data.x[:5]))


def test_save_and_load(labelled, tmp_path):
    path = labelled.save(tmp_path / "deep" / "fit.nc")
    again = bm.load(path)
    equal(labelled, again)
    equal(labelled, bm.load(tmp_path / "deep"))  # the folder that holds fit.nc
    again.save(tmp_path / "twice.nc")
    equal(labelled, bm.load(tmp_path / "twice.nc"))
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["fit.nc"]  # nothing half-written is left


STORED = (
    [c for c in cases.pairwise() if c.levels["labels"] in ("none", "soft")][::3]
    + cases.extras()[:6]
    + cases.extras()[-2:]
)


@pytest.mark.parametrize("case", STORED, ids=cases.name)
def test_every_kind_is_stored(case, tmp_path, monkeypatch):
    monkeypatch.setattr("bayesmix.em.modes.LARGEST_HESSIAN", 0)
    fit = bm.fit_em(case.model, case.data, restarts=1, seed=1, max_iter=10)
    equal(fit, bm.load(fit.save(tmp_path / "fit.nc")))


def test_a_collapsed_line_is_stored(tmp_path):
    x = np.array([0.0, 0.1, 0.3, 5.0, 5.2, 5.3, 11.0])
    fit = bm.fit_em(bm.Mixture(bm.Gaussian(mean=bm.Flat(), var=bm.Flat()), 2), x, restarts=10, start="rows", seed=1)
    assert fit.optima[-1].kind == "collapsed"
    equal(fit, bm.load(fit.save(tmp_path / "fit.nc")))


def test_the_tree_is_for_arviz(labelled):
    tree = labelled.tree
    assert {"posterior", "observed_data", "constant_data", "modes", "restarts", "em_trace"} <= set(tree.children)
    assert tree["posterior"]["mean"].dims == ("chain", "draw", "component", "feature")
    assert list(tree["posterior"]["feature"].values) == ["height", "weight"]
    assert tree["modes"]["mean"].dims == ("mode", "component", "feature")
    assert tree["em_trace"]["objective"].dims == ("restart", "iteration")
    assert tree["observed_data"]["x"].dims == ("obs", "feature")
    assert json.loads(tree.attrs["settings"])["seed"] == 5
    assert json.loads(tree.attrs["versions"])["bayesmix"] == bm.__version__
    assert json.loads(tree.attrs["certificate"])["terms"]
    assert all(isinstance(v, str | int | float | np.generic) for v in tree.attrs.values())


def test_plain_xarray_opens_it(labelled, tmp_path):
    import xarray as xr

    with xr.open_datatree(labelled.save(tmp_path / "fit.nc"), engine="netcdf4") as tree:
        np.testing.assert_array_equal(tree["posterior"]["weight"].values[0, 0], labelled.best["weight"])


def test_load_refuses_what_is_not_a_fit(tmp_path):
    with pytest.raises(bm.InputError, match="no such file"):
        bm.load(tmp_path / "nothing.nc")
    (tmp_path / "text.nc").write_text("hello")
    with pytest.raises(bm.InputError, match="not a netCDF"):
        bm.load(tmp_path / "text.nc")
    import xarray as xr

    xr.Dataset({"a": ("x", [1.0])}).to_netcdf(tmp_path / "other.nc", engine="netcdf4")
    with pytest.raises(bm.InputError, match="not written by"):
        bm.load(tmp_path / "other.nc")


def test_save_where_nothing_can_be_written(plain, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(bm.InputError, match="cannot be written"):
        plain.save(tmp_path / "file" / "fit.nc")
    assert (tmp_path / "file").read_text() == ""


def test_nothing_passed_in_is_changed(galaxies):
    x, start = galaxies.x.copy(), np.digitize(galaxies.x[:, 0], [15.0])
    kept = start.copy()
    model = bm.Mixture(bm.Gaussian(), 2)
    fit = bm.fit_em(model, galaxies, start=start, seed=0)
    np.testing.assert_array_equal(galaxies.x, x)
    np.testing.assert_array_equal(start, kept)
    before = fit.best["mean"].copy()
    fit.predict(x), fit.simulate(5, 0), fit.co_clustering(), fit.summary()
    np.testing.assert_array_equal(fit.best["mean"], before)


def test_summary_reports_the_derived_quantities():
    x = np.random.default_rng(0).normal(size=(40, 2))
    fit = bm.fit_em(bm.Mixture(bm.Gaussian(), 1), x, restarts=1, seed=0)
    table = fit.summary()
    assert not table.loc["var[0, x1]", "derived"] and table.loc["sd[0, x1]", "derived"]
    assert table.loc["sd[0, x1]", "value"] == pytest.approx(np.sqrt(table.loc["var[0, x1]", "value"]))
    full = bm.fit_em(bm.Mixture(bm.MvGaussian(), 1), x, restarts=1, seed=0)
    cov = full.best["cov"][0]
    expected = cov[0, 1] / np.sqrt(cov[0, 0] * cov[1, 1])
    assert full.summary().loc["corr[0, x0, x1]", "value"] == pytest.approx(expected)
    assert not any(name.startswith("corr[0, x0, x0") for name in full.summary().index)

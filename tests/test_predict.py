"""What a fit of many draws says of rows: the same as theta by theta, its uncertainty split, cells missing or not."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp

import bayesmix as bm
from bayesmix import predict
from bayesmix.spec import many
from laplace import laplace_fit


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(4)
    z = np.arange(50) % 2
    x = rng.normal(size=(50, 2)) @ np.array([[1.0, 0.6], [0.0, 0.8]]) + 2.5 * z[:, None]
    x[::9, 1] = np.nan
    return bm.Data(x, label=np.where(np.arange(50) < 6, z, -1))


@pytest.fixture(scope="module")
def fit(data):
    """Draws of a Laplace approximation, in unlike labels, on rows with gaps and some labels."""
    em = bm.fit_em(bm.Mixture(bm.MvGaussian(), 2), bm.Data(data.x), restarts=3, seed=1)
    return laplace_fit(em, chains=2, draws=60, seed=2, switch=True)


NEW = np.array([[0.0, 0.5], [np.nan, 1.0], [2.0, np.nan], [np.nan, np.nan], [1.2, 1.3]])


def each(fit, x):
    """r (draws, rows, K) of every relabelled draw, by the specification itself."""
    return np.stack([fit._responsibilities(t, x) for t in fit.thetas()])


@pytest.mark.parametrize("cells", [None, 7])
def test_new_rows_with_missing_cells(fit, cells, monkeypatch):
    if cells:
        for walk in ("by_draws", "by_rows"):
            whole = getattr(many, walk)
            monkeypatch.setattr(many, walk, lambda *a, whole=whole: whole(*a, cells=cells))
    r = each(fit, NEW)
    np.testing.assert_allclose(fit.predict_proba(NEW), r.mean(axis=0), rtol=1e-9)
    np.testing.assert_array_equal(fit.predict(NEW), r.mean(axis=0).argmax(axis=1))
    rows = np.stack([logsumexp(fit.mixture.log_joint(NEW, t), axis=1) for t in fit.thetas()])
    np.testing.assert_allclose(fit.log_density(NEW), logsumexp(rows, axis=0) - np.log(len(rows)), atol=1e-9)
    assert fit.log_density(NEW)[3] == pytest.approx(0.0, abs=1e-12)  # nothing observed
    found = fit.predict_proba(NEW, interval=0.8)
    np.testing.assert_allclose(found["mean"], r.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(found["lower"], np.quantile(r, 0.1, axis=0), rtol=1e-9)
    np.testing.assert_allclose(found["upper"], np.quantile(r, 0.9, axis=0), rtol=1e-9)
    np.testing.assert_allclose(found["overlap"], (r * (1 - r)).mean(axis=0), rtol=1e-8)
    np.testing.assert_allclose(found["parameter"], r.var(axis=0), rtol=1e-8)
    np.testing.assert_allclose(found["expected_entropy"], -(r * np.log(r)).sum(axis=2).mean(axis=0), rtol=1e-8)
    assert found.attrs["interval"] == 0.8 and found["mean"].dims == ("row", "class")


def test_the_parts_of_the_uncertainty_add_up(fit):
    """The law of total variance for the indicator of a class, and its twin in entropies; every part is positive."""
    found = fit.predict_proba(NEW, interval=0.9)
    mean = found["mean"].values
    np.testing.assert_allclose(found["overlap"] + found["parameter"], mean * (1 - mean), atol=1e-14)
    entropy = -(mean * np.log(mean)).sum(axis=1)
    np.testing.assert_allclose(found["entropy"], entropy, atol=1e-14)
    np.testing.assert_allclose(found["expected_entropy"] + found["mutual_information"], entropy, atol=1e-14)
    assert (found["parameter"] > 0).all() and (found["mutual_information"] > 0).all()


def test_what_each_part_means(fit):
    """Draws that agree leave no parameter uncertainty; rows at the border keep their overlap."""
    from dataclasses import replace

    same = {name: np.repeat(v[:1, :1], 4, axis=1) for name, v in fit.relabelled.items()}
    one = replace(fit, draws=same, log_posteriors=np.zeros((1, 4)), permutation=np.tile(np.arange(2), (1, 4, 1)))
    border = 0.5 * one.theta(0, 0)["mean"].sum(axis=0, keepdims=True)
    found = one.predict_proba(border, interval=0.9)
    np.testing.assert_allclose(found["parameter"], 0, atol=1e-15)
    np.testing.assert_allclose(found["mutual_information"], 0, atol=1e-14)
    np.testing.assert_allclose(found["entropy"], found["expected_entropy"], atol=1e-14)
    np.testing.assert_allclose(found["upper"], found["lower"], atol=1e-14)
    r = one._responsibilities(one.theta(0, 0), border)
    np.testing.assert_allclose(found["overlap"], r * (1 - r), rtol=1e-8)
    assert found["overlap"].values.min() > 1e-3  # between the two clusters


def test_classes_are_sums_of_components():
    model = bm.Mixture(bm.Gaussian(), 3, classes=[0, 1, 0])
    r = np.array([[[0.2], [0.5], [0.3]]])
    np.testing.assert_allclose(predict.by_class(model, r), [[[0.5], [0.5]]])


def test_co_clustering_does_not_see_the_labels(fit):
    r = each(fit, fit.data.x)
    expected = np.einsum("tik,tjk->ij", r, r) / len(r)
    np.fill_diagonal(expected, 1)
    np.testing.assert_allclose(fit.co_clustering(), expected, rtol=1e-9)


def test_a_partition_does_not_see_the_labels(fit):
    """The same draws, relabelled beforehand, have the same partition; for Binder to the last digits of its loss."""
    from dataclasses import replace

    still = replace(fit, draws=fit.relabelled, permutation=np.tile(np.arange(2), (*fit.shape, 1)))
    for loss in ("vi", "binder"):
        a, b = fit.partition(loss, draws=60, seed=1), still.partition(loss, draws=60, seed=1)
        np.testing.assert_array_equal(a.labels, b.labels)
        assert a.expected_loss == pytest.approx(b.expected_loss, rel=1e-9)
    assert "clusters of 50 rows" in repr(a)


def test_draws_of_the_allocations(fit):
    """Counts of z against the responsibilities, within Bernstein's bound at 1e-6 for all rows together; relabelled."""
    found = fit.draw_allocations(draws=60, seed=3)
    z = found["z"].values
    assert found["z"].dims == ("chain", "draw", "obs") and z.shape == (2, 60, 50) and z.dtype == np.uint8
    assert found.attrs["seed"] == 3
    r = each(fit, fit.data.x)[..., 1]
    variance, level = (r * (1 - r)).sum(axis=0), np.log(2 * r.shape[1] / 1e-6)
    bound = level / 3 + np.sqrt(level**2 / 9 + 2 * level * variance)
    count = (z == 1).sum(axis=(0, 1))
    assert (np.abs(count - r.sum(axis=0)) <= bound).all()
    assert (np.abs(count - (1 - r).sum(axis=0)) > bound).any()  # not the other labelling
    np.testing.assert_array_equal(z, fit.draw_allocations(draws=60, seed=3)["z"])
    assert (z != fit.draw_allocations(draws=60, seed=4)["z"].values).any()
    few = fit.draw_allocations(draws=7, seed=3)
    assert few["z"].shape == (2, 7, 50) and list(few["draw"].values[[0, -1]]) == [0, 59]
    with pytest.raises(bm.InputError, match="whole number"):
        fit.draw_allocations(draws=0)


def test_known_labels_are_kept(data):
    em = bm.fit_em(bm.Mixture(bm.MvGaussian(), 2), data, restarts=1, seed=1)
    fit = laplace_fit(em, chains=1, draws=10, seed=2)
    known = data.label >= 0
    z = fit.draw_allocations(seed=1)["z"].values
    assert (z[..., known] == data.label[known]).all()
    found = fit.predict_proba(interval=0.9)
    np.testing.assert_array_equal(found["mean"].values[known], np.eye(2)[data.label[known]])
    assert (found["entropy"].values[known] == 0).all() and (found["parameter"].values[known] == 0).all()


def test_pointwise(fit):
    rows = [3, 0, 9]
    found = fit.pointwise(rows)
    assert found.shape == (2, 60, 3)
    joint = fit.mixture.log_joint(fit.data.x[rows], fit.theta(1, 7))
    np.testing.assert_allclose(found[1, 7], logsumexp(joint, axis=1), rtol=1e-9)
    np.testing.assert_allclose(fit.pointwise()[..., rows], found, rtol=1e-12)


def test_groups_are_kept_with_the_fit(fit, tmp_path):
    z = fit.draw_allocations(draws=5, seed=3)
    more = fit.with_groups(allocation_draws=z)
    assert "allocation_draws" not in fit.groups
    again = bm.load(more.save(tmp_path / "fit.nc"))
    np.testing.assert_array_equal(again.groups["allocation_draws"]["z"], z["z"])
    assert again.groups["allocation_draws"].attrs["seed"] == 3
    with pytest.raises(bm.InputError, match="posterior"):
        fit.with_groups(posterior=z)


def test_columns_are_found_by_their_names():
    """A table whose columns stand in another order, or beside others, is the same table; other names are refused."""
    rng = np.random.default_rng(0)
    x = np.column_stack([np.repeat([0.0, 50.0], 15), np.zeros(30)]) + rng.normal(size=(30, 2))
    table = pd.DataFrame(x, columns=["a", "b"])
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 99), var=bm.InverseGamma(2, 1)), 2)
    fit = bm.fit_em(model, table, restarts=2, seed=1)
    expected = fit.log_density(x)
    assert not np.allclose(fit.log_density(x[:, ::-1]), expected, rtol=0.1)  # an array goes by position
    more = table.assign(c="text")[["c", "b", "a"]]
    for same in (table, table[["b", "a"]], more, bm.Data(table[["b", "a"]]), pd.DataFrame(x), bm.Data(x)):
        assert np.array_equal(fit.log_density(same), expected)
        assert np.array_equal(fit.predict_proba(same), fit.predict_proba(x))
    for other in (table.rename(columns={"b": "c"}), bm.Data(x, names=["b", "c"])):
        with pytest.raises(bm.InputError, match="a, b"):
            fit.predict(other)
    unnamed = bm.fit_em(model, x, restarts=2, seed=1)
    assert np.array_equal(unnamed.log_density(table), expected)

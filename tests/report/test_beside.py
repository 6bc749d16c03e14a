"""Fits beside each other and beside a known truth."""

import numpy as np
import pytest

import bayesmix as bm
from laplace import laplace_fit

TRUTH = {"weight": [0.3, 0.7], "mean": [[0.0], [8.0]], "sd": [[1.0], [1.0]]}


@pytest.fixture(scope="module")
def known():
    """(fit, class of each row): two groups eight standard deviations apart, the higher one first in the data."""
    rng = np.random.default_rng(1)
    z = np.repeat([1, 0], [70, 30])
    model = bm.Mixture(bm.Gaussian(mean=bm.Flat(), sd=bm.Flat()), 2, weight=bm.Flat(), constraints=bm.Order("mean"))
    return bm.fit_em(model, bm.Data(rng.normal(8.0 * z, 1.0), names=("x",)), restarts=3, seed=1), z


def test_fits_side_by_side(known):
    fit, _ = known
    one = bm.fit_em(bm.Mixture(fit.mixture.family, 1, weight=bm.Flat()), fit.data, restarts=1, seed=1)
    columns = "log likelihood", "parameters", "BIC", "optima met", "starts at the best", "collapsed", "restarts"
    table = bm.side_by_side({1: one, 2: fit}, *columns, by="components")
    assert table.index.tolist() == [1, 2] and table.index.name == "components" and list(table) == list(columns)
    assert table["BIC"].tolist() == [one.bic, fit.bic] and table["parameters"].tolist() == [2, 5]
    assert table["restarts"].tolist() == [1, 3] and table.loc[1, "starts at the best"] == "1 of 1"
    both = bm.side_by_side({"fit": fit}, "estimates", "spreads").loc["fit"]
    assert len(both) == 12 and both["mean[1, x]"] == fit.best["mean"][1, 0]
    assert both["mean[1, x]: sd"] == fit.standard_deviations()["mean[1, x]"]


def test_chains_side_by_side(known):
    fit, _ = known
    chains = laplace_fit(fit, draws=50)
    table = bm.side_by_side({"chains": chains}, "least ESS", "divergent draws", "spreads")
    assert table.loc["chains", "divergent draws"] in ("0.0 %", "Gibbs has none") and table["least ESS"].iloc[0] > 10
    assert table.loc["chains", "sd[0, x]"] == pytest.approx(chains.relabelled["sd"][:, :, 0].std(ddof=1))


def test_wrong_columns_are_a_sentence(known):
    for fits, columns in (({"fit": known[0]}, ["BICC"]), ({}, ["BIC"])):
        with pytest.raises(bm.InputError, match="side_by_side: expected"):
            bm.side_by_side(fits, *columns)


def test_single_parameters_side_by_side(known):
    """By their names, those that the family derives among them."""
    fit, _ = known
    chains = laplace_fit(fit, draws=50)
    table = bm.side_by_side({"em": fit, "mcmc": chains}, "mean[1, x]", "var[0]")
    assert list(table) == ["mean[1, x]", "var[0]"]
    assert table.loc["em"].tolist() == [fit.best["mean"][1, 0], pytest.approx(fit.best["sd"][0, 0] ** 2)]
    assert table.loc["mcmc", "mean[1, x]"] == pytest.approx(chains.relabelled["mean"][..., 1, 0].mean())
    with pytest.raises(bm.InputError, match=r"got \['mean\[2, x\]'\]"):
        bm.side_by_side({"em": fit}, "mean[2, x]")


def test_where_restarts_ended_in_words(known, galaxies):
    assert bm.ends_in_words(known[0]) == "3 restarts ended in one optimum."
    narrow = bm.Gaussian(mean=bm.Normal(20, 10), var=bm.InverseGamma(2, 1))
    fit = bm.fit_em(bm.Mixture(narrow, 4, weight=bm.Dirichlet(2.0)), galaxies, restarts=20, seed=1)
    assert len(fit.optima) > 3
    gaps = [f"{fit.log_posterior - mode.log_posterior:.1f}" for mode in fit.optima[1:4]]
    said = bm.ends_in_words(fit)
    assert said.startswith(f"20 restarts ended in {len(fit.optima)} different optima; the best was reached ")
    assert said.endswith(f"; the next lie {gaps[0]}, {gaps[1]} and {gaps[2]} lower.")
    assert bm.ends_in_words(fit, shown=1).endswith(f"; the next lies {gaps[0]} lower.")


def test_a_truth_beside_the_estimates(known):
    fit, _ = known
    table = bm.beside_truth(fit, TRUTH)
    assert table.loc["mean[1, x]", "truth"] == 8.0 and table.index.name == "parameter" and len(table) == 6
    short = {"weight": [0.3, 0.7], "mean": [0, 8], "sd": [1, 1]}
    assert bm.beside_truth(fit, short).equals(table)
    with pytest.raises(bm.InputError, match=r"beside_truth\(theta\): the field 'sd' is missing"):
        bm.beside_truth(fit, {"weight": [0.3, 0.7], "mean": [0, 8]})
    line = table.loc["mean[1, x]"]
    assert line["z"] == pytest.approx((line.iloc[0] - 8.0) / line.iloc[1])


def test_components_named_after_the_classes(known):
    fit, z = known
    swapped = 1 - z  # class 0 is now the higher group, component 1
    for truth in (z, swapped):
        p = bm.matched(fit, truth)
        assert np.array_equal(p.argmax(axis=1), truth)
        table = bm.confusion(fit, truth)
        assert table.attrs["purity"] == 1.0 and table.index.name == "component"
    assert table.to_numpy().tolist() == [[0, 30], [70, 0]]
    assert bm.confusion(fit, np.arange(100) % 2).attrs["purity"] < 0.7  # negative control
    hard = bm.matched(bm.kmeans(fit.data, 2, restarts=1, seed=1), z)
    assert set(np.unique(hard)) == {0.0, 1.0} and np.array_equal(hard.argmax(axis=1), z)
    with pytest.raises(bm.InputError, match="one for each component"):
        bm.matched(fit, z + 1)


def test_classes_that_share_a_component_or_own_several(known):
    fit, z = known  # 30 rows of component 0, 70 of component 1
    alone = bm.confusion(fit, z).attrs
    assert (alone["several"], alone["none"]) == ([], [])
    finer = np.where(z == 1, np.arange(100) % 3, 3)  # three classes share component 1
    assert (bm.confusion(fit, finer).attrs["several"], bm.confusion(fit, finer).attrs["none"]) == ([], [1, 2])
    one = bm.confusion(fit, np.zeros(100, dtype=int)).attrs
    assert (one["several"], one["none"]) == ([0], [])


def test_predicted_probabilities_are_scored():
    sure, unsure = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), np.full((3, 2), 0.5)
    table = bm.scores({"sure": sure, "unsure": unsure, "wrong": 1.0 - np.eye(2)[[0, 1, 1]]}, [0, 1, 1])
    assert table.index.tolist() == ["sure", "unsure", "wrong"] and table.index.name == "classifier"
    assert table["accuracy"].tolist() == pytest.approx([2 / 3, 1 / 3, 0.0])
    assert table["mean log score"].tolist() == pytest.approx([np.log([0.9, 0.8, 0.4]).mean(), np.log(0.5), -np.inf])
    for p, truth in ((sure, [0, 1]), (sure[:, 1], [0, 1, 1]), (sure, [0, 1, 2]), (sure, [-1, 0, 1])):
        with pytest.raises(bm.InputError, match=r"scores\('a'\): expected \(n, C\)"):
            bm.scores({"a": p}, truth)


def test_every_row_is_judged_by_fits_that_have_not_seen_it():
    data = bm.Data(np.arange(12.0), label=np.arange(12) % 2)
    seen = []

    class Classifier:
        def predict_proba(self, x):
            seen[-1] = (*seen[-1], x.ravel())
            return np.stack([x.ravel(), -x.ravel()], axis=1)

    def fit(part):
        seen.append((part.x.ravel(), part.label))
        return Classifier()

    p = bm.out_of_fold(fit, data, folds=3)
    assert np.array_equal(p[:, 0], data.x.ravel()) and len(seen) == 3
    for x, label, others in seen:
        assert not set(x) & set(others) and len(x) + len(others) == 12
        assert np.array_equal(label, x % 2)
    for wrong in (bm.Data(data.x), data.take(slice(0, 6))):
        with pytest.raises(bm.InputError, match="out_of_fold"):
            bm.out_of_fold(fit, wrong, folds=3 if wrong.n == 12 else 1)

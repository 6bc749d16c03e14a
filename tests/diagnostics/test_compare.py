"""MAP beside posterior, on made-up draws whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest

import bayesmix as bm
from bayesmix.diagnostics.compare import adjusted_rand
from bayesmix.report import words
from bayesmix.tree import scalars
from diagnosis_bench.chains import around, packed, renamed


@pytest.fixture(scope="module")
def em():
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(0, 1, 60), rng.normal(5, 1, 90)])
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(4, 5), var=bm.InverseGamma(3, 2)), 2, weight=bm.Dirichlet(2))
    return bm.fit_em(model, bm.Data(x), seed=1)


@pytest.fixture(scope="module")
def mcmc(em):
    """Draws of the Laplace approximation itself, under names of their own."""
    rng = np.random.default_rng(4)
    return packed(em, [renamed(em.mixture, around(em, 0, 500, rng), [1, 0]) for _ in range(4)])


def test_each_parameter_beside_its_posterior(em, mcmc):
    table = bm.compare(em, mcmc)
    assert list(table.columns) == ["MAP", "Laplace sd", "mean", "sd", "5%", "95%", "z", "percentile"]
    assert np.allclose(table["MAP"], [em.summary()["value"][name] for name in table.index])
    assert np.allclose(table["Laplace sd"], [em.standard_deviations()[name] for name in table.index])
    # the draws are Laplace's own in u: both agree to the curvature of exp and the Monte Carlo error
    assert np.allclose(table["sd"] / table["Laplace sd"], 1, atol=0.2)
    assert np.allclose(table["z"], (table["MAP"] - table["mean"]) / table["sd"])
    assert table["percentile"].between(20, 80).all()


def test_the_covariances_agree_when_the_draws_are_laplaces_own(em, mcmc):
    """2000 draws of 5 coordinates: the extreme sd ratios are within 1 -+ 5 (sqrt(5) + 1) / sqrt(2 x 2000) / 2."""
    known, limit = bm.compare(em, mcmc).attrs, 5 * (np.sqrt(5) + 1) / np.sqrt(4000) / 2
    assert 1 - limit < known["spread_least"] <= known["spread_most"] < 1 + limit
    wide = packed(em, [around(em, 0, 500, np.random.default_rng(c), shift=3.0 * (c % 2)) for c in range(4)])
    assert bm.compare(em, wide).attrs["spread_most"] > 1 + limit


def test_a_draw_above_the_map_is_a_failure_of_em(em, mcmc):
    known = bm.compare(em, mcmc).attrs
    assert known["log_posterior_gap"] > 0 and not known["em_failed"]
    low = replace(em, log_posteriors=em.log_posteriors - 50)
    table = bm.compare(low, mcmc)
    assert table.attrs["em_failed"] and table.attrs["log_posterior_gap"] < 0
    assert any("EM failed" in s for s in words.comparison_sentences(table))
    assert not any("EM failed" in s for s in words.comparison_sentences(bm.compare(em, mcmc)))


def test_every_column_by_hand(em, mcmc):
    table = bm.compare(em, mcmc)
    for name, draws in scalars(mcmc.mixture, mcmc.data, mcmc.relabelled).items():
        row, v = table.loc[name], np.sort(draws.ravel())
        assert row["mean"] == pytest.approx(v.sum() / 2000)
        assert row["sd"] == pytest.approx(np.sqrt(((v - v.sum() / 2000) ** 2).sum() / 1999))
        for column, at in (("5%", 100), ("95%", 1900)):  # between its neighbours in the order
            assert v[at - 1] <= row[column] <= v[at]
        assert row["percentile"] == pytest.approx(np.searchsorted(v, row["MAP"]) / 20)


def test_every_number_of_the_whole_by_hand(em, mcmc):
    """Draws of which every third has the two components the wrong way round, so that rows move and EM is too sure."""
    turned = {n: v.copy() for n, v in mcmc.draws.items()}
    turned["mean"][:, ::3] = turned["mean"][:, ::3, ::-1] + 2.0
    doubtful = replace(mcmc, draws=turned, groups={n: v for n, v in mcmc.groups.items() if n != "allocation"})
    rows, known = bm.compare_rows(em, doubtful), bm.compare(em, doubtful).attrs
    assert known["log_posterior_gap"] == pytest.approx(em.log_posterior - mcmc.log_posteriors.max())
    assert known["log_posterior_gap_mean"] == pytest.approx(em.log_posterior - mcmc.log_posteriors.mean())
    posterior, names = doubtful.predict_proba(), list(doubtful.class_names)
    of_em, of_mcmc = ([names.index(c) for c in rows[engine]] for engine in ("EM", "MCMC"))
    assert np.allclose(rows["EM probability"], em.predict_proba().max(axis=1))
    assert np.allclose(rows["posterior probability"], posterior[np.arange(150), of_em])
    assert np.array_equal(of_mcmc, posterior.argmax(axis=1))
    moved = np.flatnonzero((rows["EM"] != rows["MCMC"]).to_numpy())
    assert 0 < known["rows_moved"] == len(moved) < 150 and known["moved"] == moved[:20].tolist()
    assert known["classification_agreement"] == pytest.approx(1 - len(moved) / 150)
    assert known["adjusted_rand"] == pytest.approx(adjusted_rand(rows["EM"].to_numpy(), rows["MCMC"].to_numpy()))
    too_sure = (rows["EM probability"] >= 0.95) & (rows["posterior probability"] < 0.8)
    assert 0 < known["overconfident"] == too_sure.sum()


def test_row_by_row(em, mcmc):
    rows = bm.compare_rows(em, mcmc)
    assert list(rows.columns) == ["EM", "MCMC", "EM probability", "posterior probability", "moved", "overconfident"]
    assert (rows["EM"].to_numpy() == em.predict()).mean() in (0.0, 1.0)  # up to the names
    assert rows["moved"].sum() == bm.compare(em, mcmc).attrs["rows_moved"]
    assert not rows["overconfident"].any()
    doubtful = {n: v.copy() for n, v in mcmc.groups.items() if n != "allocation"}
    half = replace(mcmc, groups=doubtful, draws={n: v.copy() for n, v in mcmc.draws.items()})
    half.draws["mean"][:, ::2] = half.draws["mean"][:, ::2, ::-1]  # every other draw has the two the wrong way round
    half.draws["var"][:] = 1.0
    assert bm.compare_rows(em, half)["overconfident"].any()


def test_the_densities(em, mcmc):
    known = bm.compare(em, mcmc).attrs
    gap = em.log_density() - mcmc.log_density()
    assert known["density_kl"] == pytest.approx(gap.mean()) and known["density_gap"] == pytest.approx(
        np.abs(gap).mean()
    )
    assert abs(known["density_kl"]) <= known["density_gap"] < 0.05
    assert known["n"] == 150


@pytest.mark.parametrize(
    "a,b,index",
    [
        ([0, 0, 1, 1], [1, 1, 0, 0], 1.0),
        ([0, 0, 1, 1], [0, 1, 0, 1], -0.5),
        ([0, 0, 0], [0, 0, 0], 1.0),
        ([0, 0, 1, 2], [0, 0, 1, 1], 4 / 7),  # scikit-learn's own example
    ],
)
def test_adjusted_rand(a, b, index):
    assert adjusted_rand(np.array(a), np.array(b)) == pytest.approx(index)


def test_what_cannot_be_compared(em, mcmc):
    with pytest.raises(bm.InputError, match="an EM and an MCMC fit"):
        bm.compare(mcmc, em)
    other = bm.fit_em(em.mixture, bm.Data(em.data.x + 1), restarts=1, seed=1)
    for call in (bm.compare, bm.compare_rows):
        with pytest.raises(bm.InputError, match="different models or data"):
            call(other, mcmc)

"""The criteria against mclust, against exact values, and against what they must be by construction."""

import numpy as np
import pytest
from scipy import stats

import bayesmix as bm
from bayesmix.selection import likelihood_ratio
from bayesmix.selection.candidates import at, candidates_of
from bayesmix.selection.refit import folds_of, refit, resampled
from bayesmix.selection.stability import classes_of

F = bm.Flat
FAMILIES = {
    "VVV": bm.MvGaussian(mean=F(), cov=F()),
    "EEE": bm.MvGaussian(mean=F(), cov=F(), shared=True),
    "EII": bm.Gaussian(mean=F(), var=F(), isotropic=True, shared=True),
    "VVI": bm.Gaussian(mean=F(), var=F()),
    "E": bm.Gaussian(mean=F(), var=F(), shared=True),
    "V": bm.Gaussian(mean=F(), var=F()),
}
DATA = {"faithful": bm.datasets.old_faithful, "galaxies": bm.datasets.galaxies, "iris": bm.datasets.iris}


@pytest.fixture
def no_hessian(monkeypatch):
    """The census without its Hessians: these tests are about the numbers at the optimum."""
    monkeypatch.setattr("bayesmix.em.modes.LARGEST_HESSIAN", 0)


@pytest.mark.parametrize(
    "name,family,same",
    [
        ("galaxies", "E", (1, 2, 3)),
        pytest.param("galaxies", "V", (1,), marks=pytest.mark.certify),
        pytest.param("faithful", "VVV", (1, 2), marks=pytest.mark.certify),
        pytest.param("faithful", "EEE", (1, 2, 3), marks=pytest.mark.certify),
        pytest.param("iris", "EII", (1, 2, 3), marks=pytest.mark.certify),
    ],
)
def test_bic_icl_and_df_are_mclusts(name, family, same, golden, no_hessian):
    """Where both find one optimum (mclust's own start may end lower, never higher); the sign is turned.

    mclust stops a gain of log L short of the optimum, so about (2 gain)^(1/2) posterior standard deviations away. BIC
    feels that at second order, the cost of the assignments at first: at most n^(1/2) of it for n rows, and ICL twice.
    """
    data = DATA[name]()
    model = bm.Mixture(FAMILIES[family], 1, weight=F())
    dossier = bm.select(model, bm.Data(data.x, names=data.names), same, engine="em", seed=3, workers=1)
    stored = golden(f"mclust_{name}")["fits"]
    for K in same:
        theirs, ours = stored[f"{family}_{K}"], dossier.all_numbers.loc[K]
        assert ours["df"] == theirs["df"]
        assert ours["log likelihood"] == pytest.approx(theirs["loglik"], abs=1e-4)
        assert ours["BIC"] == pytest.approx(-theirs["bic"], abs=2e-4)
        assert ours["AIC"] == pytest.approx(2 * theirs["df"] - 2 * theirs["loglik"], abs=2e-4)
        gain = max(ours["log likelihood"] - theirs["loglik"], 1e-9)  # 1e-9: rounding of the stored value
        assert ours["ICL"] == pytest.approx(-theirs["icl"], abs=2e-4 + 2 * np.sqrt(data.n * 2 * gain))


def test_entropy_counts_the_overlap():
    """Two components that are the same have log 2 a row, far apart ones nothing."""
    family = bm.Gaussian(mean=bm.Fixed([[0.0], [0.0]]), sd=bm.Fixed(1.0))
    data = bm.Data(np.arange(4.0)[:, None])
    same = bm.select([bm.Mixture(family, 2, weight=bm.Fixed(0.5))], data, engine="em", seed=1, workers=1)
    assert same.all_numbers["entropy"].iloc[0] == pytest.approx(4 * np.log(2), rel=1e-12)
    assert "twin components" in same.reasons["entropy"].iloc[0]


# ---- held-out density ----------------------------------------------------------------------------------


def test_folds_share_the_rows_out():
    data = bm.Data(np.arange(11.0)[:, None])
    fold = folds_of(data, 4, 7)
    assert sorted(np.bincount(fold)) == [2, 3, 3, 3] and (fold == folds_of(data, 4, 7)).all()
    assert (fold != folds_of(data, 4, 8)).any()


def test_with_nothing_to_estimate_held_out_density_is_the_likelihood():
    x = np.array([[-1.0], [0.2], [0.4], [3.0], [3.5], [4.5]])
    family = bm.Gaussian(mean=bm.Fixed([[0.0], [4.0]]), sd=bm.Fixed(1.0))
    model = bm.Mixture(family, 2, weight=bm.Fixed([0.3, 0.7]))
    dossier = bm.select({"fixed": model}, bm.Data(x), engine="em", by="held-out, EM", folds=3, seed=1, workers=1)
    rows = np.log(0.3 * stats.norm(0, 1).pdf(x[:, 0]) + 0.7 * stats.norm(4, 1).pdf(x[:, 0]))
    assert dossier.table.loc["fixed", "held-out, EM"] == pytest.approx(rows.sum(), rel=1e-12)
    assert dossier.table.loc["fixed", "held-out, EM se"] == pytest.approx(np.sqrt(6 * rows.var(ddof=1)), rel=1e-12)
    assert dossier.choice == "fixed"


def test_a_held_out_row_is_not_in_the_fit():
    """Leaving one out of a single Gaussian with flat priors: the density at the mean and variance of the others."""
    x = np.array([0.0, 1.0, 2.5, 4.0, 9.0])
    model = bm.Mixture(bm.Gaussian(mean=F(), var=F()), 1)
    dossier = bm.select(model, bm.Data(x[:, None]), [1], engine="em", folds=5, seed=1, workers=1)
    others = [np.delete(x, i) for i in range(5)]
    exact = sum(stats.norm(o.mean(), o.std()).logpdf(x[i]) for i, o in enumerate(others))
    assert dossier.table.loc[1, "held-out, EM"] == pytest.approx(exact, rel=1e-8)


# ---- stability -----------------------------------------------------------------------------------------


def apart(n=30, gap=50.0):
    return bm.Data(np.concatenate([np.random.default_rng(0).normal(0, 1, n), gap + np.linspace(-1, 1, n)])[:, None])


@pytest.mark.certify
def test_groups_that_are_far_apart_are_stable_and_one_group_has_no_stability():
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(25, 30), var=bm.InverseGamma(3, 2)), 1)
    dossier = bm.select(model, apart(), [1, 2, 3], engine="em", stability=4, restarts=5, seed=1, workers=1)
    assert dossier.table.loc[2, "stability"] == 1.0 and dossier.table.loc[2, "stability se"] == 0.0
    assert "nothing to group" in dossier.reasons.loc[1, "stability"]
    assert dossier.all_numbers.loc[3, "stability"] < 1.0  # three groups where there are two


def test_resampled_rows_count_as_many_as_there_were():
    data = bm.Data(np.arange(20.0)[:, None], label=np.arange(20) % 2)
    part = resampled(data, np.random.default_rng(1))
    assert part.weight.sum() == 20 and part.n < 20 and part.x[:, 0].tolist() == sorted(set(part.x[:, 0]))
    assert (part.label == part.x[:, 0] % 2).all()


def test_a_refit_is_the_best_of_its_climbs(galaxies):
    model = bm.Mixture(bm.Gaussian(), 3).resolve(galaxies)
    best = bm.fit_em(model, galaxies, restarts=20, seed=1)
    found = refit(model, galaxies, np.random.default_rng(2), 3, start=best.best)
    assert found.log_posterior == pytest.approx(best.log_posterior, abs=1e-5)
    assert (classes_of(model, galaxies, best.best) == best.predict_proba().argmax(axis=1)).all()


# ---- the likelihood ratio test -------------------------------------------------------------------------


def test_the_p_value_counts_the_observed_statistic_itself():
    from types import SimpleNamespace

    small, large = (SimpleNamespace(log_likelihood=v) for v in (-100.0, -95.0))
    found = likelihood_ratio.cell(small, large, np.array([1.0, 10.0, 12.0, 9.0]))  # observed 10
    assert found.value == pytest.approx(3 / 5) and found.se == pytest.approx(np.sqrt(0.6 * 0.4 / 4))
    assert likelihood_ratio.cell(small, large, np.zeros(99)).value == pytest.approx(0.01)
    assert (
        "2 of 4 replicates collapsed" in likelihood_ratio.cell(small, large, np.array([np.nan] * 2 + [1.0, 2])).reason
    )


def probability(data, replicates):
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 10), var=bm.InverseGamma(3, 2)), 1)
    options = {"engine": "em", "bootstrap": replicates, "refit_restarts": 2, "restarts": 5, "seed": 1, "workers": 1}
    return bm.select(model, bm.Data(data[:, None]), [1, 2], **options).table.loc[1, "LRT p"]


def test_two_groups_that_are_apart_have_the_smallest_p_value(rng):
    assert probability(np.concatenate([rng.normal(-3, 1, 40), rng.normal(3, 1, 40)]), 5) == pytest.approx(1 / 6)


@pytest.mark.certify
def test_one_group_is_not_rejected(rng):
    assert probability(rng.normal(0, 1, 80), 39) > 0.05


def test_the_test_is_refused_where_it_cannot_simulate():
    model = bm.Mixture(bm.Gaussian(), 2)
    x = np.array([[0.0], [0.1], [0.3], [5.0], [5.2], [5.3]])
    labelled = bm.fit_em(model, bm.Data(x, label=[0, -1, -1, 1, -1, -1]), restarts=2, seed=1)
    assert "labels" in likelihood_ratio.why_not(labelled, labelled)
    weighted = bm.fit_em(model, bm.Data(x, weight=[1, 1, 1, 1, 1, 1.5]), restarts=2, seed=1)
    assert "fractional" in likelihood_ratio.why_not(weighted, weighted)


# ---- candidates ----------------------------------------------------------------------------------------


def test_one_component_has_no_constraints(galaxies):
    model = bm.Mixture(bm.Gaussian(), 3, constraints=(bm.Order("mean"), bm.MinWeight(0.1)))
    assert at(model, 1).constraints == () and at(model, 4).constraints == model.constraints
    found = candidates_of(model, galaxies, range(1, 4))
    assert [(c.key, c.name, c.model.components) for c in found] == [(1, 1, 1), (2, 2, 2), (3, 3, 3)]
    default = bm.Mixture(bm.Gaussian(), 1).resolve(galaxies).family
    assert all(repr(c.model.family) == repr(default) for c in found)  # the default priors do not look at K


def test_models_in_a_list_are_named_by_what_they_are(galaxies):
    found = candidates_of([bm.Mixture(bm.Gaussian(), 2), bm.Mixture(bm.Gaussian(shared=True), 3)], galaxies)
    assert [c.name for c in found] == ["A: Gaussian, K = 2", "B: Gaussian, shared, K = 3"]


@pytest.mark.parametrize(
    "model,components,words",
    [
        (bm.Mixture(bm.Gaussian(), 2), [0, 1], "whole numbers of at least 1"),
        (bm.Mixture(bm.Gaussian(), 2), [2, 2], "twice"),
        (bm.Mixture(bm.Gaussian(), 2), 2.5, "whole numbers"),
        ([], None, "no model"),
        ([bm.Gaussian()], None, "expected a bm.Mixture"),
        ([bm.Mixture(bm.Gaussian(), 2)], [1, 2], "leave components out"),
        (bm.Mixture(bm.Gaussian(), 2, classes=[0, 1]), [1, 2], "classes"),
        (bm.Mixture(bm.Gaussian(mean=bm.Normal([[1.0], [2.0]], 1)), 2), [2, 3], "3 components is not possible"),
        (bm.Mixture(bm.Gaussian(), 2, constraints=bm.MinWeight(0.3)), [2, 4], "4 components is not possible"),
        (bm.Mixture(bm.Components(bm.PointMass(0), bm.Poisson())), [2, 3], "the family itself has 2"),
    ],
)
def test_impossible_candidates_are_refused_before_anything_runs(model, components, words):
    with pytest.raises(bm.InputError, match=words):
        bm.select(model, bm.Data(np.arange(10.0)[:, None]), components, engine="em")


@pytest.mark.parametrize(
    "options,words",
    [
        ({"engine": "vb"}, "engine='vb'"),
        ({"by": "df"}, "by='df'"),
        ({"prior": [1, 2]}, "3 numbers"),
        ({"folds": 1}, "single fold"),
        ({"smc": 1}, "at least 2"),
        ({"bootstrap": -1}, "at least 0"),
        ({"restarts": 0}, "at least 1"),
        ({"sampler": "metropolis", "engine": "both"}, "sampler='metropolis'"),
    ],
)
def test_wrong_arguments(options, words, galaxies):
    with pytest.raises(bm.InputError, match=words):
        bm.select(bm.Mixture(bm.Gaussian(), 2), galaxies, [1, 2, 3], **({"engine": "em"} | options))

"""The whole comparison: exact evidence, a folder that is taken up again, and chains that must make it refuse."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import bayesmix as bm
from bayesmix.selection import examine
from bayesmix.selection import select as module
from bayesmix.selection.criteria import CRITERIA, Subject
from mcmc.test_exact import case, known_sd


@pytest.mark.certify
def test_evidence_and_probability_are_exact(golden):
    """A1 by Gibbs: K = 2 by enumeration of the allocations (stored), K = 1 in closed form."""
    c = case(golden, "A1")
    y = np.array(c["X"] if "X" in c else c["y"], dtype=float)
    dossier = bm.select(known_sd(c), bm.Data(y), [1, 2], draws=1500, seed=1, workers=1)
    cov = np.full((len(y), len(y)), c["s0"] ** 2) + np.eye(len(y)) * c["sigma_known"] ** 2
    exact = np.array([stats.multivariate_normal(np.full(len(y), c["m0"]), cov).logpdf(y), c["log_marginal_likelihood"]])
    table = dossier.table
    z = (table["log evidence"] - exact) / table["log evidence se"]
    assert (np.abs(z) < 5).all() and (table["log evidence se"] < 0.05).all(), z
    p = np.exp(exact - np.logaddexp.reduce(exact))
    assert (np.abs(table["p(model | y)"] - p) < 5 * table["p(model | y) se"]).all()
    assert dossier.choice == (2 if exact[1] - exact[0] > np.log(3) else None)
    assert dossier.fits[2].mcmc.settings["sampler"] == "gibbs" and dossier.settings["sampler"] == {
        "1": "gibbs",
        "2": "gibbs",
    }
    loo = table.loc[2, "LOO"]
    assert loo < dossier.fits[2].mcmc.groups["log_likelihood"]["x"].mean(("chain", "draw")).sum()  # p_loo > 0


def small(galaxies):
    return (
        bm.Mixture(bm.Gaussian(), 1),
        bm.Data(galaxies.x[::2]),
        {"engine": "em", "restarts": 3, "seed": 5, "workers": 1},
    )


def test_a_candidate_does_not_depend_on_the_others(galaxies):
    model, data, options = small(galaxies)
    several, alone = bm.select(model, data, [1, 2], **options), bm.select(model, data, [2], **options)
    assert several.table.loc[2].equals(alone.table.loc[2])
    assert several.fits[2].em.settings["seed"] == alone.fits[2].em.settings["seed"]


@pytest.mark.certify
def test_neither_does_it_depend_on_the_workers(galaxies):
    model, data, options = small(galaxies)
    options |= {"stability": 2, "folds": 3, "bootstrap": 12, "refit_restarts": 2}
    one, two = (bm.select(model, data, [1, 2], **options | {"workers": w}) for w in (1, 2))
    assert one.table.equals(two.table)


def test_a_stopped_comparison_is_taken_up_again(galaxies, tmp_path, monkeypatch):
    model, data, options = small(galaxies)
    whole = bm.select(model, data, [1, 2], folds=2, bootstrap=2, **options)
    options |= {"folds": 2, "bootstrap": 2, "folder": tmp_path / "f"}
    true, seen = examine.examine, []

    def stops(candidate, *rest):
        if candidate.name == 1:
            raise KeyboardInterrupt
        return true(candidate, *rest)

    monkeypatch.setattr(examine, "examine", stops)
    with pytest.raises(KeyboardInterrupt):
        bm.select(model, data, [1, 2], **options)
    monkeypatch.setattr(examine, "examine", lambda c, *rest: seen.append(c.name) or true(c, *rest))
    again = bm.select(model, data, [1, 2], **options | {"seed": None})
    assert seen == [1] and again.settings["seed"] == 5
    assert again.table.equals(whole.table) and again.reasons.equals(whole.reasons)
    assert np.array_equal(again.records[1].cell("held-out, EM").rows, whole.records[1].cell("held-out, EM").rows)
    monkeypatch.setattr(module.likelihood_ratio, "replicates", None)
    bm.select(model, data, [1, 2], **options)
    assert seen == [1]


@pytest.mark.parametrize(
    "change,words",
    [({"restarts": 4}, "restarts=3"), ({"seed": 6}, "seed=5"), ({"engine": "both"}, "engine='em'"), ({}, "other data")],
)
def test_the_folder_of_another_comparison_is_refused(change, words, galaxies, tmp_path):
    model, data, options = small(galaxies)
    said = {"format": 1, "data": "0", "asked": {
        "engine": "em", "restarts": 3, "draws": 1000, "tune": 500, "chains": 4, "bootstrap": 0, "stability": 0,
        "folds": 0, "mcmc_folds": False, "refit_restarts": 5, "sampler": {}, "seed": 5}}  # fmt: skip
    (tmp_path / "select.json").write_text(json.dumps(said))
    with pytest.raises(bm.InputError, match=words):
        bm.select(model, data, [1, 2], folder=tmp_path, **options | change)


def test_a_folder_with_other_things_is_refused(galaxies, tmp_path):
    model, data, options = small(galaxies)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(bm.InputError, match="holds other files"):
        bm.select(model, data, [1], folder=tmp_path, **options)


def test_where_gibbs_does_not_serve_the_sampler_is_said(galaxies):
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(20, 10), sd=bm.HalfNormal(5)), 1)
    found = module.candidates_of(model, galaxies, [1, 2])
    samplers, notes = module._samplers(found, galaxies, None, "both")
    assert samplers == {"1": "nutpie", "2": "nutpie"} and len(notes) == 2
    assert notes[1].startswith("2: sampled by NUTS (nutpie), since Gibbs does not serve it: Gaussian with these priors")
    with pytest.raises(bm.InputError, match="no conjugate step"):
        module._samplers(found, galaxies, "gibbs", "both")


# ---- chains stuck in different modes -------------------------------------------------------------------


def stuck(chains, separate=True):
    """An MCMC fit of four known Gaussians' weights whose chains sit in different optima of the means, or in one."""
    data = bm.Data(np.concatenate([np.linspace(-1, 1, 20) + m for m in (0.0, 12.0, 24.0)])[:, None])
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(12, 12), sd=bm.Fixed(1.0)), 2)
    em = bm.fit_em(model, data, restarts=30, start="rows", seed=1)
    starts = [em.optima[m % 2 if separate else 0].theta for m in range(chains)]
    return em, bm.fit_mcmc(model, data, sampler="gibbs", start=starts, draws=400, tune=50, chains=chains, seed=2)


def test_chains_in_different_modes_make_the_estimates_refuse():
    """Two components for three groups: one must hold two of them, and no chain leaves its choice."""
    em, fit = stuck(4)
    diagnosis = bm.diagnose(fit, em, progress=False)
    assert "several modes" in diagnosis.verdicts
    candidate = module.candidates_of(replace(em.mixture), em.data, [2])[0]
    subject = Subject(candidate, em.data, {}, examine.seeds_of(1, 2), em, fit, diagnosis)
    for name in ("LOO", "log evidence"):
        cell = CRITERIA[name].function(subject)
        assert not cell.usable and "different regions" in cell.reason
    assert "different regions" in examine.bar(subject)
    assert not bm.log_evidence(fit, diagnosis=diagnosis).ok

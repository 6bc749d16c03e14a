"""The whole comparison: exact evidence, a folder that is taken up again, and chains that must make it refuse."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln

import bayesmix as bm
from bayesmix.selection import examine, kept
from bayesmix.selection import select as module
from bayesmix.selection.criteria import CRITERIA, Subject
from mcmc.test_exact import case, known_sd


@pytest.mark.certify
def test_evidence_and_probability_are_exact(golden):
    """A1 by Gibbs: K = 2 by enumeration of the allocations (stored), K = 1 in closed form."""
    c = case(golden, "A1")
    y = np.array(c["X"] if "X" in c else c["y"], dtype=float)
    dossier = bm.select(known_sd(c), bm.Data(y), [1, 2], prior=[1, 1], draws=1500, smc=4, seed=1, workers=1)
    cov = np.full((len(y), len(y)), c["s0"] ** 2) + np.eye(len(y)) * c["sigma_known"] ** 2
    exact = np.array([stats.multivariate_normal(np.full(len(y), c["m0"]), cov).logpdf(y), c["log_marginal_likelihood"]])
    table = dossier.table
    z = (table["log evidence"] - exact) / table["log evidence se"]
    assert (np.abs(z) < 5).all() and (table["log evidence se"] < 0.05).all(), z
    assert (np.abs(table["SMC evidence"] - exact) < 5 * table["SMC evidence se"]).all()
    p = np.exp(exact - np.logaddexp.reduce(exact))
    assert (np.abs(table["p(model | y)"] - p) < 5 * table["p(model | y) se"]).all()
    own = dossier.groups["K = 2"].to_numpy()  # and every draw of K = 1 has one group
    assert (np.abs(dossier.pool.probability - (p[0] * np.array([1, 0]) + p[1] * own)) < 5 * dossier.pool.se).all()
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
    said = {"format": kept.FORMAT, "data": "0", "asked": {
        "engine": "em", "restarts": 3, "draws": 1000, "tune": 500, "chains": 4, "bootstrap": 0, "stability": 0,
        "folds": 0, "mcmc_folds": False, "refit_restarts": 5, "smc": 0, "sampler": {}, "seed": 5}}  # fmt: skip
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


# ---- data whose answer is known ------------------------------------------------------------------------


@pytest.mark.certify
def test_galaxies_are_chosen_with_their_known_evidences():
    """P1: the stored evidences of K = 1, 2, 3 within .05; K = 2, whose chains cross seldom, is beaten, not refused."""
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(20, 10), var=bm.InverseGamma(3, 20)), 1)
    dossier = bm.select(model, bm.datasets.galaxies(), [1, 2, 3], seed=11, workers=1)
    exact = np.array([-246.10614993690842, -232.885, -226.789])
    found = dossier.table[["log evidence", "log evidence se"]].to_numpy()
    assert (np.abs(found[:, 0] - exact) < 0.05).all() and (found[:, 1] < 0.05).all(), found
    assert dossier.choice == 3 and "is the most that was tried" in dossier.summary()


def skewed(rng):
    """Two groups of the plane with one covariance, tilted."""
    factor = np.array([[1.0, 0.0], [0.9, 0.45]])
    return bm.Data(np.concatenate([rng.normal(size=(60, 2)) @ factor.T + m for m in ([0, 0], [6, 0])]))


@pytest.mark.certify
def test_covariance_structures_and_constraints_compete_by_their_evidence(rng):
    """A full covariance beats a diagonal one on tilted groups; an order, which only gives names, changes nothing."""
    data = skewed(rng)
    full, diagonal = bm.Mixture(bm.MvGaussian(), 2), bm.Mixture(bm.Gaussian(), 2)
    ordered = replace(full, constraints=(bm.Order("mean", by=0),))
    models = {"full": full, "diagonal": diagonal, "full, in order": ordered}
    found = bm.select(models, data, restarts=5, draws=500, seed=4, workers=1)
    z = found.table["log evidence"]
    error = np.hypot(*found.table.loc[["full", "full, in order"], "log evidence se"])
    assert abs(z["full"] - z["full, in order"]) < 5 * error + 1e-12, found.table["log evidence"]
    assert z["full"] - z["diagonal"] > 10 and found.leaders["BIC"][0] != "diagonal"
    assert found.choice is None and "tie by log evidence" in found.why  # the two of full covariance are one model


@pytest.mark.certify
def test_families_compete_by_their_evidence(rng):
    """Counts of a Poisson, also read as codes of a category: both evidences are exact, and the Poisson is chosen."""
    y = rng.poisson(8.0, size=80).astype(float)
    models = {"counts": bm.Mixture(bm.Poisson(rate=bm.Gamma(2, 1)), 1),
              "codes": bm.Mixture(bm.Categorical(prob=bm.Dirichlet(1.0)), 1)}  # fmt: skip
    dossier = bm.select(models, bm.Data(y), draws=500, restarts=2, seed=1, workers=1)
    times = np.bincount(y.astype(int))
    exact = {
        "counts": gammaln(2 + y.sum()) - gammaln(2) - (2 + y.sum()) * np.log(1 + len(y)) - gammaln(y + 1).sum(),
        "codes": gammaln(len(times)) - gammaln(len(times) + len(y)) + gammaln(times + 1).sum(),
    }
    for name, value in exact.items():
        found, se = dossier.table.loc[name, ["log evidence", "log evidence se"]]
        assert se < 0.05 and abs(found - value) < 5 * se
    assert exact["counts"] > exact["codes"] + 5 and dossier.choice == "counts"
    with pytest.raises(bm.InputError, match="Bernoulli"):  # a family that cannot have made these rows
        bm.select([models["counts"], bm.Mixture(bm.Bernoulli(), 1)], bm.Data(y), seed=1)


@pytest.mark.certify
def test_held_out_density_by_gibbs_is_near_leave_one_out(galaxies):
    """`mcmc_folds`: ten folds of galaxies under three components, beside PSIS-LOO and EM: within half LOO's error."""
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(20, 10), var=bm.InverseGamma(3, 20)), 1)
    (found,) = bm.select(model, galaxies, [3], folds=10, mcmc_folds=True, draws=500, seed=2, workers=1).records
    loo, em, mcmc = (found.cell(name) for name in ("LOO", "held-out, EM", "held-out, MCMC"))
    assert not mcmc.reason and abs(mcmc.value - em.value) < 0.5 * loo.se
    assert abs(mcmc.value - loo.value) < 0.5 * loo.se  # greyed out where the k of the far galaxies is just above .7


@pytest.mark.certify
def test_nuts_inside_a_comparison():
    """A half-normal scale has no Gibbs step: `select` takes NUTS, says so, and its evidence is that of quadrature."""
    y = np.array([-1.9, -1.6, -1.1, 0.4, 2.2, 2.9, 3.3, 5.0])
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 3), sd=bm.HalfNormal(2)), 1)
    found = bm.select(model, bm.Data(y), [1], draws=500, seed=3, workers=1)
    m, s = np.linspace(-15, 15, 1501), np.linspace(1e-3, 12, 1500)
    log_p = stats.norm(0, 3).logpdf(m)[:, None] + stats.halfnorm(scale=2).logpdf(s)
    log_p = log_p + sum(stats.norm.logpdf(v, m[:, None], s) for v in y)
    exact = np.log(np.exp(log_p - log_p.max()).sum() * (m[1] - m[0]) * (s[1] - s[0])) + log_p.max()
    row = found.table.loc[1]
    assert abs(row["log evidence"] - exact) < 5 * row["log evidence se"] and row["log evidence se"] < 0.05
    assert found.settings["sampler"] == {"1": "nutpie"} and "sampled by NUTS" in found.summary()

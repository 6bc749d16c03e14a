"""The three runs of which raw R-hat cannot tell the causes apart: switched labels, two optima, and one stray chain."""

import numpy as np
import pytest

import bayesmix as bm
from diagnosis_bench.chains import around, chains_of, gibbs, packed, renamed


def three_normals(seed=0, alpha=2.0):
    """The data of the three runs: normals at 0, 4.5 and 30, and the optimum in which one component covers two.

    alpha: the concentration of the weights. Of the two components that share a group one soon empties under a small
    one, and then finds the third group; under a large one it does not.
    """
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.normal(m, 1, 100) for m in (0, 4.5, 30)])
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(10, 20), var=bm.InverseGamma(3, 2)), 3, weight=bm.Dirichlet(alpha))
    em = bm.fit_em(model, bm.Data(x), restarts=60, start="rows", seed=seed)
    gap = [em.optima[0].log_posterior - m.log_posterior for m in em.optima]
    low = next(m for m, mode in enumerate(em.optima) if gap[m] > 40 and mode.cov_u is not None)
    return em, low


@pytest.mark.parametrize(
    "run,split,verdict",
    [
        ("A", (0, 0, 0, 0), "label switching"),
        ("B", (0, 0, 1, 1), "several modes"),
        ("C", (0, 0, 1, 0), "several modes"),
    ],
)
def test_the_three_runs(run, split, verdict):
    """Permuted starts; two chains in an optimum tens of nats lower; one such chain, as PyMC's own defaults gave it."""
    em, low = three_normals()
    rng = np.random.default_rng(7)
    chains = [around(em, low if bad else 0, 300, rng) for bad in split]
    if run == "A":
        chains = [renamed(em.mixture, chain, np.roll(np.arange(3), c)) for c, chain in enumerate(chains)]
    diagnosis = bm.diagnose(packed(em, chains), em)
    assert diagnosis.verdict == verdict, diagnosis.summary()
    worst = diagnosis.table.groupby("kind")["r_hat"].max()
    assert worst["raw"] > 1.5  # whatever the cause
    assert {bool(worst[kind] > 1.3) for kind in ("invariant", "relabelled")} == {any(split)}
    home = diagnosis.occupancy.to_numpy()
    assert (home[:, 0] == 1 - np.array(split)).all() and np.allclose(home[:, low], split, atol=0.1)
    assert diagnosis.modes["share"].iloc[0] > 0.999 and not diagnosis.moves.to_numpy()[0].any()
    if any(split):
        assert "below 0.1 %" in diagnosis.summary()  # the mass of the region in which chains are stuck


@pytest.mark.certify
@pytest.mark.parametrize("seed", [0, 1])
def test_run_b_by_gibbs(seed):
    """Two real chains that begin in the optimum tens of nats lower, and stay there to the last draw."""
    em, low = three_normals(seed, alpha=30.0)
    chains = [chains_of(gibbs(em, 10 * seed + c, 400, chains=1, mode=low if c > 1 else 0))[0] for c in range(4)]
    fit = packed(em, chains)
    gap = fit.log_posteriors[:2].min() - fit.log_posteriors[2:].max()
    assert gap > 10, gap  # they stayed: the worst draw above is better than the best below
    diagnosis = bm.diagnose(fit, em)
    assert diagnosis.verdict == "several modes", diagnosis.summary()
    home = diagnosis.occupancy.to_numpy()
    assert (home[:2, 0] == 1).all() and (home[2:, 0] == 0).all()
    assert "below 0.1 %" in diagnosis.summary()


@pytest.mark.certify
def test_nuts_from_prior_draws_ends_where_it_will():
    """Run C: chains in several optima are several modes, all in one are switched labels. (Gibbs: the bench.)"""
    em, _ = three_normals()
    nuts = bm.diagnose(bm.fit_mcmc(em.mixture, em.data, start="prior", draws=500, seed=3), em)
    apart = nuts.occupancy.idxmax(axis=1).nunique() > 1
    assert ("several modes" in nuts.verdicts) is apart and "sound" not in nuts.verdicts
    assert nuts.table.groupby("kind")["r_hat"].max()["raw"] > 1.5


@pytest.mark.certify
def test_run_c_by_pymc_with_its_own_defaults():
    """A model written by hand and plain `pm.sample`: where its jitter puts chains they stay, without a divergence.

    The truth is read off the log likelihood: the local optimum lies tens of nats below the best one.
    """
    import pymc as pm

    rng, found = np.random.default_rng(0), []
    x = np.concatenate([rng.normal(m, 1, 100) for m in (0, 4.5, 30)])
    with pm.Model(coords={"component": range(3), "obs": range(300)}):
        w = pm.Dirichlet("w", np.full(3, 2.0), dims="component")
        mu = pm.Normal("mu", 10.0, 20.0, dims="component")
        sigma = pm.HalfNormal("sigma", 10.0, dims="component")
        pm.NormalMixture("y", w, mu, sigma=sigma, observed=x, dims="obs")
        for seed in range(1, 4):
            tree = pm.sample(500, tune=500, chains=4, random_seed=seed, quiet=True)
            pm.compute_log_likelihood(tree, progressbar=False)
            total = tree["log_likelihood"]["y"].sum("obs").mean("draw").values
            low = total < total.max() - 10
            diagnosis = bm.diagnose_draws(tree)
            expected = "several modes" if 0 < low.sum() < 4 else "label switching"
            assert expected in diagnosis.verdicts and "sound" not in diagnosis.verdicts, diagnosis.summary()
            if expected == "several modes":
                assert diagnosis.verdict == expected, diagnosis.summary()
                regions = diagnosis.evidence.regions_of_chains
                assert not set(regions[low]) & set(regions[~low])
            found.append(expected)
    assert "several modes" in found, found  # otherwise there was no run C to judge

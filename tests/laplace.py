"""A stand-in for MCMC that needs no PyMC: independent draws of the Laplace approximation at the EM mode."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from bayesmix.em.kernel import Problem
from bayesmix.fit import Fit


def laplace_fit(em, *, chains=4, draws=60, seed=0, switch=False):
    """An MCMC-like Fit; with `switch`, chains change labels half-way (and `permutation` undoes it)."""
    import xarray as xr

    rng, model, data = np.random.default_rng(seed), em.mixture, em.data
    problem, best = Problem.of(model, data), em.optima[0]
    inner = problem.mixture
    root = np.linalg.cholesky(best.cov_u)
    K, shape = model.components, (chains, draws)
    fields = {name: np.empty((*shape, *value.shape)) for name, value in best.theta.items()}
    permutation = np.tile(np.arange(K), (*shape, 1))
    log_posterior = np.empty(shape)
    for c, s in np.ndindex(shape):
        theta = problem.outward(inner.from_vector(best.u + root @ rng.standard_normal(len(best.u)), best.theta))
        log_posterior[c, s] = sum(model.log_posterior(data, theta).values()) if s % 10 == 0 else log_posterior[c, s - 1]
        if switch and (s >= draws // 2) == bool(c % 2):
            permutation[c, s] = np.arange(K)[::-1]
            theta = model.permute(theta, permutation[c, s])
        for name, value in theta.items():
            fields[name][c, s] = value
    settings = {
        "seed": seed,
        "sampler": "laplace",
        "draws": draws,
        "tune": 0,
        "chains": chains,
        "partial": False,
    }
    fit = Fit("mcmc", model, data, fields, log_posterior, permutation, settings, em.certificate, em.optima, em.runs)
    replicas = np.stack([fit.simulate(data.n, seed=i)[0] for i in range(20)]).reshape(2, 10, data.n, data.d)
    fit.groups["posterior_predictive"] = xr.Dataset({"x": (("chain", "draw", "obs", "feature"), replicas)})
    fit.groups["sample_stats"] = xr.Dataset({"diverging": (("chain", "draw"), np.zeros(shape, dtype=bool))})
    return fit


def made_up_comparison(em, mcmc):
    """A table of the shape of `bm.compare`'s."""
    from bayesmix.tree import scalars

    rows = {}
    at = scalars(em.mixture, em.data, em.relabelled)
    for name, value in scalars(mcmc.mixture, mcmc.data, mcmc.relabelled).items():
        low, high = np.quantile(value, [0.05, 0.95])
        here = float(at[name][0, 0])
        sd = value.std()
        rows[name] = {"MAP": here, "mean": value.mean(), "sd": sd, "5%": low, "95%": high}
        rows[name] |= {"z": (here - value.mean()) / sd, "percentile": 100 * (value < here).mean()}
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.attrs = {"log_posterior_gap": 0.5, "log_posterior_gap_mean": 5.5, "classification_agreement": 1.0,
                   "n": em.data.n}  # fmt: skip
    return table


def made_up_diagnosis(verdict="sound"):
    """An object with the attributes of a `Diagnosis`."""
    table = pd.DataFrame(
        {
            "kind": ["invariant", "relabelled", "raw"],
            "r_hat": [1.001, 1.002, 1.9],
            "ess_bulk": [900.0, 800.0, 4.0],
            "ess_tail": [700.0, 650.0, 10.0],
            "mcse": [0.01, 0.001, 0.5],
        },
        index=["log posterior", "weight[0]", "weight[0]"],
    )
    finding = SimpleNamespace(name="invariants", level="good", sentence="The chains agree <everywhere>.", table=table)
    note = SimpleNamespace(name="raw", level="note", sentence="Raw labels switch.", table=None)
    return SimpleNamespace(
        verdict=verdict, verdicts=(verdict,), findings=(finding, note), table=table,
        advice="Read on.\nThen stop.",
        occupancy=pd.DataFrame({"mode 0": [60, 60, 60, 50], "mode 1": [0, 0, 0, 10]}, index=range(4)),
        summary=lambda: f"{verdict}\nThe chains agree.",
    )  # fmt: skip


def packed(em, *, chains=2, draws=40, seed=0, start=True):
    """The Fit that `fit_mcmc` would pack from the draws of `laplace_fit`: every stored group, and no sampling."""
    from bayesmix.mcmc.pack import pack

    made_up = laplace_fit(em, chains=chains, draws=draws, seed=seed, switch=False)
    free = [name for name in made_up.draws if not em.mixture.is_constant(name)]
    posterior = [{name: made_up.draws[name][c] for name in free} for c in range(chains)]
    stats = [{"diverging": np.zeros(draws, dtype=bool)} for _ in range(chains)]
    problem = Problem.of(em.mixture, em.data)
    return pack(em.mixture, em.data, problem, posterior, stats, em if start else None, em.certificate,
                made_up.settings, seed)  # fmt: skip

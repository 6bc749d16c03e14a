"""MAP-EM beside MCMC."""

import numpy as np

from bayesmix.em.kernel import Problem
from bayesmix.em.modes import match
from bayesmix.errors import InputError
from bayesmix.store import scalars


def compare(em, mcmc):
    """A DataFrame, one row per scalar parameter: the MAP beside the relabelled posterior.

    Columns: `MAP`, posterior `mean` and `sd`, the central 90 % interval `5%` and `95%`, `z` of the MAP
    ((MAP - mean) / sd), and the `percentile` of the MAP among the draws. Label-invariant numbers are in
    `.attrs`: `log_posterior_gap` (MAP minus best draw), `log_posterior_gap_mean` (MAP minus average
    draw), `classification_agreement` (share of rows whose most probable class is the same), `n`.

    Args:
        em, mcmc: fits of the same model to the same data.
    """
    import pandas as pd

    if em.engine != "em" or mcmc.engine != "mcmc":
        raise InputError(f"compare(em, mcmc): expected an EM and an MCMC fit, got {em.engine!r} and {mcmc.engine!r}.")
    if em.data.x.shape != mcmc.data.x.shape or list(em.mixture.parameters) != list(mcmc.mixture.parameters):
        raise InputError("compare(em, mcmc): the two fits are of different models or data.")
    problem = Problem.of(mcmc.mixture, mcmc.data)
    best = em.best
    if problem.relabelings > 1:
        best = em.mixture.permute(best, match(problem, mcmc.best, best, problem.free_blocks))
    at_map = scalars(em.mixture, em.data, {n: v[None, None] for n, v in best.items()})
    rows = {}
    for name, value in scalars(mcmc.mixture, mcmc.data, mcmc.relabelled).items():
        m, sd = float(at_map[name][0, 0]), float(value.std(ddof=1))
        low, high = np.quantile(value, [0.05, 0.95])
        rows[name] = {
            "MAP": m,
            "mean": float(value.mean()),
            "sd": sd,
            "5%": float(low),
            "95%": float(high),
            "z": (m - float(value.mean())) / sd if sd > 0 else np.nan,
            "percentile": float(100 * ((value < m).mean() + 0.5 * (value == m).mean())),
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    by_em = em._by_class(em._responsibilities(best, em.data.x, em.mixture.log_label(em.data)))
    agreement = float((by_em.argmax(axis=1) == mcmc.predict_proba().argmax(axis=1)).mean())
    table.attrs = {
        "log_posterior_gap": float(em.log_posterior - mcmc.log_posterior),
        "log_posterior_gap_mean": float(em.log_posterior - mcmc.log_posteriors.mean()),
        "classification_agreement": agreement,
        "n": em.data.n,
    }
    return table

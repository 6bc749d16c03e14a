"""MAP-EM beside MCMC: parameter by parameter, row by row, and the two densities."""

from dataclasses import replace

import numpy as np

from bayesmix.diagnostics.evidence import spaced
from bayesmix.em.kernel import Problem
from bayesmix.em.modes import match
from bayesmix.errors import InputError
from bayesmix.fit import Fit
from bayesmix.spec.special import logsumexp
from bayesmix.tree import scalars

SURE = 0.95  # EM's probability of a row's class from which EM calls it certain
UNSURE = 0.8  # the posterior probability of that class below which EM was over-confident
DRAWS = 1000  # draws from which the posterior covariance is taken
LISTED = 20  # rows that change class, by number
ENOUGH = 4  # of them per coordinate, at least


def compare(em, mcmc):
    """A DataFrame, one row per scalar parameter: the MAP beside the relabelled posterior.

    Columns: `MAP`; `Laplace sd`, its standard deviation by Laplace's approximation (NaN at an edge); posterior
    `mean` and `sd`; the central 90 % interval `5%` and `95%`; `z` of the MAP, (MAP - mean) / sd; the `percentile`
    of the MAP among the draws. What belongs to the fits as a whole is in `.attrs`, plain numbers:

    `log_posterior_gap`: the MAP minus the best draw; negative is a failure of EM, `em_failed` is then True.
    `log_posterior_gap_mean`: the MAP minus the average draw.
    `classification_agreement`: share of rows whose most probable class is the same; `rows_moved` how many are not,
    `moved` the first 20 of them; `adjusted_rand`: Hubert & Arabie's index of the two partitions.
    `overconfident`: rows that EM calls certain (probability >= 0.95) and the posterior does not (< 0.8).
    `spread_least`, `spread_most`: the smallest and largest ratio of posterior to Laplace standard deviation over all
    directions of the unconstrained coordinates (1 and 1 where Laplace is exact); NaN without a Laplace covariance.
    `density_kl`: the mean over the rows of log p(x | MAP) - log p(x | posterior); `density_gap`: its mean absolute
    value. `n`: the number of rows.

    Args:
        em, mcmc: fits of the same model to the same data.

    Raises:
        InputError: the fits are not one EM and one MCMC fit of one model and data.

    References: Hubert & Arabie (1985), Journal of Classification 2:193-218, eq. (5).
    """
    import pandas as pd

    check(em, mcmc)
    fitted, (em, perm) = em, aligned(em, mcmc)
    at_map = scalars(em.mixture, em.data, em.draws)
    laplace = em.standard_deviations()
    rows = {}
    for name, value in scalars(mcmc.mixture, mcmc.data, mcmc.relabelled).items():
        m, mean, sd = (
            float(at_map[name][0, 0]),
            float(value.mean()),
            float(value.std(ddof=1)) if value.size > 1 else np.nan,
        )
        low, high = np.quantile(value, [0.05, 0.95])
        rows[name] = {
            "MAP": m,
            "Laplace sd": float(laplace[name]),
            "mean": mean,
            "sd": sd,
            "5%": float(low),
            "95%": float(high),
            "z": (m - mean) / sd if sd > 0 else np.nan,
            "percentile": float(100 * ((value < m).mean() + 0.5 * (value == m).mean())),
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    by_row = compare_rows(em, mcmc)
    gap = float(em.log_posterior - mcmc.log_posterior)
    least, most = spread_ratios(fitted, mcmc, perm)
    at_each = em.log_density() - predictive_log_density(mcmc)
    table.attrs = {
        "log_posterior_gap": gap,
        "log_posterior_gap_mean": float(em.log_posterior - mcmc.log_posteriors.mean()),
        "em_failed": bool(gap < -1e-9 * max(1.0, abs(em.log_posterior))),
        "classification_agreement": float(1 - by_row["moved"].mean()),
        "rows_moved": int(by_row["moved"].sum()),
        "moved": by_row.index[by_row["moved"]][:LISTED].tolist(),
        "adjusted_rand": adjusted_rand(by_row["EM"].to_numpy(), by_row["MCMC"].to_numpy()),
        "overconfident": int(by_row["overconfident"].sum()),
        "spread_least": least,
        "spread_most": most,
        "density_kl": float(np.average(at_each, weights=em.data.row_weight)),
        "density_gap": float(np.average(np.abs(at_each), weights=em.data.row_weight)),
        "n": em.data.n,
    }
    return table


def compare_rows(em, mcmc):
    """A DataFrame, one line per row of the data: its class by EM and by MCMC, and how sure each is.

    Columns: `EM`, `MCMC` (the most probable classes); `EM probability` of EM's class at the MAP and `posterior
    probability` of the same class, averaged over the relabelled draws; `moved`, whether the classes differ;
    `overconfident`, whether EM calls the row certain (>= 0.95) and the posterior does not (< 0.8).

    Args:
        em, mcmc: fits of the same model to the same data.
    """
    import pandas as pd

    check(em, mcmc)
    em, _ = aligned(em, mcmc)
    ours, theirs = em.predict_proba(), mcmc.predict_proba()
    winner, names = ours.argmax(axis=1), np.array(em.class_names)
    at = np.arange(len(ours))
    frame = pd.DataFrame(
        {
            "EM": names[winner],
            "MCMC": names[theirs.argmax(axis=1)],
            "EM probability": ours[at, winner],
            "posterior probability": theirs[at, winner],
        }
    )
    frame["moved"] = frame["EM"] != frame["MCMC"]
    frame["overconfident"] = (frame["EM probability"] >= SURE) & (frame["posterior probability"] < UNSURE)
    frame.index.name = "row"
    return frame


def check(em, mcmc):
    """Raise InputError unless these are an EM and an MCMC fit of one model and data."""
    got = [f"{f.engine!r}" if isinstance(f, Fit) else type(f).__name__ for f in (em, mcmc)]
    if got != ["'em'", "'mcmc'"]:
        raise InputError(f"compare(em, mcmc): expected an EM and an MCMC fit, got {got[0]} and {got[1]}.")
    shapes = [{n: v.shape[2:] for n, v in f.draws.items()} for f in (em, mcmc)]
    if shapes[0] != shapes[1] or not np.array_equal(em.data.x, mcmc.data.x, equal_nan=True):
        raise InputError(
            "compare(em, mcmc): the two fits are of different models or data; fit the same model to the same data."
        )


def aligned(em, mcmc):
    """(the EM fit under the names that the draws were relabelled to, the permutation that did it)."""
    problem, perm = Problem.of(mcmc.mixture, mcmc.data), np.arange(mcmc.mixture.components)
    if problem.relabelings > 1:
        perm = match(problem, mcmc.best, em.best, problem.free_blocks)
    theta = em.mixture.permute(em.best, perm)
    return replace(em, draws={n: v[None, None] for n, v in theta.items()}), perm


def predictive_log_density(mcmc):
    """log p(x_i | data), (n,), from the stored pointwise log likelihood where it is there and not weighted."""
    stored = mcmc.groups.get("log_likelihood")
    if stored is None or mcmc.data.weight is not None:
        return mcmc.log_density()
    rows = stored["x"].values.reshape(-1, mcmc.data.n)
    return logsumexp(rows, axis=0) - np.log(len(rows))


def spread_ratios(em, mcmc, perm):
    """(least, most) of the posterior sd over the Laplace sd, over all directions of u; em as it was fitted."""
    best = em.optima[0] if em.optima else None
    if best is None or best.cov_u is None or not len(best.u):
        return float("nan"), float("nan")
    problem, total = Problem.of(em.mixture, em.data), int(np.prod(mcmc.shape))
    if total < ENOUGH * len(best.u):
        return float("nan"), float("nan")
    back, u = np.argsort(perm), []
    for i in spaced(total, max(DRAWS, ENOUGH * len(best.u))):
        theta = mcmc.mixture.permute(mcmc.theta(*divmod(int(i), mcmc.shape[1])), back)
        u.append(problem.mixture.vector(problem.inward(theta)))
    root = np.linalg.cholesky(best.cov_u)
    half = np.linalg.solve(root, np.atleast_2d(np.cov(np.array(u).T)))
    ratio = np.linalg.eigvalsh(np.linalg.solve(root, half.T))
    return float(np.sqrt(max(ratio[0], 0.0))), float(np.sqrt(ratio[-1]))


def adjusted_rand(a, b):
    """The Rand index of two partitions, corrected for chance: 1 when they are the same, about 0 when unrelated."""
    _, a = np.unique(a, return_inverse=True)
    _, b = np.unique(b, return_inverse=True)
    table = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(table, (a, b), 1)

    def pairs(n):
        return float((n * (n - 1) / 2).sum())

    both, first, second = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    expected = first * second / pairs(np.array(float(len(a)))) if len(a) > 1 else 0.0
    most = (first + second) / 2
    return 1.0 if most == expected else float((both - expected) / (most - expected))

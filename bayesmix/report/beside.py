"""Fits beside each other, and beside a truth that is known: tables for the page of a script."""

import numpy as np

from bayesmix.errors import InputError
from bayesmix.tree import scalars


def _starts_at_the_best(fit):
    return f"{fit.optima[0].times_reached} of {len(fit.runs)}"


def _divergent(fit):
    stats = fit.groups.get("sample_stats", {})
    return f"{100 * float(stats['diverging'].mean()):.1f} %" if "diverging" in stats else "Gibbs has none"


def _least_ess(fit):
    from bayesmix.diagnostics.convergence import least_ess

    return round(least_ess(fit))


def _verdict(fit):
    from bayesmix.diagnostics.diagnose import diagnose

    return diagnose(fit).verdict


SAYS = {  # what a column can say of a fit
    "log posterior": lambda fit: fit.log_posterior,
    "log likelihood": lambda fit: fit.log_likelihood,
    "parameters": lambda fit: fit.df,
    "BIC": lambda fit: fit.bic,
    "ICL": lambda fit: fit.icl,
    "distortion": lambda fit: fit.distortion,
    "iterations": lambda fit: fit.runs[fit.optima[0].start].iterations,
    "restarts": lambda fit: len(fit.runs),
    "optima met": lambda fit: len(fit.optima),
    "starts at the best": _starts_at_the_best,
    "collapsed": lambda fit: sum(run.status == "collapsed" for run in fit.runs),
    "verdict": _verdict,
    "divergent draws": _divergent,
    "least ESS": _least_ess,
}
PARAMETERS = {"estimates": 0, "spreads": 1}  # one column for each parameter: which column of the summary


def side_by_side(fits, *columns, by="fit"):
    """A DataFrame with one line for each of several fits.

    Args:
        fits: dict of name -> Fit.
        columns: what to say of each: "log posterior", "log likelihood", "parameters" (how many), "BIC", "ICL",
            "distortion"; of EM's restarts "iterations" (of the best), "restarts", "optima met", "starts at the best",
            "collapsed"; "verdict"; of chains "divergent draws" and "least ESS"; "estimates" and "spreads" add a
            column for each parameter: its value at the maximum or its posterior mean, and its standard deviation;
            and the name of a parameter, or of what is derived from them, as in `fit.summary()`: its estimate.
        by: what the names are, the name of the index.

    Raises:
        InputError: there is no fit, or no such column.
    """
    import pandas as pd

    others = [name for name in columns if name not in SAYS and name not in PARAMETERS]
    unknown = [name for name in others if any(name not in fit.summary().index for fit in fits.values())]
    if unknown or not fits:
        words = ", ".join(f'"{name}"' for name in (*SAYS, *PARAMETERS))
        raise InputError(
            f"side_by_side: expected at least one fit and columns among {words}, or parameters of every fit, "
            f"got {unknown}."
        )
    lines = {}
    for name, fit in fits.items():
        line = lines[name] = {}
        for column in columns:
            if column in SAYS:
                line[column] = SAYS[column](fit)
            elif column in others:
                line[column] = float(fit.summary().iloc[:, 0][column])
            else:
                summary = fit.summary()
                own = summary[~summary["derived"].astype(bool)]
                mark = ": sd" if column == "spreads" and "estimates" in columns else ""
                line |= {f"{p}{mark}": float(v) for p, v in own.iloc[:, PARAMETERS[column]].items()}
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis(by)


def ends_in_words(fit, shown=3):
    """A sentence: in how many optima the restarts ended, how often they met the best, how far below the next lie.

    Args:
        fit: by EM. shown: how many of the next optima are told.
    """
    gaps, many = fit.modes["gap"].to_numpy(), len(fit.optima)
    plural = "" if len(fit.runs) == 1 else "s"
    if many == 1:
        return f"{len(fit.runs)} restart{plural} ended in one optimum."
    times = fit.optima[0].times_reached
    reached = "once" if times == 1 else "twice" if times == 2 else f"{times} times"
    lower = " and ".join(", ".join(f"{gap:.1f}" for gap in gaps[1 : shown + 1]).rsplit(", ", 1))
    lie = "lies" if min(many - 1, shown) == 1 else "lie"
    return (
        f"{len(fit.runs)} restart{plural} ended in {many} different optima; the best was reached {reached}; the next "
        f"{lie} {lower} lower."
    )


def beside_truth(fit, theta):
    """A DataFrame of each parameter's estimate, its standard deviation, its true value, and how many of the former
    the estimate is away from the latter (`z`).

    Args:
        fit: by either engine.
        theta: the true parameters, components in the same order: arrays or lists, (K,) will do for (K, 1).

    Raises:
        InputError: a field is missing or has another shape.
    """
    theta = fit.mixture.in_full(theta, fit.data.d, "beside_truth(theta)")
    given = {name: value[None, None] for name, value in theta.items()}
    truth = {name: float(value[0, 0]) for name, value in scalars(fit.mixture, fit.data, given).items()}
    table = fit.summary()
    table = table.loc[list(truth)].iloc[:, :2].astype(float).rename_axis("parameter")
    return table.assign(truth=truth.values(), z=(table.iloc[:, 0] - list(truth.values())) / table.iloc[:, 1])


def confusion(fit, truth):
    """A DataFrame of how many rows of each component are of each true class, component x class.

    Its attribute `attrs["purity"]` is the share of the rows that are of their component's commonest class,
    `attrs["several"]` lists the classes that are the commonest of several components, `attrs["none"]` those of none.

    Args:
        fit: by either engine.
        truth: (n,) classes of the fit's rows, which the fit has not seen.
    """
    import pandas as pd

    p = fit.predict_proba()
    table = pd.crosstab(p.argmax(axis=1), np.asarray(truth)).reindex(range(p.shape[1]), fill_value=0)
    table = table.rename_axis(index="component", columns=None)
    owners = table[table.sum(axis=1) > 0].idxmax(axis=1).value_counts().reindex(table.columns, fill_value=0)
    table.attrs["purity"] = float(table.max(axis=1).sum() / len(truth))
    table.attrs["several"], table.attrs["none"] = owners.index[owners > 1].tolist(), owners.index[owners == 0].tolist()
    return table


def matched(fit, truth):
    """(n, K) probabilities of the fit's rows, the components put in the order of the true classes they share most with.

    Those of a fit by hard assignment, such as k-means, are zeros and ones.

    Args:
        fit: by either engine.
        truth: (n,) classes 0..K-1 of the fit's rows, as many as there are components.

    Raises:
        InputError: there are more classes than components.
    """
    from scipy.optimize import linear_sum_assignment

    p = fit.predict_proba()
    K = p.shape[1]
    if np.max(truth) >= K:
        raise InputError(f"matched(truth=...): expected classes 0 to {K - 1}, one for each component, got more.")
    shared = np.zeros((K, K), dtype=int)
    np.add.at(shared, (np.asarray(truth), p.argmax(axis=1)), 1)
    if str(fit.settings.get("stiffness")).endswith("inf"):
        p = np.eye(K)[p.argmax(axis=1)]
    return p[:, linear_sum_assignment(-shared)[1]]


def scores(probabilities, truth):
    """A DataFrame of how good predicted probabilities are, a line for each classifier.

    Its columns are `accuracy`, the share of rows whose most probable class is the true one, and `mean log score`, the
    mean log probability of the true class: 0 at best, minus infinity once a class came that was thought impossible.

    Args:
        probabilities: dict of name -> (n, C) probabilities of the classes, as from `fit.predict_proba(x)`.
        truth: (n,) true classes 0..C-1 of rows that the classifiers have not seen.

    Raises:
        InputError: there is not one row of probabilities for each true class.

    References: Good (1952), J. Royal Statistical Society B 14:107-114, for the logarithmic score.
    """
    import pandas as pd

    truth, lines = np.asarray(truth), {}
    for name, p in probabilities.items():
        p = np.asarray(p, dtype=float)
        if p.ndim != 2 or len(p) != len(truth) or not 0 <= truth.min() <= truth.max() < p.shape[1]:
            raise InputError(
                f"scores({name!r}): expected (n, C) probabilities and classes 0..C-1 of the same n rows, got "
                f"probabilities of shape {p.shape} and {len(truth)} classes up to {truth.max()}."
            )
        with np.errstate(divide="ignore"):
            log_score = np.log(p[np.arange(len(truth)), truth]).mean()
        lines[name] = {"accuracy": np.mean(p.argmax(axis=1) == truth), "mean log score": log_score}
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("classifier")


def out_of_fold(fit, data, folds=10):
    """(n, C) probabilities of the classes for each row, by fits to the other folds; row i is in fold i mod `folds`.

    Args:
        fit: a function of a labelled `Data` that returns anything with `predict_proba(x)`, such as a `Fit`.
        data: a labelled `Data`, every row with its class.
        folds: how many, at least 2.

    Raises:
        InputError: a row has no class, or there are fewer than two folds.

    References: Stone (1974), J. Royal Statistical Society B 36:111-147.
    """
    if data.kind_of_labels != "all" or folds < 2:
        raise InputError("out_of_fold(data, folds): expected a class for every row and at least two folds.")
    own = np.arange(data.n) % folds
    parts = [fit(data.take(own != f)).predict_proba(data.x[own == f]) for f in range(folds)]
    out = np.empty((data.n, parts[0].shape[1]))
    for f, p in enumerate(parts):
        out[own == f] = p
    return out

"""Quantities that no relabelling can change: few and named, since many correlated R-hats accuse sound fits."""

import numpy as np

from bayesmix.spec import many
from bayesmix.spec.missing import column_means, column_sd

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)  # of the data along their first principal direction


def invariants(fit):
    """name -> (chain, draw): the log posterior, the log likelihood, the sorted weights, and the log density of five
    rows that sit at quantiles of the data along their first principal direction.
    """
    x, out = fit.data.x, {"log posterior": fit.log_posteriors}
    stats, pointwise = fit.groups.get("sample_stats", {}), fit.groups.get("log_likelihood")
    if "total_log_likelihood" in stats:
        out["log likelihood"] = stats["total_log_likelihood"].values
    elif pointwise is not None:  # a file of before the totals were stored
        out["log likelihood"] = pointwise["x"].values.sum(axis=-1)
    if not fit.mixture.is_constant("weight"):
        weights = np.sort(fit.draws["weight"], axis=-1)
        for k in range(fit.mixture.components - 1):
            out[f"{ordinal(k)} smallest weight".strip()] = weights[..., k]
    at = quantile_rows(x)
    _, density = many.responsibilities(fit.mixture, x[at], many.stack(fit.draws))
    density = density.reshape(*fit.shape, len(at))
    for j, q in enumerate(QUANTILES):
        out[f"log density at the {q:.0%} row"] = density[..., j]
    return out


def quantile_rows(x):
    """Indices of the rows at QUANTILES of the data along their first principal direction."""
    sd = column_sd(x)
    y = np.nan_to_num((x - column_means(x)) / np.where(sd > 0, sd, 1.0))  # a missing cell counts as average
    direction = np.linalg.svd(y, full_matrices=False)[2][0]
    along = np.argsort(y @ direction, kind="stable")
    return along[np.round(np.array(QUANTILES) * (len(x) - 1)).astype(int)]


def ordinal(k):
    """ "" for the first, then 2nd, 3rd, 4th, ..."""
    if k == 0:
        return ""
    k += 1
    end = "th" if 10 < k % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(k % 10, "th")
    return f"{k}{end}"

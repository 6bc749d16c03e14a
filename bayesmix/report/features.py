"""Which of many features a figure shows."""

import numpy as np

ROWS = 20_000  # rows that are looked at, evenly spread


def telling(fit, most=6):
    """Numbers of at most `most` features, in the order of the data: those by which the classes differ most.

    That is the share of a feature's variance that lies between the classes, rows counted by their probabilities.
    """
    if fit.data.d <= most:
        return np.arange(fit.data.d)
    rows = np.unique(np.linspace(0, fit.data.n - 1, min(fit.data.n, ROWS)).astype(int))
    x = fit.data.x[rows]
    here = ~np.isnan(x)
    x = np.where(here, x, 0.0) - np.where(here, x, -np.inf).max(axis=0, initial=-1e300)  # constant columns are now 0
    x[~here] = 0.0
    r = fit.predict_proba()[rows] * fit.data.row_weight[rows, None]
    counts = r.T @ here  # (classes, features)
    means = r.T @ x / np.maximum(counts, 1e-300)
    total = np.maximum(counts.sum(axis=0), 1e-300)
    mean = (counts * means).sum(axis=0) / total
    between = (counts * (means - mean) ** 2).sum(axis=0)
    whole = r.sum(axis=1) @ (here * (x - mean) ** 2)
    share = np.where((x != 0).any(axis=0), between / np.maximum(whole, 1e-300), -1.0)
    return np.sort(np.argsort(-share, kind="stable")[:most])

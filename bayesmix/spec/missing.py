"""Missing cells, NaN in x: rows grouped by what was observed of them, and columns as if complete."""

import numpy as np


def patterns(x):
    """[(rows, columns), ...]: the rows that share one set of observed columns, as index arrays.

    In the order of each set's first row; a row with no observed cell has an empty set of columns.
    """
    seen = ~np.isnan(x)
    _, first, home = np.unique(np.packbits(seen, axis=1), axis=0, return_index=True, return_inverse=True)
    members = np.split(np.argsort(home.ravel(), kind="stable"), np.cumsum(np.bincount(home.ravel()))[:-1])
    return [(members[p], np.flatnonzero(seen[first[p]])) for p in np.argsort(first, kind="stable")]


def observed(x):
    """x with its missing cells masked: `mean`, `std`, `max` and the like look at the observed ones only."""
    return np.ma.masked_invalid(x) if np.isnan(x).any() else x


def filled(x):
    """x with every missing cell replaced by the middle one of its column's observed cells: a value the column has.

    A column without any gets ones, which every family's sample space holds.
    """
    x = np.array(x)
    for column in x.T:
        gap = np.isnan(column)
        if gap.any():
            known = np.sort(column[~gap])
            column[gap] = known[len(known) // 2] if len(known) else 1.0
    return x


def column_means(x, weight=None):
    """(d,) weighted means of the observed cells, 0 for a column without any."""
    seen = ~np.isnan(x)
    if seen.all():
        return x.mean(axis=0) if weight is None else weight @ x / weight.sum()
    w = seen if weight is None else seen * weight[:, None]
    total = w.sum(axis=0)
    return np.where(total > 0, (np.where(seen, x, 0.0) * w).sum(axis=0) / np.where(total > 0, total, 1.0), 0.0)


def column_sd(x):
    """(d,) standard deviations of the observed cells, 0 for a column without any."""
    if not np.isnan(x).any():
        return x.std(axis=0)
    away = np.where(np.isnan(x), 0.0, x - column_means(x))
    return np.sqrt((away**2).sum(axis=0) / np.maximum((~np.isnan(x)).sum(axis=0), 1))

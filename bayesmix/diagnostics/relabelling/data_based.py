"""Data-based relabelling: each component keeps the centre and the spread of its rows."""

import numpy as np

from bayesmix.diagnostics.relabelling.alternation import climb
from bayesmix.diagnostics.relabelling.register import method

LEAST = 1e-12  # of a column's variance: the spread of a component none of whose rows ever differ in it


@method("data", needs=("allocations", "data"))
def data_based(material):
    """Rows near the average centre of their component: C[k, l] = sum over i with z_i = l of (x_i - m_k)^2 / v_k.

    m_k and v_k are the averages over the draws of the mean and the variance (divisor n_k) of the rows of
    component k, column by column and added; a draw in which it has no row is left out of them, a missing
    cell out of the sums. It begins at the ECR solution.

    References: Rodriguez & Walker (2014), JCGS 23:25-45, section 4.
    """
    x = material.data - np.nanmean(material.data, axis=0)
    x = x[:, np.nanvar(x, axis=0) > 0]
    seen, filled = (~np.isnan(x)).astype(float), np.nan_to_num(x)
    d, groups = x.shape[1], material.groups
    sums = groups.against(np.hstack([seen, filled, filled**2])).reshape(len(material.allocations), 3, d, material.K)
    count, first, second = sums.transpose(1, 0, 3, 2)  # each (T, K, d)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = first / count
        var = np.maximum(second / count - mean**2, 0.0)
    least = LEAST * np.nanvar(x, axis=0)

    def costs(permutation):
        take = permutation[:, :, None]
        m = _average(np.take_along_axis(mean, take, axis=1))
        v = np.maximum(_average(np.take_along_axis(var, take, axis=1)), least)
        out = 0.0
        for j in range(d):  # sum_i (x_i - m)^2 / v from the sums of 1, x, x^2
            m_j, v_j = m[:, j, None], v[:, j, None]
            s0, s1, s2 = (s[:, None, :, j] for s in (count, first, second))
            out = out + (s2 - 2 * m_j * s1 + m_j**2 * s0) / v_j
        return out

    return climb(material, material.near(groups, groups.at(material.pivot)), costs)


def _average(values):
    """The mean over draws of (T, K, d), NaN left out; 0 for a component that never has a row."""
    known = ~np.isnan(values)
    return np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)

"""Bootstrap test of K against K + 1 components: is the gain in likelihood more than chance would give?

The statistic 2 (log L_{K+1} - log L_K) has no chi-squared law, since under K the larger model is not regular. So its
law is simulated: data from the fitted K, both models fitted to them, B times, and

    p = (1 + number of simulated statistics >= the observed one) / (B + 1).

References: McLachlan (1987), Applied Statistics 36:318-324; Davison & Hinkley (1997), Bootstrap Methods and their
Application, section 4.2.1, for the p-value.
"""

import numpy as np

from bayesmix.data.data import Data
from bayesmix.selection.criteria import Cell
from bayesmix.selection.refit import refit
from bayesmix.selection.trust import seldom

NAME = "LRT p"
MEANING = "bootstrap p-value of this K against one more component"
LEVEL = 0.05
LOST = 0.1  # share of replicates without a finite statistic from which there is no p-value


def replicates(small, large, children, restarts):
    """The simulated statistics, one per child seed; NaN where every climb collapsed.

    small, large: EM fits of K and K + 1 components. The smaller model also climbs from the theta that made the data,
    so that it is never at a disadvantage.
    """
    out = []
    for child in children:
        rng = np.random.default_rng(child)
        data = Data(small.simulate(round(float(small.data.row_weight.sum())), rng)[0], names=small.data.names)
        null = refit(small.mixture, data, rng, restarts, start=small.best)
        more = refit(large.mixture, data, rng, restarts)
        out.append(np.nan if null is None or more is None else 2 * (more.log_likelihood - null.log_likelihood))
    return np.array(out)


def why_not(small, large):
    """Why the test cannot be made of two EM fits, or ""."""
    if small.mixture.log_label(small.data) is not None:
        return "The rows have labels, which data simulated from the fit do not."
    if np.isnan(small.data.x).any():
        return "Rows have missing cells, which data simulated from the fit do not."
    if small.data.weight is not None and (small.data.weight != np.round(small.data.weight)).any():
        return "The row weights are fractional, so there is no number of rows to simulate."
    for fit in (small, large):
        if seldom(fit):
            return f"K = {fit.mixture.components}: {seldom(fit)}"
    return ""


def cell(small, large, simulated):
    """The p-value as a Cell; its error is that of a binomial proportion of the replicates."""
    observed = 2 * (large.log_likelihood - small.log_likelihood)
    known = simulated[np.isfinite(simulated)]
    if len(known) < (1 - LOST) * len(simulated):
        return Cell(np.nan, reason=f"{len(simulated) - len(known)} of {len(simulated)} replicates collapsed.")
    p = (1 + (known >= observed).sum()) / (len(known) + 1)
    return Cell(float(p), float(np.sqrt(p * (1 - p) / len(known))))

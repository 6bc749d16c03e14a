"""The report's figures, each `(Fit...) -> matplotlib Figure`, free of pyplot's global state.

This module collects them by name; each group has a file of its own, and `dynamics.py` those of EM on its way.
"""

import numpy as np
from matplotlib.lines import Line2D

from bayesmix.report.chain_plots import occupancy, r_hat_ladder, ranks, traces
from bayesmix.report.data_plots import predictive, scatter
from bayesmix.report.mode_plots import climbed, em_traces, mode_map
from bayesmix.report.projection import discriminant
from bayesmix.report.row_plots import co_clustering, responsibilities
from bayesmix.report.style import PALE, colour, grid, styled

MOST = 60  # parameters in the comparison


@styled
def comparison(table):
    """Figure: the 90 % posterior interval of each parameter and its MAP, in posterior sd about the mean."""
    table = table.iloc[:MOST]
    sd = np.where(table["sd"] > 0, table["sd"], np.nan)
    low, high, at = (((table[c] - table["mean"]) / sd).to_numpy() for c in ("5%", "95%", "MAP"))
    y = np.arange(len(table))[::-1]
    figure, axes = grid(1, 1, 1.3 + 0.27 * len(table))
    ax = axes[0, 0]
    ax.axvline(0, color=PALE, lw=1)
    ax.hlines(y, low, high, color=colour(0), lw=3, alpha=0.55)
    ax.plot(np.zeros(len(y)), y, ls="", marker="|", ms=9, mew=2, color=colour(0))
    ax.plot(at, y, ls="", marker="D", ms=5.5, color=colour(1), mec="white", mew=0.6)
    ax.set_yticks(y, [str(name) for name in table.index])
    ax.set_ylim(-0.7, len(y) - 0.3)
    reach = np.nanmax(np.abs(np.concatenate([low, high, at, [2.0]])))
    ax.set_xlim(-1.08 * reach, 1.08 * reach)
    ax.set_xlabel("posterior standard deviations from the posterior mean")
    handles = [Line2D([], [], color=colour(0), lw=3, alpha=0.55, marker="|", mew=2, ms=9, mec=colour(0)),
               Line2D([], [], ls="", marker="D", ms=5.5, color=colour(1))]  # fmt: skip
    figure.legend(handles, ["posterior mean and 90 % interval", "MAP"], loc="outside lower center", ncols=2)
    return figure


__all__ = [
    "climbed",
    "co_clustering",
    "comparison",
    "discriminant",
    "em_traces",
    "mode_map",
    "occupancy",
    "predictive",
    "r_hat_ladder",
    "ranks",
    "responsibilities",
    "scatter",
    "traces",
]

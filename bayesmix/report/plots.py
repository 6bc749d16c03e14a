"""The report's figures, each `(Fit...) -> matplotlib Figure`, free of pyplot's global state."""

import numpy as np
from matplotlib.lines import Line2D

from bayesmix.report.chain_plots import occupancy, ranks, traces
from bayesmix.report.data_plots import predictive, responsibilities, scatter
from bayesmix.report.style import GREY, INK, PALE, colour, grid, styled

SHOWN = 8  # optima with a colour of their own
MOST = 60  # parameters in the comparison


@styled
def em_traces(em):
    """Figure: how far each restart was below the best optimum at each iteration, coloured by where it ended.

    A line ends where its restart stopped, or came within rounding of the best.
    """
    best, climbed = max((m.log_posterior for m in em.optima if np.isfinite(m.log_posterior)), default=0.0), 1
    if any(np.isnan(run.trace[:, 1]).any() for run in em.runs):  # hard assignments climb an objective of their own
        best, climbed = max(run.trace[-1, 0] for run in em.runs), 0
    floor = 1e-9 * max(1.0, abs(best))
    home = {i: m for m, mode in enumerate(em.optima) for i in mode.restarts}
    figure, axes = grid(1, 1, 3.9)
    ax, longest = axes[0, 0], 1
    for i, run in sorted(enumerate(em.runs), key=lambda pair: -home.get(pair[0], 10**6)):
        gap = best - run.trace[:, climbed]
        arrived = np.flatnonzero(gap <= floor)
        last = int(arrived[0]) if len(arrived) else len(gap) - 1
        gap = np.where(np.isfinite(gap), np.maximum(gap, floor), np.nan)
        shade, style = _optimum_style(em, home.get(i))
        ax.plot(gap[: last + 1], color=shade, lw=1.0, ls=style, alpha=0.7)
        ax.plot(last, gap[last], marker="o", ms=3.5, color=shade, alpha=0.9, clip_on=False)
        longest = max(longest, last)
    ax.set_yscale("log")
    ax.set_xscale("symlog", linthresh=10, linscale=1)
    ticks = [t for t in (0, 2, 4, 6, 8, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if t <= longest]
    ax.set_xticks(ticks, [str(t) for t in ticks])
    ax.set_xlim(0, longest * 1.05)
    ax.minorticks_off()
    ax.set_xlabel("iteration")
    ax.set_ylabel("log posterior below the best")
    ax.grid(axis="y", color=PALE, lw=0.5)
    handles = []
    for m, mode in enumerate(em.optima[:SHOWN]):
        shade, style = _optimum_style(em, m)
        value = mode.kind if mode.kind == "collapsed" else f"{mode.log_posterior:.2f}"
        text = f"optimum {m}: {value} ({mode.times_reached}×)".replace("-", "−")
        handles.append((Line2D([], [], color=shade, ls=style, lw=2), text))
    if len(em.optima) > SHOWN:
        handles.append((Line2D([], [], color=GREY, lw=2), f"{len(em.optima) - SHOWN} further optima"))
    if len(home) < len(em.runs):
        handles.append((Line2D([], [], color=GREY, ls=":", lw=2), "ended in no optimum"))
    if handles:
        figure.legend(*zip(*handles, strict=True), loc="outside lower center", ncols=min(len(handles), 2))
    return figure


def _optimum_style(em, mode):
    """(colour, line style) of an optimum by its place in the census."""
    if mode is None:
        return GREY, ":"
    if em.optima[mode].kind == "collapsed":
        return GREY, "--"
    return (INK if mode == 0 else colour(mode) if mode < SHOWN else GREY), "-"


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
    "comparison",
    "em_traces",
    "occupancy",
    "predictive",
    "ranks",
    "responsibilities",
    "scatter",
    "traces",
]

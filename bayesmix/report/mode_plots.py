"""Figures of the optima: how the restarts climbed to them, and a map with the chains drawn onto it."""

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from bayesmix.report.data_plots import ROWS, some
from bayesmix.report.style import GREY, INK, PALE, colour, grid, powers, styled
from bayesmix.report.words import ranked_by

SHOWN = 8  # optima with a colour of their own
MAPPED = 40  # optima on the map
HIGH, WIDE = 12.0, 8.0  # pixels of a line of text and of a letter in it
HOME = 0.02  # share of a chain's draws from which it is drawn at an optimum


def climbed(em):
    """Whether any restart began below the best optimum: otherwise `em_traces` would be an empty panel."""
    best, column = _best(em)
    return any(not best - run.trace[0, column] <= _floor(best) for run in em.runs)


def _best(em):
    """(the highest value reached, the column of the traces that holds such values)."""
    if any(np.isnan(run.trace[:, 1]).any() for run in em.runs):  # hard assignments climb an objective of their own
        return max(run.trace[-1, 0] for run in em.runs), 0
    return max((m.log_posterior for m in em.optima if np.isfinite(m.log_posterior)), default=0.0), 1


def _floor(best):
    """The gap that counts as rounding."""
    return 1e-9 * max(1.0, abs(best))


@styled
def em_traces(em):
    """Figure: how far each restart was below the best optimum at each iteration, coloured by where it ended.

    A line ends where its restart stopped, or came within rounding of the best.
    """
    best, column = _best(em)
    floor = _floor(best)
    home = {i: m for m, mode in enumerate(em.optima) for i in mode.restarts}
    figure, axes = grid(1, 1, 3.9)
    ax, ways, ends, shades, styles = axes[0, 0], [], [], [], []
    for i, run in sorted(enumerate(em.runs), key=lambda pair: -home.get(pair[0], 10**6)):
        gap = best - run.trace[:, column]
        arrived = np.flatnonzero(gap <= floor)
        last = int(arrived[0]) if len(arrived) else len(gap) - 1
        gap = np.where(np.isfinite(gap), np.maximum(gap, floor), np.nan)[: last + 1]
        shade, style = _optimum_style(em.optima, home.get(i))
        ways.append(np.stack([np.arange(last + 1), gap], axis=1))
        ends.append((last, gap[-1]))
        shades.append(shade)
        styles.append(style)
    ends = np.array(ends)
    longest = max(1, int(ends[:, 0].max()))
    ax.add_collection(LineCollection(ways, colors=shades, linestyles=styles, linewidths=1.0, alpha=0.7))
    ax.scatter(*ends.T, s=12, color=shades, alpha=0.9, clip_on=False, zorder=3)
    tall = np.concatenate([way[:, 1] for way in ways])
    ax.set_ylim(0.4 * floor, 2.5 * max(np.nanmax(tall, initial=floor), 10 * floor))
    ax.set_yscale("log")
    ax.set_xscale("symlog", linthresh=10, linscale=1)
    ticks = [t for t in (0, 2, 4, 6, 8, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if t <= longest]
    ax.set_xticks(ticks, [str(t) for t in ticks])
    ax.set_xlim(0, longest * 1.05)
    ax.minorticks_off()
    ax.yaxis.set_major_formatter(powers)
    ax.set_xlabel("iteration")
    ax.grid(axis="y", color=PALE, lw=0.5)
    what, heights = ranked_by(em)
    ax.set_ylabel(f"{what} below the best")
    handles = []
    for m, mode in enumerate(em.optima[:SHOWN]):
        shade, style = _optimum_style(em.optima, m)
        value = mode.kind if mode.kind == "collapsed" else f"{heights[m]:.2f}"
        text = f"optimum {m}: {value} ({mode.times_reached}×)".replace("-", "−")
        handles.append((Line2D([], [], color=shade, ls=style, lw=2), text))
    if len(em.optima) > SHOWN:
        handles.append((Line2D([], [], color=GREY, lw=2), f"{len(em.optima) - SHOWN} further optima"))
    if len(home) < len(em.runs):
        handles.append((Line2D([], [], color=GREY, ls=":", lw=2), "ended in no optimum"))
    if handles:
        figure.legend(*zip(*handles, strict=True), loc="outside lower center", ncols=min(len(handles), 2))
    return figure


def _optimum_style(optima, mode):
    """(colour, line style) of an optimum by its place in the census."""
    if mode is None:
        return GREY, ":"
    if optima[mode].kind == "collapsed":
        return GREY, "--"
    return (INK if mode == 0 else colour(mode) if mode < SHOWN else GREY), "-"


@styled
def mode_map(fit, optima=None, occupancy=None):
    """Figure: the optima by their log posterior and by how differently they place the rows, with the chains on them.

    Across: the expected share of rows that go to another component than at the best optimum, under the best
    relabelling. Up: the log posterior below the best one. A disc's area is the share of restarts that ended there; a
    ring was reached by chains only. Below stand the chains that were there, with the share of their draws.

    Args:
        fit: the fit whose data and model these are optima of, either engine.
        optima: the optima, best first; by default the fit's own.
        occupancy: `Diagnosis.occupancy`, chain x optimum.
    """
    optima = list(fit.optima if optima is None else optima)
    what, heights = "log posterior", [mode.log_posterior for mode in optima]
    if [*map(id, optima)] == [*map(id, fit.optima)]:  # not those that chains led to
        what, heights = ranked_by(fit)
    shown = [m for m, height in enumerate(heights) if np.isfinite(height)][:MAPPED]
    best = max(shown, key=lambda m: heights[m])
    moved = {m: _moved(fit, optima[best], optima[m]) for m in shown}
    gap = {m: heights[best] - heights[m] for m in shown}
    figure, axes = grid(1, 1, 3.9)
    ax = axes[0, 0]
    for m in sorted(shown, key=lambda m: -optima[m].times_reached):
        shade = _optimum_style(optima, m)[0]
        face = shade if optima[m].times_reached else "none"
        ax.scatter(moved[m], gap[m], s=_size(optima[m]), facecolor=face, edgecolor=shade, lw=1.4, alpha=0.75, zorder=3)
    ax.set_yscale("symlog", linthresh=1.0)
    ax.minorticks_off()
    top, wide = max(gap.values()), max(0.01, *moved.values())
    ax.set_ylim(max(2.0, 2.5 * top), -0.6)
    ax.set_xlim(-0.1 * wide, 1.15 * wide)
    ax.xaxis.set_major_formatter(lambda v, _: f"{100 * v:.3g} %" if v >= 0 else "")
    ax.yaxis.set_major_formatter(lambda v, _: f"{v:g}" if v >= 0 else "")
    ax.grid(color=PALE, lw=0.5)
    ax.set_axisbelow(True)
    ax.set_xlabel("rows placed differently from the best optimum")
    ax.set_ylabel(f"{what} below the best")
    visitors = _visitors(occupancy)
    here = [m for m in shown if m in visitors]
    if here:
        dots = [Line2D([], [], ls="", marker="o", ms=7, color=_optimum_style(optima, m)[0]) for m in here]
        figure.legend(dots, [f"optimum {m}: {visitors[m]}" for m in here], loc="outside lower left",
                      ncols=1 if max(len(visitors[m]) for m in here) > 30 else 2)  # fmt: skip
    figure.draw_without_rendering()  # settles the layout, which says what lies on what
    _number(ax, optima, moved, gap, here)
    return figure


def _moved(fit, one, other):
    """Expected share of rows in another component under `other`, by the relabelling that makes it least.

    Of many rows an even sample stands for all.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.special import softmax

    rows, label = some(fit.data.n, ROWS), fit.mixture.log_label(fit.data)
    label = None if label is None else label[rows]
    a, b = (softmax(fit.mixture.log_joint(fit.data.x[rows], mode.theta, label), axis=1) for mode in (one, other))
    weight = fit.data.row_weight[rows] / fit.data.row_weight[rows].sum()
    overlap = np.einsum("n,nkl->kl", weight, np.minimum(a[:, :, None], b[:, None, :]))
    block = np.empty(len(overlap), dtype=int)
    for number, members in enumerate(fit.mixture.blocks(fit.data)):
        block[list(members)] = number
    allowed = np.where(block[:, None] == block, overlap, -1.0)  # only exchangeable components trade names
    best = overlap[linear_sum_assignment(-allowed)].sum()
    return float(np.clip(1.0 - best, 0.0, 1.0))


def _visitors(occupancy):
    """optimum -> words such as "chains 0, 2, 3 (40 %)"."""
    if occupancy is None:
        return {}
    out = {}
    share = np.asarray(occupancy, dtype=float)
    share = share / np.maximum(share.sum(axis=1, keepdims=True), 1e-300)
    for m in range(share.shape[1]):
        here = [(c, s) for c, s in enumerate(share[:, m]) if s >= HOME]
        names = [str(c) if s > 0.995 else f"{c} ({100 * s:.0f} %)" for c, s in here]
        if names:
            out[m] = f"chain{'s' * (len(names) > 1)} {', '.join(names)}"
    return out


def _size(mode):
    """Area of an optimum's disc, in points squared."""
    return 30 + 900 * mode.share


def _number(ax, optima, moved, gap, first):
    """Number the optima right of their discs, those in `first` before others; one without room stays without."""
    taken = []
    for m in sorted(moved, key=lambda m: (m not in first, m)):
        x, y = ax.transData.transform((moved[m], gap[m]))
        if all(abs(x - a) > 2.5 * WIDE or abs(y - b) > HIGH for a, b in taken):
            taken.append((x, y))
            ax.annotate(str(m), (moved[m], gap[m]), xytext=(np.sqrt(_size(optima[m])) / 2 + 4, 0),
                        textcoords="offset points", va="center", fontsize=9.5, color=INK, zorder=4)  # fmt: skip

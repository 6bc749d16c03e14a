"""The figures of a dossier: every criterion over the candidates on one sheet, and the groups in use."""

import numpy as np
from matplotlib.lines import Line2D

from bayesmix.report.style import GREY, INK, PALE, colour, grid, styled
from bayesmix.selection.ranking import gap

COLUMNS = 3
LONG = 12  # letters of a candidate's name on an axis


@styled
def criteria(dossier):
    """Figure: one panel per criterion, how far each candidate is behind the best, or the number itself.

    Bars are one standard error of the difference to the best. Ties lie in the band. A greyed number is a hollow
    diamond, or a cross at the top where there is none.
    """
    panels = [n for n in next(iter(dossier.cells.values())) if n not in ("log likelihood", "df")]
    rows = -(-len(panels) // COLUMNS)
    figure, axes = grid(rows, COLUMNS, 2.3, sharex=True)
    for ax in axes.ravel()[len(panels) :]:
        ax.set_visible(False)
    for ax, name in zip(axes.ravel(), panels, strict=False):
        _panel(ax, dossier, name)
    for j in range(COLUMNS):  # the lowest panel of each column carries the names
        column = [ax for ax in axes[:, j] if ax.get_visible()]
        if column:
            _names(column[-1], dossier)
    handles = [
        Line2D([], [], ls="", marker="o", color=colour(0)),
        Line2D([], [], ls="", marker="o", color=colour(1)),
        Line2D([], [], ls="", marker="D", mfc="white", mec=GREY),
        Line2D([], [], ls="", marker="x", color=GREY),
    ]
    texts = ["in the race", "leads, or ties with the leader", "greyed: not to be used", "no number"]
    figure.legend(handles, texts, loc="outside lower center", ncols=4)
    return figure


@styled
def groups(dossier):
    """Figure: the probability of each number of groups in use over all candidates, with one standard error.

    The numbers that hold 95 % together are dark. Points are the shares within the draws of each candidate.
    """
    frame = dossier.groups
    figure, axes = grid(1, 1, 2.8)
    ax, inside = axes[0, 0], frame.index.isin(dossier.credible)
    ax.bar(frame.index, frame["probability"], color=[colour(0) if i else PALE for i in inside], width=0.6)
    ax.errorbar(frame.index, frame["probability"], frame["se"], fmt="none", ecolor=INK, capsize=2.5)
    candidates = frame.columns[2:]
    for i, who in enumerate(candidates):
        x = frame.index + 0.5 * ((i + 0.5) / len(candidates) - 0.5)
        ax.plot(x, frame[who].where(frame[who] > 0), "o", ms=3, color=GREY)
    ax.set(xlabel="groups in use", ylabel="probability", ylim=(0, 1.05), xticks=frame.index)
    return figure


def _panel(ax, dossier, name):
    criterion = dossier.criteria.get(name)
    cells = [dossier.cells[n].get(name) for n in dossier.names]
    front = set(dossier.leaders.get(name, ()))
    ranked = criterion is not None and criterion.sign != 0
    best = dossier.cells[dossier.leaders[name][0]][name] if ranked and front else None
    if ranked and best is None:  # every number is greyed: show them beside the best of them
        known = [c for c in cells if c is not None and np.isfinite(c.value)]
        best = max(known, key=lambda c: criterion.sign * c.value, default=None)
    heights = []
    for x, (who, cell) in enumerate(zip(dossier.names, cells, strict=True)):
        if cell is None:
            continue
        if not np.isfinite(cell.value):
            if cell.reason:
                ax.plot(x, 0.94, "x", color=GREY, transform=ax.get_xaxis_transform(), clip_on=False)
            continue
        y, se = cell.value, 0.0 if np.isnan(cell.se) else cell.se
        if ranked:
            y, se = (0.0, 0.0) if cell is best else (lambda g: (g.value, g.se))(gap(criterion, cell, best))
        heights.append(y + se)
        if cell.reason:
            ax.plot(x, y, "D", mfc="white", mec=GREY, ms=5)
            continue
        ax.errorbar(x, y, se, fmt="o", color=colour(1) if who in front else colour(0), ms=5, capsize=2.5)
    if ranked:
        ax.axhspan(0, criterion.margin, color=PALE, alpha=0.6, lw=0)
        ax.set_title(f"{name}: behind the best", fontsize=10)
        top = max([*heights, 2 * criterion.margin, 1e-9])
        ax.set_ylim(-0.06 * top - 0.02, 1.18 * top)
    else:
        ax.set_title(name, fontsize=10)
        if name == "LRT p":
            ax.axhline(0.05, color=INK, lw=0.8, ls=":")
        ax.margins(y=0.2)
    ax.tick_params(labelbottom=False)
    ax.set_xlim(-0.5, len(cells) - 0.5)


def _names(ax, dossier):
    names = [str(n) if len(str(n)) <= LONG else f"{str(n)[:LONG]}…" for n in dossier.names]
    words = any(not isinstance(n, int) for n in dossier.names)
    ax.set_xticks(range(len(names)), names, rotation=30 if words else 0, ha="right" if words else "center")
    ax.tick_params(labelbottom=True)
    if not words:
        ax.set_xlabel("components")


__all__ = ["criteria", "groups"]

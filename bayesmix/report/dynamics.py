"""Figures of EM on its way (its steps are in `steps.py`), of classifiers and of images: what lecture notes draw."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bayesmix.report.data_plots import some
from bayesmix.report.steps import climb, frames, kept
from bayesmix.report.style import GREY, INK, PALE, TRUE_SHADES, blend, colour, grid, styled

__all__ = [
    "calibration", "climb", "curves", "frames", "images", "kept", "panels", "regions", "rootogram", "staircase",
    "trajectories",
]  # fmt: skip


@styled
def trajectories(x, paths, names, homes=None):
    """Figure: the ways that centres took, one line each, over the rows.

    Args:
        x: (n, 2) rows. names: of the two features.
        paths: (steps + 1, K, 2) arrays, one per restart.
        homes: number of the attractor that each restart fell to, which colours it; by default the component does.
    """
    figure, axes = grid(1, 1, 4.4)
    ax = axes[0, 0]
    rows, faint = some(len(x), 2000), max(0.06, min(1.0, 12 / len(paths)))
    ax.scatter(x[rows, 0], x[rows, 1], s=8, c=PALE, lw=0)
    for j, path in enumerate(paths):
        for k in range(path.shape[1]):
            c = colour(k if homes is None else homes[j])
            ax.plot(path[:, k, 0], path[:, k, 1], color=c, lw=1, alpha=faint, marker=".", ms=3)
            ax.plot(*path[0, k], marker="o", ms=4, mfc="none", mec=c, alpha=faint)
    for path in paths:
        ax.plot(path[-1, :, 0], path[-1, :, 1], ls="", marker="P", ms=9, mec="white", mfc=INK)
    handles = [Line2D([], [], ls="", marker="o", mfc="none", mec=GREY), Line2D([], [], color=GREY, marker="."),
               Line2D([], [], ls="", marker="P", ms=9, mec="white", mfc=INK)]  # fmt: skip
    figure.legend(handles, ["start", "way", "end"], loc="outside lower center", ncols=3)
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    return figure


@styled
def panels(data, tints, rgb=False):
    """Figure: the same rows of two features once for each entry of `tints`.

    Args:
        data: a `Data` of two features.
        tints: dict of title -> (n, K) probabilities that colour the rows, or None for grey.
        rgb: take three probabilities as red, green and blue instead of mixing the components' colours.
    """
    figure, axes = grid(1, len(tints), 2.9 if len(tints) > 1 else 4.4, sharex=True, sharey=True)
    figure.set_label(TRUE_SHADES if rgb else "")
    rows = some(data.n, 3000)
    for ax, (title, p) in zip(axes[0], tints.items(), strict=True):
        c = GREY if p is None else (np.clip(p, 0, 1) if rgb else blend(p))[rows]
        ax.scatter(data.x[rows, 0], data.x[rows, 1], s=9, c=c, lw=0, alpha=0.8)
        ax.set_title(title, loc="left")
        ax.set_xlabel(data.names[0])
    axes[0, 0].set_ylabel(data.names[1])
    return figure


@styled
def staircase(frame, shown=8):
    """Figure: the bound and the log posterior after each half-step, and how the gap between them opens and closes.

    `frame` is what `bm.bound_trace` returned; the `shown` iterations about the widest gap (after the first step,
    which dwarfs the others) are drawn.
    """
    later = frame[frame["iteration"] > 1]
    widest = int(later["iteration"][later["kl"].idxmax()])
    first = max(1, min(widest - shown // 2, int(frame["iteration"].max()) - shown))
    frame = frame[(frame["iteration"] >= first) & (frame["iteration"] <= first + shown)]
    at = frame["iteration"] - np.where(frame["step"] == "M", 0.5, 0.0)
    figure, axes = grid(1, 2, 3.4)
    ax, gap = axes[0]
    ax.plot(at, frame["log_posterior"], color=INK, lw=1.6, label="log posterior")
    ax.plot(at, frame["bound"], color=colour(0), lw=1.2, drawstyle="default", label="bound")
    for step, c in (("E", colour(0)), ("M", colour(1))):
        part = frame["step"] == step
        ax.plot(at[part], frame["bound"][part], ls="", marker="o", ms=5, color=c)
    ax.set_xlabel("iteration")
    ax.set_ylabel("value")
    gap.bar(at, frame["kl"], width=0.4, color=[colour(0 if s == "E" else 1) for s in frame["step"]])
    gap.set_xlabel("iteration")
    gap.set_ylabel("KL(q ‖ posterior of z)")
    handles = [Line2D([], [], color=INK, lw=1.6), Line2D([], [], color=colour(0), marker="o", lw=1.2),
               Line2D([], [], ls="", marker="o", color=colour(1))]  # fmt: skip
    figure.legend(handles, ["log posterior", "bound, after an E-step", "bound, after an M-step"],
                  loc="outside lower center", ncols=3)  # fmt: skip
    return figure


@styled
def curves(series, x_label, y_label, *, log=False, log_x=False, limits=None, marks=()):
    """Figure: named lines over one axis.

    Args:
        series: dict of name -> values, or -> (x, values). log, log_x: logarithmic axes. limits: of the y axis.
        marks: pairs (name, value) of level lines.
    """
    figure, axes = grid(1, 1, 3.4)
    ax = axes[0, 0]
    for i, (name, values) in enumerate(series.items()):
        x, y = values if isinstance(values, tuple) else (np.arange(len(values)), values)
        ax.plot(x, y, color=colour(i), marker="o" if len(x) <= 20 else None, ms=4, lw=1.6, label=name)
    if x_label == "iteration":
        ax.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    for name, value in marks:
        ax.axhline(value, color=GREY, lw=1, ls=":")
        ax.annotate(name, (1, value), xycoords=("axes fraction", "data"), ha="right", va="bottom", color=GREY)
    if log:
        ax.set_yscale("log")
    if log_x:
        ax.set_xscale("log")
    if limits is not None:
        ax.set_ylim(*limits)
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    if len(series) > 1:
        figure.legend(loc="outside lower center", ncols=min(len(series), 3))
    return figure


@styled
def images(rows, shape, titles, columns=5):
    """Figure: vectors as grey pictures, dark where the value is high.

    Args:
        rows: (m, height x width) values. shape: (height, width). titles: one each.
    """
    columns = min(columns, len(rows))
    figure, axes = grid(-(-len(rows) // columns), columns, 7.2 / columns * 0.95)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, row, title in zip(axes.flat, rows, titles, strict=False):
        ax.imshow(np.reshape(row, shape), cmap="Greys", vmin=0)
        ax.set_title(title, fontsize=9.5)
    return figure


@styled
def regions(data, classifiers, names=None):
    """Figure: where each classifier changes its mind (probability one half), over the labelled rows of two features.

    Args:
        data: a labelled `Data` of two features and two classes.
        classifiers: dict of name -> function of (m, 2) rows that returns (m,) probabilities of the second class.
        names: of the classes.
    """
    x, label = data.x, np.asarray(data.label)
    low, high = x.min(axis=0), x.max(axis=0)
    low, high = low - 0.07 * (high - low), high + 0.07 * (high - low)
    a, b = np.meshgrid(np.linspace(low[0], high[0], 200), np.linspace(low[1], high[1], 200))
    figure, axes = grid(1, 1, 4.6)
    ax = axes[0, 0]
    for c in range(2):
        ax.scatter(*x[label == c].T, s=14, color=colour(c), alpha=0.5, lw=0)
    ax.scatter(*x[label < 0].T, s=8, color=GREY, alpha=0.5, lw=0)
    handles = [Line2D([], [], ls="", marker="o", color=colour(c)) for c in range(2)]
    texts = [str(n) for n in (names or data.classes or ("class 0", "class 1"))]
    for i, (name, proba) in enumerate(classifiers.items()):
        p = np.asarray(proba(np.stack([a.ravel(), b.ravel()], axis=1))).reshape(a.shape)
        style = ("-", "--", ":", "-.")[i % 4]
        ax.contour(a, b, p, levels=[0.5], colors=INK, linestyles=[style], linewidths=1.8)
        handles.append(Line2D([], [], color=INK, ls=style, lw=1.8))
        texts.append(name)
    ax.set_xlabel(data.names[0])
    ax.set_ylabel(data.names[1])
    figure.legend(handles, texts, loc="outside lower center", ncols=min(3, len(texts)))
    return figure


@styled
def calibration(truth, probabilities, bins=10):
    """Figure: how often the second class came among rows that were given about the same probability.

    Args:
        truth: (n,) zeros and ones. probabilities: dict of name -> (n,) predicted probabilities of a one.
    """
    figure, axes = grid(1, 1, 3.8)
    ax = axes[0, 0]
    ax.plot([0, 1], [0, 1], color=PALE, lw=1)
    for i, (name, p) in enumerate(probabilities.items()):
        cell = np.clip((np.asarray(p) * bins).astype(int), 0, bins - 1)
        used = [b for b in range(bins) if (cell == b).sum() >= 3]
        at = np.array([np.mean(np.asarray(p)[cell == b]) for b in used])
        rate = np.array([np.mean(truth[cell == b]) for b in used])
        error = np.array([np.sqrt(max(r * (1 - r), 0.25 / m) / m) for r, m in
                          zip(rate, [(cell == b).sum() for b in used], strict=True)])  # fmt: skip
        ax.errorbar(at, rate, yerr=error, color=colour(i), marker="o", ms=5, lw=1.2, label=name)
    ax.set_xlabel("predicted probability")
    ax.set_ylabel("observed share")
    figure.legend(loc="outside lower center", ncols=min(3, len(probabilities)))
    return figure


@styled
def rootogram(counts, expected):
    """Figure: hanging rootogram of counts, sqrt(observed) hung from sqrt(expected), for each named expectation.

    Args:
        counts: (n,) whole numbers. expected: dict of name -> function of the values 0..max that gives expected rows.

    References: Kleiber & Zeileis (2016), The American Statistician 70:296-303.
    """
    values = np.arange(int(np.max(counts)) + 1)
    observed = np.bincount(np.asarray(counts, dtype=int), minlength=len(values))
    figure, axes = grid(1, len(expected), 3.4, sharey=True)
    for ax, (name, f) in zip(axes[0], expected.items(), strict=True):
        root = np.sqrt(f(values))
        ax.bar(values, -np.sqrt(observed), bottom=root, color=PALE, width=0.85)
        ax.plot(values, root, color=colour(0), marker="o", ms=4, lw=1.5)
        ax.axhline(0, color=INK, lw=0.8)
        ax.set_title(name, loc="left")
        ax.set_xlabel("count")
    axes[0, 0].set_ylabel("square root of rows")
    return figure

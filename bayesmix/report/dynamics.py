"""Figures of EM on its way (step by step in `steps.py`) and of counts: what lecture notes draw.

The other figures for a script's own sections are collected here too: rows by class (`class_plots.py`) and pictures
(`image_plots.py`).
"""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bayesmix.report.class_plots import calibration, panels, regions
from bayesmix.report.data_plots import some
from bayesmix.report.image_plots import exemplars, images, montage, portraits
from bayesmix.report.steps import climb, frames, kept
from bayesmix.report.style import GREY, INK, PALE, colour, described, grid, powers, styled
from bayesmix.report.words import number

__all__ = [
    "ascent", "calibration", "climb", "curves", "distortion", "exemplars", "frames", "images", "kept", "montage",
    "panels", "portraits", "regions", "rootogram", "staircase", "trajectories",
]  # fmt: skip


@styled
def trajectories(fit, most=200):
    """Figure: the ways that the centres took over the rows, one line each, in two features.

    The ways of one restart are coloured by component, those of several by the optimum at which they ended.

    Args:
        fit: an EM fit with `keep_trace=True` whose components have a mean. most: restarts that are drawn.
    """
    x, runs = fit.data.x, some(len(fit.runs), most)
    paths = {i: np.array([theta["mean"] for theta in fit.runs[i].thetas]) for i in runs}
    homes = {i: m for m, mode in enumerate(fit.optima) for i in mode.restarts}
    figure, axes = grid(1, 1, 4.4)
    ax = axes[0, 0]
    rows, faint = some(len(x), 2000), max(0.1, min(1.0, 20 / len(paths)))
    ax.scatter(x[rows, 0], x[rows, 1], s=8, c=PALE, lw=0)
    for i, path in paths.items():
        for k in range(path.shape[1]):
            c = colour(k) if len(paths) == 1 else colour(homes[i]) if i in homes else GREY
            ax.plot(path[:, k, 0], path[:, k, 1], color=c, lw=1, alpha=faint, marker=".", ms=3)
            ax.plot(*path[0, k], marker="o", ms=4, mfc="none", mec=c, alpha=faint)
    for path in paths.values():
        ax.plot(path[-1, :, 0], path[-1, :, 1], ls="", marker="P", ms=9, mec="white", mfc=INK)
    handles = [Line2D([], [], ls="", marker="o", mfc="none", mec=GREY), Line2D([], [], color=GREY, marker="."),
               Line2D([], [], ls="", marker="P", ms=9, mec="white", mfc=INK)]  # fmt: skip
    figure.legend(handles, ["start", "way", "end"], loc="outside lower center", ncols=3)
    ax.set_xlabel(fit.data.names[0])
    ax.set_ylabel(fit.data.names[1])
    many = f" in {len(paths)} restarts" if len(paths) > 1 else ""
    return described(figure, f"Ways of {fit.mixture.components} centres from start to end{many}, over the rows.")


@styled
def distortion(fit, run=0):
    """Figure: k-means after every half-step: the mean squared distance of a row to its centre, and the centres' moves.

    Args:
        fit: what `bm.distortion_trace` takes. run: which restart.
    """
    from bayesmix.em.kmeans import distortion_trace

    steps = distortion_trace(fit, run)
    figure, axes = grid(1, 2, 3.4)
    fall, moves = axes[0]
    at = steps["iteration"] - np.where(steps["step"] == "M", 0.5, 0.0)
    fall.plot(at, steps["distortion"], color=PALE, lw=1.2)
    for i, (step, what) in enumerate((("E", "rows choose the nearest centre (E)"), ("M", "centres move (M)"))):
        part = steps["step"] == step
        fall.plot(at[part], steps["distortion"][part], ls="", marker="o", ms=5, color=colour(i), label=what)
    fall.set_ylabel("mean squared distance")
    moved = steps[steps["step"] == "M"]
    moves.plot(moved["iteration"], moved["moved"], marker="o", ms=5, lw=1.6, color=colour(1))
    moves.set_ylabel("length of the centres' move")
    for ax in axes[0]:
        ax.set_xlabel("iteration")
        ax.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    figure.legend(loc="outside lower center", ncols=2)
    first, last = steps["distortion"].iloc[[0, -1]]
    return described(
        figure,
        f"Left: the mean squared distance after each half-step, falling from {number(first)} to {number(last)}. "
        f"Right: how far the centres moved in each iteration, {number(moved['moved'].iloc[0])} at first, "
        f"{number(moved['moved'].iloc[-1])} at last.",
    )


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
    text = "Left: bound and log posterior after every half-step. Right: the gap between them, which each E-step closes."
    return described(figure, text)


@styled
def curves(series, y_label, x_label=None, *, log=False, log_x=False, limits=None):
    """Figure: named lines over one axis.

    Args:
        series: a DataFrame or Series, one line for each column over the index; or a dict of name -> values, or of
            name -> (x, values).
        x_label: left out, the name of the index, or else "iteration".
        log, log_x: logarithmic axes. limits: of the y axis.
    """
    if hasattr(series, "index"):
        frame = series.to_frame() if series.ndim == 1 else series
        x_label = x_label or frame.index.name
        series = {str(name): (frame.index.to_numpy(), column.to_numpy()) for name, column in frame.items()}
    x_label = x_label or "iteration"
    lines = {name: v if isinstance(v, tuple) else (np.arange(len(v)), v) for name, v in series.items()}
    lines = {name: (np.asarray(x), np.asarray(y)) for name, (x, y) in lines.items()}
    figure, axes = grid(1, 1, 3.4)
    ax = axes[0, 0]
    for i, (name, (x, y)) in enumerate(lines.items()):
        ax.plot(x, y, color=colour(i), marker="o" if len(x) <= 20 else None, ms=4, lw=1.6, label=name)
    if not log_x and all(x.dtype.kind in "iu" for x, _ in lines.values()):
        ax.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    if log:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(powers)
    if log_x:
        ax.set_xscale("log")
        at = np.unique(np.concatenate([x for x, _ in lines.values()]))
        if len(at) <= 10:
            ax.set_xticks(at, [f"{v:g}" for v in at])
            ax.minorticks_off()
        else:
            ax.xaxis.set_major_formatter(powers)
    if limits is not None:
        ax.set_ylim(*limits)
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    if len(lines) > 1:
        figure.legend(loc="outside lower center", ncols=min(len(lines), 3))
    ends = [f"{name} from {number(float(y[0]))} to {number(float(y[-1]))}" for name, (_, y) in lines.items()]
    x = next(iter(lines.values()))[0]
    reach = f"{number(x[0])} to {number(x[-1])}"
    return described(figure, f"{y_label[0].upper()}{y_label[1:]} by {x_label}, {reach}: {'; '.join(ends)}.")


def ascent(fits, below=False):
    """Figure: the log posterior (under flat priors the log likelihood) on the way to the best optimum, by iteration.

    Args:
        fits: an EM fit, or a dict of name -> EM fit. below: how far it is below the highest of them, on a log scale.
    """
    from bayesmix.em.laplace import is_maximum_likelihood

    fits = fits if isinstance(fits, dict) else {"EM": fits}
    flat = all(is_maximum_likelihood(fit.mixture) for fit in fits.values())
    what = "log likelihood" if flat else "log posterior"
    traces = {name: fit.runs[max(fit.optima[0].start, 0)].trace[:, 1] for name, fit in fits.items()}
    if not below:
        return curves(traces, what)
    top = max(trace.max() for trace in traces.values())
    floor = 1e-12 * max(1.0, abs(top))  # rounding
    return curves(
        {n: np.maximum(top - trace, floor) for n, trace in traces.items()}, f"{what} below the best", log=True
    )


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
    top = 0.0
    for ax, (name, f) in zip(axes[0], expected.items(), strict=True):
        root = np.sqrt(f(values))
        ax.bar(values, -np.sqrt(observed), bottom=root, color=PALE, width=0.85)
        ax.plot(values, root, color=colour(0), marker="o", ms=4, lw=1.5)
        top = max(top, 1.06 * root.max())
        ax.axhline(0, color=INK, lw=0.8)
        ax.set_title(name, loc="left")
        ax.set_xlabel("count")
    axes[0, 0].set_ylim(top=top)
    axes[0, 0].set_ylabel("square root of rows")
    return described(figure, f"Hanging rootograms of counts 0 to {values[-1]}: {', '.join(expected)}.")

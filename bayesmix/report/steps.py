"""One restart of EM step by step, as small multiples or behind a slider: in the plane, on a line, or as images."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from bayesmix.report.data_plots import _bins, _ellipse, _parts, some
from bayesmix.report.style import GREY, INK, TRUE_SHADES, blend, colour, component_colours, described, grid, styled

FRAMES = 16  # of a slider
CELLS = 24  # components and features at most of a table of probabilities that is drawn without a shape


def kept(fit, run):
    """Whether `climb` and `frames` can draw this restart by themselves: its steps were kept, of data they can show."""
    return len(fit.runs[run].kept) > 1 and not fit.data.missing and _way(fit) is not None


def _way(fit, shape=None):
    """The function that draws one step of this fit; None where there is none."""
    if shape is not None or ("prob" in fit.best and max(fit.mixture.components, fit.data.d) <= CELLS):
        return _images
    if fit.data.d == 1:
        return _line
    gaussian = "mean" in fit.best and {"cov", "var", "sd"} & set(fit.best)
    return _plane if fit.data.d == 2 and gaussian else None


@styled
def climb(fit, run=0, steps=6, bisectors=False):
    """Figure: small multiples of one restart, the rows coloured by responsibility, the components drawn over them.

    Args:
        fit: an EM fit with `keep_trace=True`, of one feature or of Gaussians in two.
        run: which restart.
        steps: panels at most; the first iterations are preferred, the last is always there.
        bisectors: in two features, draw the line between each two centres, where k-means changes its mind.
    """
    at = _steps(fit.runs[run].kept, steps)
    columns = min(3, len(at))
    figure, axes = grid(-(-len(at) // columns), columns, 2.5, sharex=True, sharey=True)
    for ax in axes.flat[len(at) :]:
        ax.set_axis_off()
    for ax, i in zip(axes.flat, at, strict=False):
        _way(fit)(ax, fit, run, i, bisectors=bisectors)
        ax.set_title(f"iteration {i}", loc="left")
        ax.label_outer()
    for ax in axes[:, 0]:
        ax.set_ylabel(fit.data.names[1] if fit.data.d == 2 else "density")
    for ax in axes[-1]:
        ax.set_xlabel(fit.data.names[0])
    return described(figure, f"Rows and components at {len(at)} iterations of EM, {at[0]} to {at[-1]}.")


@styled
def frames(fit, run=0, bisectors=False, most=FRAMES, shape=None):
    """Pairs (title, Figure), one for each of up to `most` steps of one restart, for a slider in the page.

    Two features of Gaussians are drawn in the plane, one feature as densities over the histogram, probabilities as
    shades: one picture of (height, width) = `shape` for each component, or one row of cells where it is left out.
    Other arguments as for `climb`. The first steps are all there; later ones, which move little, are thinned out.
    """
    way, out = _way(fit, shape), []
    for i in _steps(fit.runs[run].kept, most):
        if way is _images:
            figure = _images(fit, run, i, shape)
        else:
            figure, axes = grid(1, 1, 3.9, width=5.6)
            way(axes[0, 0], fit, run, i, bisectors=bisectors, size=12)
            axes[0, 0].set_xlabel(fit.data.names[0])
            axes[0, 0].set_ylabel(fit.data.names[1] if way is _plane else "density")
        what = "The mean pictures" if way is _images else "The rows and the components"
        out.append((f"iteration {i}", described(figure, f"{what} on their way through EM.")))
    return out


def _steps(kept, most):
    """At most `most` of the iterations that were kept: the first half of them in a row, the rest ever further apart."""
    if len(kept) <= most:
        return list(kept)
    first = (most + 1) // 2
    rest = np.geomspace(first, len(kept) - 1, most - first).round().astype(int)
    return [kept[i] for i in dict.fromkeys((*range(first), *rest))]


def _named(fit, run, i):
    """(theta, (n, K) responsibilities) after iteration i, which was kept, the components named as in `fit.best`."""
    from bayesmix.em.kernel import Problem
    from bayesmix.em.modes import match

    one = fit.runs[run]
    names = match(Problem.of(fit.mixture, fit.data), fit.best, one.theta)
    return fit.mixture.permute(one.thetas[i], names), one.responsibilities[list(one.kept).index(i)][:, names]


def _plane(ax, fit, run, i, bisectors=False, size=7):
    """The rows and the components after iteration i, in two features."""
    x, rows = fit.data.x, some(fit.data.n, 2000)
    theta, shares = _named(fit, run, i)
    ax.scatter(x[rows, 0], x[rows, 1], s=size, c=blend(shares)[rows], lw=0, alpha=0.7)
    limits = ax.get_xlim(), ax.get_ylim()
    centres = theta["mean"]
    for k, centre in enumerate(centres):
        if not bisectors:
            ax.plot(*_ellipse(theta, k, 0, 1), color=colour(k), lw=1.5)
        ax.plot(*centre, marker="P", ms=8, mec="white", mfc=colour(k))
        for other in centres[:k] if bisectors else ():
            middle, across = (centre + other) / 2, (centre - other)[::-1] * [-1, 1]
            ax.axline(middle, middle + across, color=GREY, lw=0.8)
    ax.set_xlim(limits[0])
    ax.set_ylim(limits[1])


def _line(ax, fit, run, i, bisectors=False, size=9):
    """The histogram of one feature with the densities after iteration i, and the rows below it."""
    x, weight = fit.data.x[:, 0], fit.data.row_weight
    theta, shares = _named(fit, run, i)
    bins, whole = _bins(x)
    at = np.arange(x.min(), x.max() + 1) if whole else np.linspace(bins[0], bins[-1], 300)
    heights = ax.hist(x, bins=bins, weights=weight / weight.sum(), density=True, histtype="stepfilled",
                      facecolor="#EFEFEF", edgecolor=GREY, lw=0.6)[0]  # fmt: skip
    parts = _parts(fit, theta, at)
    for k, c in enumerate(component_colours(fit.mixture)):
        ax.plot(at, parts[:, k], color=c, lw=2)
    ax.plot(at, parts.sum(axis=1), color=INK, lw=1.2, ls="--")
    rows, top = some(fit.data.n, 1500), 1.6 * heights.max()
    jitter = np.random.default_rng(0).uniform(0.4, 1.6, len(rows))
    ax.scatter(x[rows], -0.05 * top * jitter, s=size, c=blend(shares)[rows], lw=0, alpha=0.7)
    ax.axhline(0, color=GREY, lw=0.6)
    ax.set_ylim(-0.11 * top, top)
    ax.yaxis.set_major_locator(MaxNLocator(4))


def _images(fit, run, i, shape):
    """Figure: the probabilities of each component after iteration i, dark where they are high."""
    theta = _named(fit, run, i)[0]
    prob, weight = theta["prob" if "prob" in theta else "mean"], theta["weight"]
    K, top = len(prob), 1.0 if "prob" in theta else float(np.max(fit.data.x))
    if shape is None:
        figure, axes = grid(1, 1, 1.2 + 0.3 * K)
        axes[0, 0].imshow(prob.reshape(K, -1), cmap="Greys", vmin=0, vmax=top, aspect="auto")
        axes[0, 0].set_yticks(range(K), [f"component {k}, {w * 100:.0f} %" for k, w in enumerate(weight)])
        axes[0, 0].set_xlabel("feature")
        axes[0, 0].xaxis.set_major_locator(MaxNLocator(10, integer=True))
    else:
        columns = min(K, 5)
        figure, axes = grid(-(-K // columns), columns, 5.6 / columns, width=5.6)
        for ax in axes.flat:
            ax.set_axis_off()
        for k, (ax, row) in enumerate(zip(axes.flat, prob, strict=False)):
            ax.imshow(row.reshape(shape), cmap="Greys", vmin=0, vmax=top)
            ax.set_title(f"{k}: {weight[k] * 100:.0f} %", fontsize=9.5)
    figure.set_label(TRUE_SHADES)
    return figure

"""Figures of the rows: who belongs where, how sure that is, and who belongs together."""

import numpy as np
from matplotlib.colors import ListedColormap

from bayesmix.report.data_plots import ROWS, class_handles, legend, some
from bayesmix.report.style import INK, colour, grid, styled

PAIRS = 1500  # rows up to which the co-clustering matrix is drawn
SURE = 0.999  # an interval that stays above it is left out


@styled
def responsibilities(em, mcmc=None, *, proba=None, interval=None):
    """Figure: the probability of each class for every row, rows sorted; EM above MCMC, in the same order.

    `proba` passes what `predict_proba` already gave, a dict of (n, C) by "em" and "mcmc". `interval`, the Dataset of
    `mcmc.predict_proba(interval=0.9)`, adds a panel: how far the draws disagree on each row's most probable class.
    """
    fits = {"em": em, "mcmc": mcmc}
    proba = proba or {name: fit.predict_proba() for name, fit in fits.items() if fit is not None}
    first = next(iter(proba.values()))
    order = np.lexsort((first @ np.arange(first.shape[1]), first.argmax(axis=1)))
    order = order[some(len(order), ROWS)]
    titles = {"em": "at the MAP (EM)", "mcmc": "averaged over the posterior (MCMC)"}
    figure, axes = grid(len(proba) + (interval is not None), 1, 1.75, sharex=True)
    edges = np.arange(len(order) + 1)
    for ax, (name, p) in zip(axes[:, 0], proba.items(), strict=False):
        level = np.concatenate([np.zeros((len(order), 1)), np.cumsum(p[order], axis=1)], axis=1)
        for c in range(p.shape[1]):
            low, high = (np.append(level[:, i], level[-1, i]) for i in (c, c + 1))
            ax.fill_between(edges, low, high, step="post", color=colour(c), lw=0)
        ax.set_title(titles[name], loc="left")
    if interval is not None:
        _unsure(axes[-1, 0], interval, order)
    for ax in axes[:, 0]:
        ax.set_ylabel("probability")
        ax.set_ylim(0, 1)
        ax.set_xlim(0, len(order))
    thinned = "" if len(order) == len(first) else f" ({len(order)} of {len(first)} shown)"
    axes[-1, 0].set_xlabel(f"rows, sorted{thinned}")
    legend(figure, class_handles(em if em is not None else mcmc, points=False))
    return figure


def _unsure(ax, interval, order):
    """The 90 % interval of the probability of each row's most probable class, where it is not all but one."""
    mean, low, high = (interval[name].values[order] for name in ("mean", "lower", "upper"))
    top = mean.argmax(axis=1)[:, None]
    mean, low, high = (np.take_along_axis(v, top, axis=1)[:, 0] for v in (mean, low, high))
    rows = np.flatnonzero(low < SURE)
    colours = [colour(int(c)) for c in top[rows, 0]]
    ax.vlines(rows + 0.5, low[rows], high[rows], color=colours, lw=1.3)
    ax.scatter(rows + 0.5, mean[rows], s=7, color=colours, zorder=3)
    level = float(interval.attrs["interval"])
    ax.set_title(f"{100 * level:g} % interval for the most probable class, unsure rows only", loc="left")


@styled
def co_clustering(fit, together=None):
    """Figure: the probability that two rows are of one component, rows sorted so that those that belong lie together.

    It looks at no labels, so switching cannot blur it. The coloured strip names each row's most probable class.

    Args:
        fit: a fit by either engine, of at most 1500 rows.
        together: what `fit.co_clustering()` gave; left out, it is called.
    """
    together = fit.co_clustering() if together is None else together
    p = fit.predict_proba()
    # With one draw and two classes a row's probability says all; else the clustering of the rows finds the order.
    order = np.argsort(p[:, 1], kind="stable") if fit.engine == "em" and p.shape[1] == 2 else seriate(together)
    classes = p.argmax(axis=1)[order]
    figure, axes = grid(2, 1, 2.2, width=4.9, height_ratios=[1, 24])
    strip, ax = axes[:, 0]
    colours = ListedColormap([colour(c) for c in range(classes.max() + 1)])
    strip.imshow(
        classes[None], aspect="auto", interpolation="nearest", cmap=colours, vmin=-0.5, vmax=classes.max() + 0.5
    )
    strip.set_axis_off()
    image = ax.imshow(together[np.ix_(order, order)], cmap="Greys", vmin=0, vmax=1, interpolation="nearest",
                      aspect="auto")  # fmt: skip
    figure.colorbar(image, ax=axes[:, 0].tolist(), label="probability of one component", shrink=0.7, pad=0.02)
    ax.set_xlabel("rows, sorted")
    ax.set_ylabel("rows, sorted")
    ax.tick_params(length=0, labelbottom=False, labelleft=False)
    ax.spines[:].set_visible(True)
    ax.spines[:].set_color(INK)
    return figure


def seriate(together):
    """An order of the rows that brings those together which belong together: the leaves of average linkage."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(together) < 3:
        return np.arange(len(together))
    far = np.clip(1.0 - (together + together.T) / 2, 0.0, 1.0)
    np.fill_diagonal(far, 0.0)
    return leaves_list(linkage(squareform(far, checks=False), method="average"))

"""More than two features in one picture: the projection that tells the classes apart best."""

import numpy as np
from matplotlib.lines import Line2D

from bayesmix.report.data_plots import LEVEL, ROWS, class_handles, legend, some
from bayesmix.report.graph import leaves_of
from bayesmix.report.style import GREY, blend, colour, component_colours, grid, styled

FLAT = 1e-9  # directions in which the classes vary less than this, relative to the widest, are left out


def projectable(fit):
    """Whether `discriminant` can draw this fit: d > 2 measured features, two classes, and no cell missing."""
    measured = all("mean" in leaf.family.parameters for leaf in leaves_of(fit.mixture.family, fit.mixture.components,
                                                                          fit.data.d))  # fmt: skip
    return fit.data.d > 2 and len(fit.class_names) > 1 and measured and not fit.data.missing


@styled
def discriminant(fit):
    """Figure: the rows in the one or two directions that tell the fit's classes apart best, coloured by probability.

    The directions a maximise a'Ba / a'Wa, with B and W the covariances between and within the classes, rows weighted
    by their probabilities. With two classes there is one such direction, shown as a histogram. Ellipses hold 90 % of
    each component of a Gaussian family, projected too.

    References: Rao (1948), J. Royal Statistical Society B 10:159-203.
    """
    proba = fit.predict_proba()
    axes_of = directions(fit.data.x, proba * fit.data.row_weight[:, None])
    y = (fit.data.x - fit.data.x.mean(axis=0)) @ axes_of
    if y.shape[1] == 1:
        return _histogram(fit, y[:, 0], proba)
    figure, axes = grid(1, 1, 4.4)
    ax, rows = axes[0, 0], some(len(y), ROWS)
    ax.scatter(y[rows, 0], y[rows, 1], s=12, c=blend(proba)[rows], lw=0, alpha=0.75)
    handles = class_handles(fit)
    if "mean" in fit.best and {"cov", "var", "sd"} & set(fit.best):
        for k, c in enumerate(component_colours(fit.mixture)):
            ax.plot(*_outline(fit, k, axes_of), color=c, lw=1.8)
        handles.append((Line2D([], [], color=GREY, lw=1.8), f"{100 * LEVEL:.0f} % region"))
    ax.set_xlabel("first discriminant direction")
    ax.set_ylabel("second")
    legend(figure, handles)
    return figure


def directions(x, r):
    """(d, m) discriminant directions, unit variance within the classes, m = min(classes - 1, 2); r (n, C) weights."""
    counts = r.sum(axis=0)
    used = counts > 0
    means = (r[:, used].T @ x) / counts[used, None]
    share, centre = counts[used] / counts.sum(), r.sum(axis=1) @ x / counts.sum()
    total = (x - centre).T @ ((x - centre) * r.sum(axis=1)[:, None]) / counts.sum()
    between = (means - centre).T @ ((means - centre) * share[:, None])
    value, vector = np.linalg.eigh(total - between)
    keep = value > FLAT * value.max()
    root = vector[:, keep] / np.sqrt(value[keep])
    _, turned = np.linalg.eigh(root.T @ between @ root)
    most = max(1, min(int(used.sum()) - 1, 2, root.shape[1]))
    return root @ turned[:, ::-1][:, :most]


def _outline(fit, k, axes_of):
    """(2, 121) outline that holds 90 % of component k in the projection."""
    theta, d = fit.best, fit.data.d
    if "cov" in theta:
        cov = theta["cov"][k % len(theta["cov"])]
    else:
        var = theta["var"] if "var" in theta else theta["sd"] ** 2
        cov = np.diag(np.broadcast_to(var[k % len(var)], (d,)))
    root = np.linalg.cholesky(axes_of.T @ cov @ axes_of)
    t = np.linspace(0, 2 * np.pi, 121)
    middle = (theta["mean"][k] - fit.data.x.mean(axis=0)) @ axes_of
    return middle[:, None] + np.sqrt(-2 * np.log(1 - LEVEL)) * root @ np.stack([np.cos(t), np.sin(t)])


def _histogram(fit, y, proba):
    """One direction: its histogram, stacked by probability."""
    figure, axes = grid(1, 1, 3.0)
    ax, bins = axes[0, 0], np.histogram_bin_edges(y, min(60, max(20, len(y) // 10)))
    bottom = np.zeros(len(bins) - 1)
    for c in range(proba.shape[1]):
        height = np.histogram(y, bins, weights=proba[:, c] * fit.data.row_weight)[0]
        ax.bar(bins[:-1], height, np.diff(bins), bottom=bottom, align="edge", color=colour(c), alpha=0.7)
        bottom += height
    ax.set_xlabel("discriminant direction")
    ax.set_ylabel("rows")
    legend(figure, class_handles(fit))
    return figure

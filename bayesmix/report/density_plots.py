"""The density of two features as contours, and how sure the posterior is of them."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bayesmix.report.data_plots import ROWS, _point, _some_draws, legend, some
from bayesmix.report.style import GREY, INK, grid, styled

SHARES = {0.5: "#0B4F8A", 0.9: "#6BAED6"}  # of the mixture within each contour, and its colour
POINTS, DRAWS = 100, 120  # of the grid along each axis, and of the posterior
MARGIN = 0.5  # of the data's range on each side, so that the grid holds the tails


def contourable(fit):
    """Whether `contours` can draw this fit: two features, both with a density."""
    return fit.data.d == 2 and bool(fit.mixture.family.continuous(2).all())


@styled
def contours(fit, mcmc=None):
    """Figure: the smallest regions that hold 50 % and 90 % of the mixture, over the rows.

    Lines are those of `fit.best`. With `mcmc` a band surrounds each line: the points that belong to the region of a
    draw with posterior probability between 5 % and 95 %.

    Args:
        fit: of two features that have a density. mcmc: the chains of the same model.

    References: Hyndman (1996), The American Statistician 50:120-126, for highest-density regions.
    """
    a, b, area = _grid(fit.data.x)
    at = np.stack([a.ravel(), b.ravel()], axis=1)
    line = density(fit, fit.best, at)
    draws = [] if mcmc is None else np.stack([density(mcmc, t, at) for t in _some_draws(mcmc, DRAWS)])
    figure, axes = grid(1, 1, 4.4)
    ax, rows = axes[0, 0], some(fit.data.n, ROWS)
    ax.scatter(fit.data.x[rows, 0], fit.data.x[rows, 1], s=7, color=GREY, alpha=0.45, lw=0)
    handles, seen = [], line >= level(line, max(SHARES), area)
    for share, shade in SHARES.items():
        edge = INK if len(draws) else shade
        ax.contour(a, b, line.reshape(a.shape), levels=[level(line, share, area)], colors=[edge], linewidths=1.3)
        if len(draws):
            inside = within(draws, share, area).reshape(a.shape)
            seen = seen | (inside.ravel() > 0.05)
            ax.contourf(a, b, inside, levels=[0.05, 0.95], colors=[shade], alpha=0.55)
            handles.append((Patch(color=shade, alpha=0.55, lw=0), f"border of the {share * 100:.0f} % region, draws"))
        else:
            handles.append((Line2D([], [], color=shade, lw=1.3), f"{share * 100:.0f} % region, {_point(fit)}"))
    if len(draws):
        handles.append((Line2D([], [], color=INK, lw=1.3), f"borders, {_point(fit)}"))
    for j, limits in enumerate((ax.set_xlim, ax.set_ylim)):  # the grid is wider than what there is to see
        both = np.concatenate([fit.data.x[:, j], at[seen, j]])
        low, high = np.nanmin(both), np.nanmax(both)
        limits(low - 0.04 * (high - low), high + 0.04 * (high - low))
    ax.set_xlabel(fit.data.names[0])
    ax.set_ylabel(fit.data.names[1])
    legend(figure, handles)
    return figure


def density(fit, theta, at):
    """(m,) density of the mixture at the rows `at`; 0 outside the family's sample space."""
    with np.errstate(all="ignore"):
        return np.nan_to_num(np.exp(fit.mixture.log_joint(at, theta)), posinf=0.0).sum(axis=1)


def within(draws, share, area):
    """(m,) share of the draws in whose smallest region of this mass each point lies; draws (S, m) densities."""
    return np.mean([d >= level(d, share, area) for d in draws], axis=0)


def level(values, share, area):
    """The density above which `share` of the mass lies, for values on a grid whose cells have this area."""
    falling = np.sort(values)[::-1]
    return falling[min(np.searchsorted(np.cumsum(falling) * area, share), len(falling) - 1)]


def _grid(x):
    """Two (POINTS, POINTS) arrays of coordinates that cover the rows, and the area of a cell."""
    low, high = np.nanmin(x, axis=0), np.nanmax(x, axis=0)
    wide = np.where(high > low, high - low, 1.0) * MARGIN
    first, second = (np.linspace(p, q, POINTS) for p, q in zip(low - wide, high + wide, strict=True))
    return *np.meshgrid(first, second), (first[1] - first[0]) * (second[1] - second[0])

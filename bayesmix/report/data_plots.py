"""Figures of the data beside the model: scatter, densities, predictive checks."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from bayesmix.report.features import telling
from bayesmix.report.style import GREY, INK, PALE, blend, colour, component_colours, grid, styled
from bayesmix.spec.families.components import Components
from bayesmix.spec.families.gaussian import Gaussian
from bayesmix.spec.families.mvgaussian import MvGaussian
from bayesmix.spec.families.uniform import UniformComponent

LEVEL = 0.9  # share of a component inside its ellipse
FAINT, BAND = 60, 400  # posterior draws shown one by one, and behind a 90 % band
FEATURES = 6  # panels at most, one per feature
PLANES = 4  # features at most, a panel for each two
ROWS = 4000  # points or bars at most
AT_ONCE = 2_000_000  # numbers that are simulated at once


@styled
def scatter(em, mcmc=None):
    """Figure: the data beside the fitted components, coloured by responsibility.

    Two or more features of a Gaussian family: ellipses that hold 90 % of each component, solid at the
    MAP, faint for posterior draws; beside them a uniform component is its box. One feature: histogram
    and densities. Any other family: for each feature the histogram split by responsibility, beside rows
    simulated from the fit.
    `em` may be None when `mcmc` is given; its best draw then stands for the MAP.
    """
    fit = em if em is not None else mcmc
    if fit.data.d == 1:
        return _densities(fit, mcmc)
    if _elliptic(fit):
        return _ellipses(fit, mcmc)
    return _split_histograms(fit)


def drawn_features(fit):
    """Numbers of the features that `scatter` draws: all, or those that `telling` names."""
    return telling(fit, PLANES if _elliptic(fit) else FEATURES)


def _elliptic(fit):
    families = [_member(fit.mixture, fit.best, k)[0] for k in range(fit.mixture.components)]
    return all(isinstance(f, Gaussian | MvGaussian | UniformComponent) for f in families)


def _member(mixture, theta, k):
    """(family, theta, index) of component k within the member that owns it."""
    if isinstance(mixture.family, Components):
        for part in mixture.family.parts:
            if part.owners is not None and k in part.owners:
                return part.family, part.own(theta), k - part.owners[0]
    return mixture.family, theta, k


def _ellipses(fit, mcmc):
    names, chosen = fit.data.names, drawn_features(fit)
    shown = len(chosen)
    if shown == 2:
        figure, axes = grid(1, 1, 4.6)
        cells = [(axes[0, 0], 0, 1)]
    else:
        figure, axes = grid(shown - 1, shown - 1, 2.3, width=2.6 * (shown - 1))
        cells = []
        for i, j in np.ndindex(axes.shape):
            if j > i:
                axes[i, j].set_axis_off()
            else:
                cells.append((axes[i, j], chosen[j], chosen[i + 1]))
    x, proba = fit.data.x, fit.predict_proba()
    rows = some(len(x), ROWS)
    colours, tint = component_colours(fit.mixture), blend(proba)
    known = _labelled(fit.data)
    draws = [] if mcmc is None else _some_draws(mcmc)
    for ax, a, b in cells:
        for mask, marker, edge in ((~known, "o", "none"), (known, "s", INK)):
            part = rows[mask[rows]]
            ax.scatter(x[part, a], x[part, b], s=14 if shown == 2 else 8, c=tint[part], marker=marker,
                       edgecolors=edge, linewidths=0.5, alpha=0.75)  # fmt: skip
        for theta in draws:
            for k, c in enumerate(colours):
                ax.plot(*_outline(fit.mixture, theta, k, a, b), color=c, lw=0.5, alpha=0.16)
        for k, c in enumerate(colours):
            outline = _outline(fit.mixture, fit.best, k, a, b)
            ax.plot(*outline, color="white", lw=3.2)
            ax.plot(*outline, color=c, lw=1.8)
            _, own, i = _member(fit.mixture, fit.best, k)
            if "mean" in own:
                ax.plot(own["mean"][i, a], own["mean"][i, b], marker="P", ms=8, mec="white", mfc=c)
        ax.set_xlabel(names[a])
        ax.set_ylabel(names[b])
        ax.label_outer()
    handles = class_handles(fit)
    handles.append((Line2D([], [], color=GREY, lw=1.8), f"{LEVEL * 100:.0f} % region, {_point(fit)}"))
    if draws:
        handles.append((Line2D([], [], color=GREY, lw=0.6, alpha=0.6), "90 % region, draws"))
    if known.any():
        handles.append((Line2D([], [], ls="", marker="s", mfc=PALE, mec=INK), "labelled row"))
    legend(figure, handles)
    return figure


def _outline(mixture, theta, k, a, b):
    """(2, points) outline of component k in features a and b: 90 % of a Gaussian, the box of a uniform."""
    family, theta, k = _member(mixture, theta, k)
    if isinstance(family, UniformComponent):
        (x0, y0), (x1, y1) = theta["lower"][k, [a, b]], theta["upper"][k, [a, b]]
        return np.array([[x0, x1, x1, x0, x0], [y0, y0, y1, y1, y0]])
    return _ellipse(theta, k, a, b)


def _ellipse(theta, k, a, b):
    """(2, 121) outline that holds 90 % of component k in features a and b."""
    mean = theta["mean"][k, [a, b]]
    if "cov" in theta:
        cov = theta["cov"][k % len(theta["cov"])][np.ix_([a, b], [a, b])]
    else:
        var = theta["var"] if "var" in theta else theta["sd"] ** 2
        cov = np.diag(np.broadcast_to(var, theta["mean"].shape)[k, [a, b]])
    value, vector = np.linalg.eigh(cov)
    t = np.linspace(0, 2 * np.pi, 121)
    radius = np.sqrt(-2 * np.log(1 - LEVEL) * np.maximum(value, 0))
    return mean[:, None] + vector @ (radius[:, None] * np.stack([np.cos(t), np.sin(t)]))


def _densities(fit, mcmc):
    seen = ~np.isnan(fit.data.x[:, 0])
    x, weight = fit.data.x[seen, 0], fit.data.row_weight[seen]
    bins, whole = _bins(x)
    at = np.arange(x.min(), x.max() + 1) if whole else np.linspace(bins[0], bins[-1], 400)
    figure, axes = grid(1, 1, 3.8)
    ax = axes[0, 0]
    ax.hist(x, bins=bins, weights=weight / weight.sum(), density=True, histtype="stepfilled",
            facecolor="#EFEFEF", edgecolor=GREY, lw=0.6)  # fmt: skip
    if mcmc is not None:
        lines = [_parts(fit, theta, at).sum(axis=1) for theta in _some_draws(mcmc, BAND)]
        ax.fill_between(at, *np.quantile(lines, [0.05, 0.95], axis=0), color=INK, alpha=0.25, lw=0)
    parts = _parts(fit, fit.best, at)
    for k, c in enumerate(component_colours(fit.mixture)):
        ax.plot(at, parts[:, k], color=c, lw=2, marker="o" if whole and len(at) < 60 else None, ms=3.5)
    ax.plot(at, parts.sum(axis=1), color=INK, lw=1.3, ls="--")
    depth = -0.045 * ax.get_ylim()[1]
    rows = some(len(x), ROWS)
    jitter = np.random.default_rng(0).uniform(0.4, 1.6, len(rows))
    ax.scatter(x[rows], depth * jitter, s=9, c=blend(fit.predict_proba())[seen][rows], lw=0, alpha=0.75)
    ax.axhline(0, color=GREY, lw=0.6)
    ax.set_xlabel(fit.data.names[0])
    ax.set_ylabel("share of rows" if whole else "density")
    handles = class_handles(fit)
    handles.append((Line2D([], [], color=INK, ls="--", lw=1.3), f"mixture, {_point(fit)}"))
    if mcmc is not None:
        handles.append((Patch(color=INK, alpha=0.25, lw=0), "mixture, 90 % of the posterior"))
    legend(figure, handles)
    return figure


def _parts(fit, theta, at):
    """w_k f_k(x) on a grid, (m, K); 0 outside a family's sample space."""
    with np.errstate(all="ignore"):
        return np.nan_to_num(np.exp(fit.mixture.log_joint(at[:, None], theta)), posinf=0.0)


def _split_histograms(fit, simulated=20_000):
    """Per feature: the data's histogram stacked by responsibility, and rows simulated from the fit."""
    data, proba, chosen = fit.data, fit.predict_proba(), telling(fit, FEATURES)
    share = proba * (data.row_weight / data.row_weight.sum())[:, None]
    sim, z = fit.simulate(simulated, seed=0)
    classes = fit.mixture.component_classes[z]
    figure, axes = _per_feature(len(chosen))
    for j, ax in zip(chosen, axes, strict=True):
        seen = ~np.isnan(data.x[:, j])
        bins, whole = _bins(data.x[seen, j])
        width, middle = np.diff(bins), (bins[1:] + bins[:-1]) / 2
        bottom = np.zeros(len(width))
        for c in range(proba.shape[1]):
            height = np.histogram(data.x[seen, j], bins, weights=share[seen, c] / share[seen].sum())[0]
            ax.bar(middle, height, width * (0.85 if whole else 1), bottom=bottom, color=colour(c), alpha=0.45)
            expected = np.histogram(sim[classes == c, j], bins)[0] / simulated
            ax.plot(middle, expected, color=colour(c), lw=1.4, marker="o", ms=3)
            bottom = bottom + height
        _feature_axis(ax, data.names[j], whole)
    handles = class_handles(fit)
    handles.append((Line2D([], [], color=GREY, marker="o", ms=3, lw=1.4), "simulated from the fit, each class"))
    legend(figure, handles)
    return figure


@styled
def predictive(fit):
    """Figure: for each feature, the data's histogram beside 90 % intervals of replicated data sets.

    An MCMC fit shows its posterior predictive draws; an EM fit shows data simulated at the MAP.
    """
    replicas, data = replicated(fit), fit.data
    weight = data.row_weight / data.row_weight.sum()
    chosen = telling(fit, FEATURES)
    figure, axes = _per_feature(len(chosen))
    for i, (j, ax) in enumerate(zip(chosen, axes, strict=True)):
        seen = ~np.isnan(data.x[:, j])  # a replicated data set misses the same cells
        bins, whole = _bins(data.x[seen, j])
        middle = (bins[1:] + bins[:-1]) / 2
        heights = _histograms(replicas[:, seen, i], bins, weight[seen])
        low, mid, high = np.quantile(heights, [0.05, 0.5, 0.95], axis=0)
        observed = np.histogram(data.x[seen, j], bins, weights=weight[seen])[0]
        if whole:
            ax.bar(middle, observed, 0.85, color=PALE)
        else:
            ax.stairs(observed, bins, fill=True, color=PALE)
        ax.vlines(middle, low, high, color=colour(0), lw=1.8)
        ax.plot(middle, mid, ls="", marker="_", ms=6, mew=1.8, color=colour(0))
        _feature_axis(ax, data.names[j], whole)
    source = "posterior predictive" if fit.engine == "mcmc" else "simulated at the MAP"
    legend(
        figure,
        [(Patch(color=PALE), "data"), (Line2D([], [], color=colour(0), lw=1.8), f"{source}, 90 % interval")],
    )
    return figure


def replicated(fit, count=200):
    """Up to `count` replicated data sets of the features that `telling` names, (count, n, at most FEATURES)."""
    n, d, chosen = fit.data.n, fit.data.d, telling(fit, FEATURES)
    if "posterior_predictive" in fit.groups:
        x = fit.groups["posterior_predictive"]["x"]
        lead = [dim for dim in ("chain", "draw") if dim in x.dims]
        x = x.transpose(*lead, "obs", ...).values.reshape(-1, n, d)
        return x[some(len(x), count)][:, :, chosen]
    many = int(np.clip(AT_ONCE // (n * d), 1, count))  # data sets: drawing all at once is fastest, but takes memory
    sizes = np.diff([*range(0, count, many), count])
    drawn = (fit.simulate(m * n, seed=s)[0].reshape(m, n, d)[:, :, chosen] for s, m in enumerate(sizes))
    return np.concatenate(list(drawn))


def _histograms(replicas, bins, weight):
    """(count, bins) histogram of each replica, (count, n), rows weighted; what lies outside the bins is left out."""
    place = np.searchsorted(bins, replicas, side="right") - 1
    place = np.where(replicas == bins[-1], len(bins) - 2, place)
    out = np.zeros((len(replicas), len(bins) + 1))  # two more: below and above
    place = np.clip(place, -1, len(bins) - 1) + 1
    np.add.at(out, (np.arange(len(replicas))[:, None], place), weight)
    return out[:, 1:-1]


def _bins(x):
    """(edges, whether x is counts): one bin per count where there are few, else Freedman-Diaconis."""
    low, high = float(x.min()), float(x.max())
    integer = bool((x == np.floor(x)).all())
    if integer and high - low <= 30:
        return np.arange(low - 0.5, high + 1), True
    if low == high:
        return np.array([low - 0.5, high + 0.5]), False
    width = 2 * np.subtract(*np.quantile(x, [0.75, 0.25])) / len(x) ** (1 / 3)
    count = int(np.clip(np.ceil((high - low) / width) if width > 0 else 20, 20, 60))
    step = (high - low) / count
    if integer:  # bins that hold equally many whole numbers
        step = np.ceil(step)
        return np.arange(low - step - 0.5, high + 2 * step, step), False
    return np.linspace(low - step, high + step, count + 3), False


def _per_feature(shown):
    """(Figure, its axes in order) with a panel for each of so many features."""
    columns = min(shown, 3 if shown > 4 else 2)
    rows = -(-shown // columns)
    figure, axes = grid(rows, columns, 2.7 if columns > 1 else 3.4)
    for ax in axes.flat[shown:]:
        ax.set_axis_off()
    return figure, list(axes.flat[:shown])


def _feature_axis(ax, name, whole):
    ax.set_xlabel(name)
    if ax.get_subplotspec().is_first_col():
        ax.set_ylabel("share of rows")
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=whole, min_n_ticks=1))


def some(n, most):
    """At most `most` indices spread evenly over range(n)."""
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(int)


def _some_draws(mcmc, most=FAINT):
    chains, draws = mcmc.shape
    return [mcmc.theta(*divmod(int(i), draws)) for i in some(chains * draws, most)]


def _labelled(data):
    if data.label is None or data.label.ndim == 2:
        return np.zeros(data.n, dtype=bool)
    return data.label >= 0


def _point(fit):
    return "MAP" if fit.engine == "em" else "best draw"


def class_handles(fit, points=True):
    names = fit.class_names
    if len(names) > 12:
        return []
    named = fit.data.is_labelled and fit.data.classes
    what = "" if named else "component " if fit.mixture.classes is None else "class "
    mark = {"ls": "", "marker": "o", "ms": 7} if points else {"lw": 6}
    return [(Line2D([], [], color=colour(c), **mark), f"{what}{name}") for c, name in enumerate(names)]


def legend(figure, handles):
    if not handles:  # too many classes to name
        return
    letters = sum(len(text) + 6 for _, text in handles)
    columns = len(handles) if letters <= 13 * figure.get_size_inches()[0] else min(len(handles), 3)
    figure.legend(*zip(*handles, strict=True), loc="outside lower center", ncols=columns)

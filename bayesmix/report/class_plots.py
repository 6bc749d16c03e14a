"""Figures of rows by class: the same rows in several colourings, and classifiers beside each other."""

import numpy as np
from matplotlib.lines import Line2D

from bayesmix.report.data_plots import some
from bayesmix.report.style import GREY, INK, PALE, TRUE_SHADES, blend, colour, described, grid, styled


@styled
def panels(data, tints, rgb=False):
    """Figure: the same rows of two features once for each entry of `tints`.

    Args:
        data: a `Data` of two features.
        tints: dict of title -> (n, K) probabilities that colour the rows, (n,) whole numbers, or None for grey.
        rgb: take three probabilities as red, green and blue instead of mixing the components' colours.
    """
    columns = len(tints) if len(tints) <= 4 else 3
    figure, axes = grid(-(-len(tints) // columns), columns, 2.9 if columns > 1 else 4.4, sharex=True, sharey=True)
    figure.set_label(TRUE_SHADES if rgb else "")
    tints = {title: np.eye(np.max(p) + 1)[p] if np.ndim(p) == 1 else p for title, p in tints.items()}
    rows = some(data.n, 3000)
    for ax in axes.flat[len(tints) :]:
        ax.set_axis_off()
    for ax, (title, p) in zip(axes.flat, tints.items(), strict=False):
        c = GREY if p is None else (np.clip(p, 0, 1) if rgb else blend(p))[rows]
        ax.scatter(data.x[rows, 0], data.x[rows, 1], s=np.clip(3000 / data.n, 9, 30), c=c, lw=0, alpha=0.8)
        ax.set_title(title, loc="left")
    for ax in axes.flat[max(0, len(tints) - columns) : len(tints)]:
        ax.set_xlabel(data.names[0])
        ax.tick_params(labelbottom=True)
    for ax in axes[:, 0]:
        ax.set_ylabel(data.names[1])
    return described(figure, f"The rows by {' and '.join(data.names)}, coloured in turn: {', '.join(tints)}.")


@styled
def regions(data, classifiers):
    """Figure: where each classifier changes its mind (probability one half), over the labelled rows of two features.

    Args:
        data: a labelled `Data` of two features and two classes.
        classifiers: dict of name -> anything with `predict_proba`, such as a Fit or a classifier of scikit-learn.
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
    texts = [str(n) for n in (data.classes or ("class 0", "class 1"))]
    for i, (name, classifier) in enumerate(classifiers.items()):
        p = classifier.predict_proba(np.stack([a.ravel(), b.ravel()], axis=1))[:, 1].reshape(a.shape)
        style = ("-", "--", ":", "-.")[i % 4]
        ax.contour(a, b, p, levels=[0.5], colors=INK, linestyles=[style], linewidths=1.8)
        handles.append(Line2D([], [], color=INK, ls=style, lw=1.8))
        texts.append(name)
    ax.set_xlabel(data.names[0])
    ax.set_ylabel(data.names[1])
    figure.legend(handles, texts, loc="outside lower center", ncols=min(3, len(texts)))
    where = f"Rows of {' and '.join(texts[:2])} by {' and '.join(data.names)}"
    return described(figure, f"{where}, with the boundaries of: {', '.join(classifiers)}.")


@styled
def calibration(truth, probabilities, bins=10):
    """Figure: how often the second class came among rows that were given about the same probability.

    Args:
        truth: (n,) zeros and ones.
        probabilities: dict of name -> (n,) predicted probabilities of a one, or (n, 2) of both.
    """
    probabilities = {name: np.asarray(p) for name, p in probabilities.items()}
    probabilities = {name: p if p.ndim == 1 else p[:, 1] for name, p in probabilities.items()}
    figure, axes = grid(1, 1, 3.8)
    ax = axes[0, 0]
    ax.plot([0, 1], [0, 1], color=PALE, lw=1)
    for i, (name, p) in enumerate(probabilities.items()):
        cell = np.clip((p * bins).astype(int), 0, bins - 1)
        used = [b for b in range(bins) if (cell == b).sum() >= 3]
        at = np.array([np.mean(p[cell == b]) for b in used])
        rate = np.array([np.mean(truth[cell == b]) for b in used])
        error = np.array([np.sqrt(max(r * (1 - r), 0.25 / m) / m) for r, m in
                          zip(rate, [(cell == b).sum() for b in used], strict=True)])  # fmt: skip
        ax.errorbar(at, rate, yerr=error, color=colour(i), marker="o", ms=5, lw=1.2, label=name)
    ax.set_xlabel("predicted probability")
    ax.set_ylabel("observed share")
    figure.legend(loc="outside lower center", ncols=min(3, len(probabilities)))
    return described(figure, f"Observed share against predicted probability: {', '.join(probabilities)}.")

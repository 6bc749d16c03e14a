"""Figures of rows and components that are pictures: one grey image each."""

import numpy as np

from bayesmix.report.style import described, grid, styled


@styled
def images(rows, shape, titles, columns=5, black=None):
    """Figure: vectors as grey pictures, dark where the value is high.

    Args:
        rows: (m, height x width) values. shape: (height, width). titles: one each.
        black: the value that is drawn black; left out, the largest of each picture.
    """
    columns = min(columns, len(rows))
    figure, axes = grid(-(-len(rows) // columns), columns, 7.2 / columns * 0.95)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, row, title in zip(axes.flat, rows, titles, strict=False):
        ax.imshow(np.reshape(row, shape), cmap="Greys", vmin=0, vmax=black)
        ax.set_title(title, fontsize=9.5)
    return described(figure, f"{len(rows)} pictures: {', '.join(titles)}.")


def portraits(fit, shape, columns=5):
    """Figure: the mean picture of each component, with its weight; a probability of 1 is black.

    Args:
        fit: whose rows are pictures. shape: (height, width).
    """
    theta = fit.best
    titles = [f"component {k}, {100 * w:.0f} %" for k, w in enumerate(theta["weight"])]
    if "prob" in theta:
        return images(theta["prob"], shape, titles, columns, black=1.0)
    return images(theta["mean"], shape, titles, columns)


def exemplars(fit, count=5):
    """(K, count) numbers of the rows that each component is most responsible for, among equals the densest first."""
    density, r = fit.mixture.log_joint(fit.data.x, fit.best), fit.predict_proba()
    return np.array([np.lexsort((-density[:, k], -r[:, k].round(6)))[:count] for k in range(r.shape[1])])


def montage(fit, shape, components, count=5):
    """Figure: a line for each of some components: its mean picture, then the `count` rows that `exemplars` names.

    Args:
        fit: whose rows are pictures. shape: (height, width). components: which ones.
    """
    chosen, pictures, titles = exemplars(fit, count), [], []
    for k in components:
        pictures += [fit.best["mean"][k], *fit.data.x[chosen[k]]]
        titles += [f"centre {k}", *(f"row {i}" for i in chosen[k])]
    return images(np.array(pictures), shape, titles, columns=count + 1)

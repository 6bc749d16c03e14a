"""Figures of the chains: traces, ranks, R-hat and which optimum each chain visited."""

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.ticker import MaxNLocator

from bayesmix.report.style import GREY, INK, PALE, colour, component_colours, field_colours, grid, quantities, styled

LEAST = 1e-4  # an excess of R-hat over 1 below this is drawn here
BAND = 1.63  # 99 % point of Kolmogorov's distribution


@styled
def traces(mcmc):
    """Figure: draws of a few named quantities, raw (left) beside relabelled (right), chain after chain.

    Colour is the component, so a switch of labels shows as colours changing places on the left. The strip below says
    which raw label each component had: bands without a break are labels that never switched.
    """
    chosen = quantities(mcmc.mixture, mcmc.data)
    chains, draws = mcmc.shape
    x = np.arange(chains * draws)
    K = mcmc.mixture.components
    strip = 1 if K > 1 else 0
    heights = [1.0] * (len(chosen) + 1) + [min(0.25 + 0.09 * K, 1.0)] * strip
    figure, axes = grid(len(heights), 2, 1.45 * sum(heights) / len(heights), sharex=True, sharey="row",
                        height_ratios=heights)  # fmt: skip
    for row, (title, name, index) in enumerate(chosen):
        colours = field_colours(mcmc.mixture, name)
        for ax, fields in zip(axes[row], (mcmc.draws, mcmc.relabelled), strict=True):
            value = fields[name][(slice(None), slice(None), slice(None), *index)].reshape(len(x), -1)
            for k in range(value.shape[1]):
                ax.plot(x, value[:, k], lw=0.45, color=colours[k])
        axes[row, 0].set_ylabel(_wrapped(title))
    for ax in axes[len(chosen)]:
        ax.plot(x, mcmc.log_posteriors.ravel(), lw=0.45, color=GREY)
    axes[len(chosen), 0].set_ylabel("log\nposterior")
    for ax in axes[: len(chosen) + 1].flat:
        ax.yaxis.set_major_locator(MaxNLocator(4))
    if strip:
        _label_strip(axes[-1], mcmc)
    for ax in axes[-1]:
        ax.set_xlabel("chain" if chains > 1 else "draw")
        if chains > 1:
            ax.set_xticks((np.arange(chains) + 0.5) * draws, [str(c) for c in range(chains)])
            ax.tick_params(axis="x", length=0)
    for ax in axes.flat:
        ax.set_xlim(0, len(x))
        for c in range(1, chains):
            ax.axvline(c * draws, color=INK, lw=0.8, ls=":")
    axes[0, 0].set_title("raw")
    axes[0, 1].set_title("relabelled")
    _component_legend(figure, mcmc)
    figure.align_ylabels()
    return figure


def _label_strip(axes, mcmc):
    """One line per component: the colour of the label that it had in each draw (left) and was given (right)."""
    K, total = mcmc.mixture.components, mcmc.permutation[..., 0].size
    colours = ListedColormap([colour(k) for k in range(K)])  # one for each label, though a class has several
    labels = mcmc.permutation.reshape(total, K).T
    for ax, value in zip(axes, (labels, np.tile(np.arange(K)[:, None], total)), strict=True):
        ax.imshow(value, aspect="auto", interpolation="nearest", cmap=colours, vmin=-0.5, vmax=K - 0.5,
                  extent=(0, total, K - 0.5, -0.5))  # fmt: skip
        ax.spines[:].set_visible(False)
        ax.set_yticks([])
    axes[0].set_ylabel("label\nof each")


@styled
def r_hat_ladder(table):
    """Figure: R-hat of every quantity, one rung each for invariants, relabelled and raw parameters.

    Label switching alone lifts the raw rung and leaves the others; chains in different regions lift all of them.

    Args:
        table: `Diagnosis.table`.

    References: Vehtari et al. (2021), Bayesian Analysis 16:667-718, for R-hat and the bound of 1.01.
    """
    kinds = [kind for kind in ("raw", "relabelled", "invariant") if (table["kind"] == kind).any()]
    figure, axes = grid(1, 1, 0.9 + 0.45 * len(kinds))
    ax = axes[0, 0]
    ax.axvline(0.01, color=GREY, lw=1, ls="--")
    ax.annotate("1.01", (0.01, 1), xycoords=("data", "axes fraction"), ha="center", va="bottom", color=GREY)
    for y, kind in enumerate(kinds):
        excess = np.maximum(table["r_hat"][table["kind"] == kind].dropna().to_numpy() - 1.0, LEAST)
        jitter = np.linspace(-0.22, 0.22, len(excess)) if len(excess) > 1 else 0.0
        ax.plot(excess, y + jitter, ls="", marker="o", ms=5, alpha=0.65, color=colour(y), mec="none")
    ax.set_xscale("log")
    high = max(0.1, 2.0 * float(np.nanmax(table["r_hat"]) - 1.0))
    ax.set_xlim(0.7 * LEAST, high)
    at = [t for t in (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0) if t <= high]
    ax.set_xticks(at, [f"{1 + t:g}" for t in at])
    ax.minorticks_off()
    ax.set_yticks(range(len(kinds)), kinds)
    ax.set_ylim(-0.5, len(kinds) - 0.5)
    ax.set_xlabel("R-hat (logarithmic in its excess over 1)")
    return figure


@styled
def ranks(mcmc):
    """Figure: how each chain's ranks depart from uniform, raw (left) beside relabelled (right).

    For every chain, the share of its draws whose rank among the draws of all chains lies below p,
    minus p. Chains that sample one distribution stay inside the grey band (99 % for independent draws).

    References: Säilynoja, Bürkner & Vehtari (2022), Statistics and Computing 32:32.
    """
    chosen = quantities(mcmc.mixture, mcmc.data)
    chains, draws = mcmc.shape
    p = np.linspace(0, 1, 201)
    band = BAND * np.sqrt(max(chains - 1, 1) / (chains * draws))
    figure, axes = grid(len(chosen), 2, 1.45, sharex=True, sharey=True)
    top = 1.5 * band
    for row, (title, name, index) in enumerate(chosen):
        colours = field_colours(mcmc.mixture, name)
        for ax, fields in zip(axes[row], (mcmc.draws, mcmc.relabelled), strict=True):
            ax.fill_between(p, -band, band, color=PALE, alpha=0.6, lw=0)
            ax.axhline(0, color=GREY, lw=0.6)
            value = fields[name][(slice(None), slice(None), slice(None), *index)]
            for k in range(value.shape[2]):
                for line in rank_ecdf(value[:, :, k], p) - p:
                    ax.plot(p, line, lw=0.9, alpha=0.85, color=colours[k])
                    top = max(top, 1.1 * float(np.abs(line).max()))
        axes[row, 0].set_ylabel(_wrapped(title))
    for ax in axes.flat:
        ax.set_xlim(0, 1)
        ax.set_ylim(-top, top)
        ax.yaxis.set_major_locator(MaxNLocator(4, symmetric=True))
    for ax, title in zip(axes[0], ("raw", "relabelled"), strict=True):
        ax.set_title(title)
    for ax in axes[-1]:
        ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
        ax.set_xlabel("rank among all draws (as a share)")
    _component_legend(figure, mcmc)
    figure.align_ylabels()
    return figure


def rank_ecdf(value, p):
    """(chains, len(p)): the share of each chain's draws with pooled rank at most p; value (chain, draw)."""
    from scipy.stats import rankdata

    share = (rankdata(value) - 0.5).reshape(value.shape) / value.size
    return np.stack([np.searchsorted(np.sort(chain), p, side="right") / len(chain) for chain in share])


@styled
def occupancy(diagnosis):
    """Figure: the share of each chain's draws in each optimum of the census, as a labelled grid."""
    table = diagnosis.occupancy
    share = np.asarray(table, dtype=float)
    total = share.sum(axis=1, keepdims=True)
    share = share / np.where(total > 0, total, 1.0)
    figure, axes = grid(1, 1, 0.8 + 0.36 * len(share), width=min(7.2, 2.4 + 0.9 * share.shape[1]))
    ax = axes[0, 0]
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1.4, aspect="auto")
    for i, j in np.ndindex(share.shape):
        ax.text(j, i, f"{share[i, j] * 100:.0f} %", ha="center", va="center", fontsize=9.5)
    ax.set_xticks(range(share.shape[1]), [str(c) for c in table.columns])
    ax.set_yticks(range(len(share)), [str(i) for i in table.index])
    ax.set_xlabel("optimum of the census")
    ax.set_ylabel("chain")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return figure


def _wrapped(title):
    """`mean[eruptions]` over two lines, so that it fits beside a low panel."""
    name, bracket, rest = title.partition("[")
    rest = rest.replace(", ", ",\n")
    return f"{name}\n{bracket}{rest}" if bracket else name


def _component_legend(figure, fit):
    from matplotlib.lines import Line2D

    K = fit.mixture.components
    if 1 < K <= 12:
        handles = [Line2D([], [], color=c, lw=2) for c in component_colours(fit.mixture)]
        figure.legend(handles, [f"component {k}" for k in range(K)], loc="outside lower center", ncols=min(K, 4))

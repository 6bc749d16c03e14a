"""Figures of the chains: traces, ranks and which optimum each chain visited."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from bayesmix.report.style import GREY, INK, PALE, component_colours, field_colours, grid, quantities, styled

BAND = 1.63  # 99 % point of Kolmogorov's distribution


@styled
def traces(mcmc):
    """Figure: draws of a few named quantities, raw (left) beside relabelled (right), chain after chain.

    Colour is the component, so a switch of labels shows as colours changing places on the left.
    """
    chosen = quantities(mcmc.mixture, mcmc.data)
    chains, draws = mcmc.shape
    x = np.arange(chains * draws)
    figure, axes = grid(len(chosen) + 1, 2, 1.45, sharex=True, sharey="row")
    for row, (title, name, index) in enumerate(chosen):
        colours = field_colours(mcmc.mixture, name)
        for ax, fields in zip(axes[row], (mcmc.draws, mcmc.relabelled), strict=True):
            value = fields[name][(slice(None), slice(None), slice(None), *index)].reshape(len(x), -1)
            for k in range(value.shape[1]):
                ax.plot(x, value[:, k], lw=0.45, color=colours[k])
        axes[row, 0].set_ylabel(_wrapped(title))
    for ax in axes[-1]:
        ax.plot(x, mcmc.log_posteriors.ravel(), lw=0.45, color=GREY)
        ax.set_xlabel("chain" if chains > 1 else "draw")
        if chains > 1:
            ax.set_xticks((np.arange(chains) + 0.5) * draws, [str(c) for c in range(chains)])
            ax.tick_params(axis="x", length=0)
    axes[-1, 0].set_ylabel("log\nposterior")
    for ax in axes.flat:
        ax.yaxis.set_major_locator(MaxNLocator(4))
        ax.set_xlim(0, len(x))
        for c in range(1, chains):
            ax.axvline(c * draws, color=INK, lw=0.8, ls=":")
    axes[0, 0].set_title("raw")
    axes[0, 1].set_title("relabelled")
    _component_legend(figure, mcmc)
    figure.align_ylabels()
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

"""Figures of merged components."""

import numpy as np

from bayesmix.errors import InputError
from bayesmix.report.style import GREY, INK, PALE, colour, grid, styled


@styled
def entropy_merge(merged):
    """Figure: the entropy left after each merge, against the rows merged so far, and the elbow that was chosen.

    merged: what `bm.merge(fit, method="entropy")` gave.
    """
    if merged.method != "entropy":
        raise InputError(
            f"entropy_merge(merged): expected a merge by entropy, got one by {merged.method}; call "
            'bm.merge(fit, method="entropy").'
        )
    K, x, y = len(merged.map), merged.rows, merged.entropy
    figure, axes = grid(1, 1, 3.9)
    ax, at = axes[0, 0], K - merged.clusters
    ax.plot(x, y, "o-", color=INK, ms=5, lw=1.2, zorder=3)
    for left, right, shade in ((0, at + 1, colour(1)), (at, K, colour(0))):
        if right - left > 1:
            line = np.polynomial.Polynomial.fit(x[left:right], y[left:right], 1)
            ax.plot(x[left:right], line(x[left:right]), color=shade, lw=5, alpha=0.3, zorder=1)
    ax.plot(x[at], y[at], "o", ms=12, mfc="none", mec=colour(1), mew=1.8, zorder=4)
    for i, (rows, entropy) in enumerate(zip(x, y, strict=True)):
        ax.annotate(f"{K - i}", (rows, entropy), xytext=(7, 7), textcoords="offset points", color=GREY, fontsize=9.5)
    ax.set_xlabel("rows merged so far")
    ax.set_ylabel("entropy (nats)")
    ax.set_title(f"{K} components, {merged.clusters} cluster{'s' * (merged.clusters != 1)}", loc="left")
    ax.grid(axis="y", color=PALE, lw=0.5)
    ax.margins(x=0.06, y=0.12)
    return figure

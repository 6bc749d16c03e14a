"""Do empty, twin or collapsed components carry the result?"""

import numpy as np

from bayesmix.diagnostics.findings import Finding, check

CARRIES = 0.5  # share of the draws, or of the Laplace mass, from which degeneracy is the result itself
ROWS = 1.0  # expected rows below which a component is empty in a draw


@check
def degenerate(evidence):
    """The kind of the best optimum, and the share of draws with an empty component."""
    best = evidence.fit.optima[0] if evidence.fit.optima else None
    if not evidence.sampled:
        if best.kind in ("empty component", "twin components", "collapsed"):
            return Finding(
                "degenerate", "problem", f"The best optimum has kind '{best.kind}'.", "degenerate",
                advice="Fit fewer components, or give the weights a larger Dirichlet concentration or a MinWeight.",
            )  # fmt: skip
        return None
    fit, empty = evidence.fit, 0
    every = max(1, int(np.prod(fit.shape)) // 500)
    thetas = list(fit.thetas(relabelled=False))[::every]
    for theta in thetas:
        empty += evidence.problem.e_step(evidence.problem.inward(theta)).counts.min() < ROWS
    share = empty / len(thetas)
    if share >= CARRIES:
        return Finding(
            "degenerate", "problem",
            f"In {share:.0%} of the draws some component holds less than one expected row.", "degenerate",
            advice="Fit fewer components, or give the weights a larger Dirichlet concentration or a MinWeight.",
        )  # fmt: skip
    if share > 0.01:
        return Finding(
            "degenerate", "note", f"In {share:.1%} of the draws a component holds less than one expected row."
        )
    return None

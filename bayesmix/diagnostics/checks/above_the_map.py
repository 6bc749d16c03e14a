"""Did EM find the top?"""

import numpy as np

from bayesmix.diagnostics.findings import Finding, check

ROUNDING = 1e-9  # relative to the log posterior


@check
def above_the_map(evidence):
    """A draw above the MAP is a failure of EM, and so is a climb from a draw that ends above it."""
    fit, matching = evidence.fit, evidence.matching
    if not evidence.sampled or fit is None or not fit.optima:
        return None
    top = max((m.log_posterior for m in fit.optima if np.isfinite(m.log_posterior)), default=np.inf)
    room = ROUNDING * max(1.0, abs(top))
    over = float(fit.log_posterior - top)
    met = max((m.log_posterior for m in matching.optima[matching.known :]), default=-np.inf)
    advice = f"Run EM with more restarts: bm.fit_em(model, data, restarts={max(200, 5 * len(fit.runs))})."
    if over > room:
        return Finding(
            "above the MAP", "warning",
            f"A draw lies {over:.3g} above the best optimum that EM found, so EM missed the top.", "undecided",
            advice=advice,
        )  # fmt: skip
    if met - top > 1e-6 * (1 + abs(top) / 1000):
        return Finding(
            "above the MAP", "warning",
            f"EM from a draw climbs to an optimum {met - top:.3g} above the best one in the census, so EM missed the "
            "top.", "undecided", advice=advice,
        )  # fmt: skip
    return Finding("above the MAP", "good", f"No draw lies above the MAP; the best one is {-over:.2f} below it.")

"""Did EM find the top?"""

import numpy as np

from bayesmix.diagnostics.findings import Finding, check


@check
def above_the_map(evidence):
    """A draw above the MAP is a failure of EM."""
    fit = evidence.fit
    if not evidence.sampled or not fit.optima:
        return None
    top = max((m.log_posterior for m in fit.optima if np.isfinite(m.log_posterior)), default=np.inf)
    over = float(fit.log_posterior - top)
    if over <= 1e-6 * max(1.0, abs(top)) / 1000:
        return Finding("above the MAP", "good", f"No draw lies above the MAP; the best one is {-over:.2f} below it.")
    return Finding(
        "above the MAP", "warning",
        f"A draw lies {over:.3g} above the best optimum that EM found, so EM missed the top.", "undecided",
        advice="Run EM with more restarts: bm.fit_em(model, data, restarts=200).",
    )  # fmt: skip

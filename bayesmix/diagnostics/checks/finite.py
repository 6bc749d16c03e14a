"""Are all draws numbers?"""

import numpy as np

from bayesmix.diagnostics.findings import Finding, check


@check
def finite(evidence):
    """Quantities of which some draws are NaN or infinite: the other checks can say nothing of them."""
    if not evidence.sampled:
        return None
    every = {**evidence.invariants, **evidence.raw}
    lost = {name: float(np.mean(~np.isfinite(value))) for name, value in every.items()}
    lost = {name: share for name, share in lost.items() if share > 0}
    if not lost:
        return None
    worst = max(lost, key=lost.get)
    return Finding(
        "finite draws", "problem",
        f"{lost[worst]:.2%} of the draws of {worst} are not finite ({len(lost)} quantities have such draws): "
        "nothing can be said of them.", "undecided",
        advice="Find the cause (overflow, division by zero) and sample again: bm.fit_mcmc(model, data, start=em).",
    )  # fmt: skip

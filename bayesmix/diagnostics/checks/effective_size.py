"""Is the effective sample large enough?"""

import numpy as np

from bayesmix.diagnostics.convergence import FEW
from bayesmix.diagnostics.findings import Finding, check

LEAST_ESS = 400  # Vehtari et al. (2021), Bayesian Analysis 16:667-718: bulk ESS over all chains


@check
def effective_size(evidence):
    """The smallest bulk ESS of invariants and relabelled parameters."""
    if not evidence.sampled:
        return None
    table = evidence.table[evidence.table["kind"] != "raw"]
    if evidence.shape[1] >= FEW and evidence.relabelled and not any(np.ptp(v) for v in evidence.relabelled.values()):
        return Finding(
            "effective size", "warning", "No parameter has moved: all draws of each are one and the same.", "undecided",
            advice="See what the sampler did: its acceptance rate, and whether every parameter is fixed.",
        )  # fmt: skip
    if not table["ess_bulk"].notna().any():
        return Finding(
            "effective size", "warning", "There are too few draws to judge their effective number.", "undecided",
            advice="Draw more: bm.fit_mcmc(model, data, start=em, draws=1000).",
        )  # fmt: skip
    least, name = table["ess_bulk"].min(), table["ess_bulk"].idxmin()
    if least >= LEAST_ESS:
        return Finding(
            "effective size", "good", f"The smallest bulk effective sample size is {least:.0f}.", table=table
        )
    more = int(np.ceil(evidence.shape[1] * min(LEAST_ESS / least, 100) * 1.25 / 500) * 500)
    return Finding(
        "effective size", "warning",
        f"The smallest bulk effective sample size is {least:.0f} ({name}), below {LEAST_ESS}.", "undecided", table,
        advice=f"Draw more: bm.fit_mcmc(model, data, start=em, draws={more}).",
    )  # fmt: skip

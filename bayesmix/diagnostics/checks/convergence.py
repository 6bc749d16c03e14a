"""Do chains in one region agree about what no relabelling can change?"""

import numpy as np

from bayesmix.diagnostics.findings import Finding, check

MANY_MCSE = 5  # combined Monte Carlo standard errors


@check
def convergence(evidence):
    """Chain means of the invariants, within regions, against 5 combined MCSE."""
    if not evidence.sampled:
        return None
    where, worst = evidence.chain_regions, (0.0, "", 0, 0)
    for name, value in evidence.invariants.items():
        mean, mcse = value.mean(axis=1), evidence.chain_mcse(value)
        for a in range(len(mean)):
            for b in range(a):
                apart = np.hypot(mcse[a], mcse[b])
                if where[a] == where[b] and apart > 0:
                    worst = max(worst, (float(abs(mean[a] - mean[b]) / apart), name, b, a))
    distance, name, a, b = worst
    if distance > MANY_MCSE:
        return Finding(
            "convergence", "problem",
            f"Chains {a} and {b} differ by {distance:.1f} combined MCSE in the mean {name}, which no "
            "relabelling changes.",
            "not converged", evidence.table,
            advice="Run longer: double `tune` and `draws` in bm.fit_mcmc; if it persists, reconsider K or the priors.",
        )  # fmt: skip
    invariant = evidence.table[evidence.table["kind"] == "invariant"]
    return Finding(
        "convergence", "good",
        f"Chain means of all invariants agree within {distance:.1f} combined MCSE (largest R-hat "
        f"{invariant['r_hat'].max():.3f}).", table=invariant,
    )  # fmt: skip

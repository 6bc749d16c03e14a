"""Do chains in one region agree about what no relabelling can change?"""

import numpy as np

from bayesmix.diagnostics.convergence import FEW, R_HAT, chain_mcse, r_hat
from bayesmix.diagnostics.findings import Finding, check

MANY_MCSE = 5  # combined Monte Carlo standard errors (DESIGN section 9)
GOOD_R_HAT = 1.01  # Vehtari et al. (2021), Bayesian Analysis 16:667-718


@check
def convergence(evidence):
    """Chain means of the invariants, within regions, against 5 combined MCSE; and their R-hat.

    A chain that stays in no region is compared with all others.
    """
    if not evidence.sampled or evidence.shape[1] < FEW:
        return None  # "effective size" says that there are too few
    where, worst, largest = evidence.regions_of_chains, (0.0, "", 0, 0), (1.0, "")
    where = np.zeros(evidence.shape[0], dtype=int) if where is None else where
    for name, value in evidence.invariants.items():
        if not np.isfinite(value).all():  # `finite` has the word
            continue
        mean, mcse = value.mean(axis=1), chain_mcse(value)
        for a in range(len(mean)):
            for b in range(a):
                apart = np.hypot(mcse[a], mcse[b])
                if (where[a] == where[b] or min(where[a], where[b]) < 0) and apart > 0:
                    worst = max(worst, (float(abs(mean[a] - mean[b]) / apart), name, b, a))
        for region in np.unique(where[where >= 0]) if (where >= 0).any() else [-1]:
            own = (where == region) | (where < 0)
            largest = max(largest, (np.nan_to_num(r_hat(value[own]), nan=1.0, posinf=np.inf), name))
    distance, name, a, b = worst
    longer = f"Run longer: bm.fit_mcmc(model, data, start=em, draws={4 * evidence.shape[1]}, tune=2000)"
    advice = f"{longer}; if it persists, reconsider K or the priors."
    if distance > MANY_MCSE:
        return Finding(
            "convergence", "problem",
            f"Chains {a} and {b} differ by {distance:.1f} combined MCSE in the mean of the {name}, which no "
            "relabelling changes.", "not converged", evidence.table, advice,
        )  # fmt: skip
    invariant = evidence.table[evidence.table["kind"] == "invariant"]
    if evidence.shape[0] == 1:
        return Finding(
            "convergence", "warning", "There is a single chain, so nothing can show that it forgot where it began.",
            "undecided", invariant, "Run several: bm.fit_mcmc(model, data, start=em, chains=4).",
        )  # fmt: skip
    if largest[0] > R_HAT:
        return Finding(
            "convergence", "problem",
            f"R-hat of the {largest[1]}, which no relabelling changes, is {largest[0]:.2f}: the chains move too slowly "
            "to have forgotten where they began.", "not converged", invariant, advice,
        )  # fmt: skip
    return Finding(
        "convergence", "good" if largest[0] <= GOOD_R_HAT else "note",
        f"Chain means of all invariants agree within {distance:.1f} combined MCSE (largest R-hat {largest[0]:.3f}).",
        table=invariant,
    )  # fmt: skip

"""Are the components identified where the density is?"""

from bayesmix.diagnostics.checks.ambiguous import fewer
from bayesmix.diagnostics.convergence import R_HAT
from bayesmix.diagnostics.findings import Finding, check


@check
def identified(evidence):
    """R-hat of the relabelled parameters where the invariants agree: the density is known, its parts may not be."""
    if not evidence.sampled:
        return None
    largest = evidence.table.groupby("kind")["r_hat"].max()
    seats = evidence.regions_of_chains
    if (seats is not None and len(set(seats[seats >= 0].tolist())) > 1) or not largest.get("invariant", 1.0) <= R_HAT:
        return None
    if not largest.get("relabelled", 1.0) > R_HAT:
        return None
    own = evidence.table[evidence.table["kind"] == "relabelled"]
    return Finding(
        "identified", "warning",
        f"The invariants agree but the relabelled {own['r_hat'].idxmax()} does not (R-hat {own['r_hat'].max():.2f}): "
        "the density is known, its division into components is not.", "undecided", own,
        advice=f"Report label-invariant quantities only, or fit fewer components: {fewer(evidence)}.",
    )  # fmt: skip

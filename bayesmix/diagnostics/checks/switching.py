"""Do the draws use several labellings of one region?"""

import numpy as np

from bayesmix.diagnostics.findings import Finding, check

RARE = 0.01  # share of draws outside the most frequent permutation that is no switching yet


@check
def switching(evidence):
    """The permutations that relabelling applied, within and between chains."""
    if not evidence.sampled or evidence.problem.relabelings == 1:
        return None
    permutation = evidence.fit.permutation
    codes = np.unique(permutation.reshape(-1, permutation.shape[-1]), axis=0, return_inverse=True)[1]
    codes = codes.reshape(permutation.shape[:2])
    outside = 1 - np.bincount(codes.ravel()).max() / codes.size
    if outside <= RARE:
        return Finding("switching", "good", "The components kept their names in all chains.")
    within = sum(len(np.unique(c)) > 1 and (c != np.bincount(c).argmax()).mean() > RARE for c in codes)
    raw = evidence.table[evidence.table["kind"] == "raw"]["r_hat"].max()
    how = f"within {within} of {len(codes)} chains" if within else "between chains"
    return Finding(
        "switching", "note",
        f"The labels switch {how}: {outside:.0%} of the draws use another permutation than the most frequent one "
        f"(raw R-hat up to {raw:.2f}).", "label switching",
        advice="Read the relabelled or the label-invariant summaries; raw per-component averages mean nothing here.",
    )  # fmt: skip

"""Do the draws use several labellings of one region?"""

import numpy as np

from bayesmix.diagnostics.findings import Finding, check

RARE = 0.01  # share of draws outside the most frequent permutation that is no switching yet


@check
def switching(evidence):
    """The permutations that relabelling applied: how many, within and between chains, whatever raw R-hat says."""
    if not evidence.sampled or evidence.permutation is None or evidence.relabelings == 1:
        return None
    codes = permutation_codes(evidence.permutation)
    outside = 1 - np.bincount(codes.ravel()).max() / codes.size
    if evidence.matching is not None and len(np.unique(evidence.matching.home)) > 1:
        outside = float(evidence.matching.switched.mean())  # each draw beside those of its own optimum
    if outside <= RARE:
        return Finding("switching", "good", "The components kept their names in all chains.")
    table = rates(codes)
    within, usual = (table["other names"] > RARE).sum(), table["usual names"].nunique()
    how = f"within {within} of {len(codes)} chains" if within else ""
    if usual > 1:
        how += " and " * bool(how) + f"between chains ({usual} different labellings)"
    how = how or "between draws of one optimum"
    raw = evidence.table[evidence.table["kind"] == "raw"]["r_hat"].max()
    return Finding(
        "switching", "note",
        f"The labels switch {how}: {outside:.0%} of the draws use another permutation than the most frequent one "
        f"(raw R-hat up to {raw:.2f}, which says nothing about it).", "label switching", table,
        advice="Read relabelled or label-invariant summaries (fit.relabelled, fit.summary()); raw averages per "
        "component mean nothing here.",
    )  # fmt: skip


def permutation_codes(permutation):
    """(chain, draw) numbers of the different permutations (chain, draw, K)."""
    codes = np.unique(permutation.reshape(-1, permutation.shape[-1]), axis=0, return_inverse=True)[1]
    return codes.reshape(permutation.shape[:2])


def rates(codes):
    """One row per chain: its usual permutation, the share of draws with another, and how often it changes per draw."""
    import pandas as pd

    usual = [np.bincount(c).argmax() for c in codes]
    frame = pd.DataFrame(
        {
            "usual names": usual,
            "other names": [(c != u).mean() for c, u in zip(codes, usual, strict=True)],
            "permutations": [len(np.unique(c)) for c in codes],
            "changes per draw": [(np.diff(c) != 0).mean() if len(c) > 1 else 0.0 for c in codes],
        }
    )
    frame.index.name = "chain"
    return frame

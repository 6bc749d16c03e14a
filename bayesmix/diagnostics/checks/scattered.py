"""Are there as many optima as draws?"""

import numpy as np

from bayesmix.diagnostics.checks.ambiguous import fewer
from bayesmix.diagnostics.evidence import RARE
from bayesmix.diagnostics.findings import Finding, check

MOST = 0.5  # share of the climbs that end at optima which are rare one by one


@check
def scattered(evidence):
    """The share of climbs that end at optima of few draws each: no main optima, as when K is too large for the data.

    Masses and regions mean little there, because each optimum was met once or twice.
    """
    matching = evidence.matching
    if not evidence.sampled or matching is None or not (matching.home >= 0).any():
        return None
    times = np.bincount(matching.home[matching.home >= 0])
    rare = times < RARE * times.sum()
    share = times[rare].sum() / times.sum()
    if share < MOST:
        return None
    return Finding(
        "scattered", "warning",
        f"EM climbs from {times.sum()} draws to {np.count_nonzero(times)} different optima, and {share:.0%} of the "
        f"draws belong to optima that hold less than {RARE:.0%} of them each: more components than the rows can tell "
        "apart.", "undecided",
        advice=f"Report label-invariant quantities only, or fit fewer components: {fewer(evidence)}.",
    )  # fmt: skip

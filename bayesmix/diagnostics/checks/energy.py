"""Does NUTS move between energy levels fast enough?"""

import numpy as np

from bayesmix.diagnostics.findings import Finding, check

LOW = 0.3  # Betancourt (2016), arXiv:1604.00695, and Stan's diagnose


@check
def energy(evidence):
    """E-BFMI of each chain, sum (E_t - E_t-1)^2 / sum (E_t - mean E)^2."""
    value = evidence.sample_stats.get("energy")
    if value is None or value.ndim != 2 or value.shape[1] < 10:
        return None
    away = ((value - value.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    bfmi = (np.diff(value, axis=1) ** 2).sum(axis=1) / np.where(away > 0, away, np.nan)
    low = np.flatnonzero(bfmi < LOW)
    if not len(low):
        return None
    return Finding(
        "energy", "warning",
        f"E-BFMI is {np.nanmin(bfmi):.2f} (below {LOW}) in {len(low)} of {len(bfmi)} chains: the tails of the "
        "posterior, often a scale near zero or an empty component, are explored slowly.",
        advice="Tighten the priors of the scales, or fit fewer components.",
    )  # fmt: skip

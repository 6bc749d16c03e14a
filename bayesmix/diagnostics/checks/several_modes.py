"""Are there several separate optima, and did the chains share them?"""

import numpy as np

from bayesmix.diagnostics.findings import Finding, check

UNVISITED = 0.01  # share of the estimated mass from which an unvisited region counts


@check
def several_modes(evidence):
    """Chains in different regions, an unvisited region of real mass, or (EM alone) a second optimum of real mass."""
    fit, shares = evidence.fit, evidence.shares
    if not evidence.sampled:
        others = [m for m in range(1, len(shares)) if shares[m] >= UNVISITED]
        if not others:
            return None
        listed = ", ".join(f"{m} ({shares[m]:.0%})" for m in others)
        return Finding(
            "several modes", "warning",
            f"Besides the best optimum, which holds an estimated {shares[0]:.0%} of the posterior mass, there is real "
            f"mass at {listed}.", "several modes", fit.modes,
            advice="Report all of these optima, or run bm.fit_mcmc(model, data, start=em) to weigh them.",
        )  # fmt: skip
    optima, home = evidence.climbs
    regions, where = evidence.regions, evidence.chain_regions
    visited = {int(r) for r in regions[np.unique(home[home >= 0])]}
    if len(set(where.tolist())) > 1:
        seats = "; ".join(f"chain {c} in the region of optimum {r}" for c, r in enumerate(where))
        return Finding(
            "several modes", "problem",
            f"Chains stay in different regions of the posterior ({seats}); the share of chains is not "
            "the mass of a mode.",
            "several modes", evidence.occupancy,
            advice="Report each region by itself; its estimated mass is in the mode table. Do not average over chains.",
        )  # fmt: skip
    missed = {}
    for m, share in enumerate(shares):
        if int(regions[m]) not in visited and np.isfinite(share):
            missed[int(regions[m])] = missed.get(int(regions[m]), 0.0) + share
    heavy = {r: s for r, s in missed.items() if s >= UNVISITED}
    if heavy:
        listed = ", ".join(f"{r} ({s:.0%})" for r, s in heavy.items())
        return Finding(
            "several modes", "problem",
            f"No chain visited the region of optimum {listed} of the estimated posterior mass.", "several modes",
            evidence.occupancy, advice="Run more chains: bm.fit_mcmc(model, data, start=em, chains=8).",
        )  # fmt: skip
    reached = max(optima[i].log_posterior for i in np.unique(home[home >= 0]))
    higher = [
        m
        for m, mode in enumerate(optima)
        if int(regions[m]) not in visited and np.isfinite(mode.log_posterior) and mode.log_posterior > reached
    ]
    if higher:
        return Finding(
            "several modes", "note",
            f"Optimum {higher[0]} is higher than every optimum the chains visited but holds little mass "
            f"({shares[higher[0]]:.1%}).",
        )  # fmt: skip
    return Finding(
        "several modes", "good",
        f"All chains share one region of the posterior; {len(optima)} optim{'um is' if len(optima) == 1 else 'a are'} "
        "known.", table=evidence.occupancy,
    )  # fmt: skip

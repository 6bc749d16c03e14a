"""Did NUTS diverge?"""

from bayesmix.diagnostics.findings import Finding, check


@check
def divergences(evidence):
    """The number of divergent transitions, and the likely cause."""
    stats = evidence.fit.groups.get("sample_stats")
    if not evidence.sampled or stats is None or "diverging" not in stats:
        return None
    count, total = int(stats["diverging"].sum()), stats["diverging"].size
    if count == 0:
        return Finding("divergences", "good", "No transition diverged.")
    walls = [c.name for c in evidence.fit.mixture.constraints if c.enforce == "potential"]
    if walls:
        return Finding(
            "divergences", "note",
            f"{count} of {total} transitions are flagged as divergent; the hard potential {walls[0]} counts every "
            "trajectory that crosses its wall as one, so here they say nothing about the geometry.",
            advice='Write enforce="transform": the same posterior without the wall.',
        )  # fmt: skip
    return Finding(
        "divergences", "warning",
        f"{count} of {total} transitions diverged: regions of high curvature may be under-explored.",
        advice="Raise target_accept in bm.fit_mcmc to 0.99; if they persist, K may be too large or a scale prior "
        "too wide.",
    )  # fmt: skip

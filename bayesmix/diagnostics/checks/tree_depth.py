"""Did NUTS stop its trajectories at the greatest depth?"""

from bayesmix.diagnostics.findings import Finding, check

OFTEN = 0.01  # share of transitions; Stan's own warning starts at the first, which costs time but no correctness


@check
def tree_depth(evidence):
    """The share of transitions that were cut at the greatest tree depth."""
    stats = evidence.sample_stats
    cut = stats.get("maxdepth_reached", stats.get("reached_max_treedepth"))
    if cut is None or not cut.size or cut.mean() <= OFTEN:
        return None
    return Finding(
        "tree depth", "note",
        f"{cut.mean():.0%} of the trajectories were cut at the greatest tree depth: the posterior is long and narrow "
        "in some direction, so that draws are dear, but not wrong.",
        advice="Put the columns on comparable scales, or give the widest parameters tighter priors.",
    )  # fmt: skip

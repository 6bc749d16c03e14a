"""Is it clear which component is which?"""

from bayesmix.diagnostics.findings import Finding, check

AMBIGUOUS = 0.05  # share of draws whose relabelling may be uncertain
HARDLY = 0.005  # share below which nothing needs to be said


@check
def ambiguous(evidence):
    """The share of draws whose best permutation has probability below 0.9."""
    share = evidence.ambiguous
    if not evidence.sampled or share is None:
        return None
    if share <= HARDLY:
        return None
    if share <= AMBIGUOUS:
        return Finding(
            "ambiguous names", "note", f"In {share:.1%} of the draws it is uncertain which component is which."
        )
    how = f"In {share:.0%} of the draws it is" if share == share else "It cannot be said in how many draws it is"
    return Finding(
        "ambiguous names", "warning",
        f"{how} uncertain which component is which: per-component summaries depend on the relabelling, "
        "label-invariant ones do not.", "undecided",
        advice="Use label-invariant summaries (fit.log_density(), fit.co_clustering()), identify the components by an "
        f"informative prior, or fit fewer components: {fewer(evidence)}.",
    )  # fmt: skip


def fewer(evidence):
    """The command that fits fewer components."""
    if evidence.fit is None:
        return "a smaller K"
    return f"bm.select(model, data, components=range(1, {evidence.fit.mixture.components + 1}))"

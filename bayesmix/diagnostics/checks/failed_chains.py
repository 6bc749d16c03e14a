"""Did a chain fail?"""

from bayesmix.diagnostics.findings import Finding, check


@check
def failed_chains(evidence):
    """Every chain that was left out, with the parameter and the row at fault."""
    failed = [] if evidence.fit is None else evidence.fit.settings.get("failed_chains") or []
    if not evidence.sampled or not failed:
        return None
    said = "; ".join(f"Chain {f['chain']} failed: {f['reason']}" for f in failed)
    return Finding(
        "failed chains", "problem",
        f"{said}. The summaries rest on the {evidence.fit.shape[0]} remaining chain(s).",
        "undecided",
        advice="Mend the cause of the failed chain (its starting point, a prior that allows such values, or the data "
        "row) and sample again: bm.fit_mcmc(model, data, start=em).",
    )  # fmt: skip

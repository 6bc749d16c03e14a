"""Is the effective sample large enough, and are the labels matched without doubt?"""

from bayesmix.diagnostics.findings import Finding, check

LEAST_ESS = 400  # Vehtari et al. (2021), Bayesian Analysis 16:667-718: bulk ESS over all chains
AMBIGUOUS = 0.05  # share of draws whose relabelling may be uncertain


@check
def effective_size(evidence):
    """Bulk ESS of invariants and relabelled parameters, and the share of ambiguous relabellings."""
    if not evidence.sampled:
        return None
    table = evidence.table[evidence.table["kind"] != "raw"]
    least = table["ess_bulk"].min()
    if not evidence.ambiguous <= AMBIGUOUS:
        return Finding(
            "effective size", "warning",
            f"In {evidence.ambiguous:.0%} of the draws it is uncertain which component is which: per-component "
            "summaries depend on the relabelling; invariant ones do not.", "undecided", table,
            advice="Use label-invariant summaries (density, co-clustering), or identify the components by an Order.",
        )  # fmt: skip
    if least < LEAST_ESS:
        return Finding(
            "effective size", "warning",
            f"The smallest bulk effective sample size is {least:.0f} ({table['ess_bulk'].idxmin()}), below "
            f"{LEAST_ESS}.",
            "undecided", table,
            advice="Draw more: bm.fit_mcmc(model, data, start=em, draws=...) with a multiple of the present number.",
        )  # fmt: skip
    return Finding("effective size", "good", f"The smallest bulk effective sample size is {least:.0f}.", table=table)

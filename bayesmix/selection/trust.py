"""When a fit is no ground for choosing a model, as finished sentences; "" where there is no objection.

Every criterion here is label invariant, so that components which exchange names, or whose names are in doubt, are no
objection; chains that disagree about the density of the data are.
"""

import numpy as np

from bayesmix.diagnostics.checks.degenerate import ANY, KINDS

AGREE = 2  # restarts that must have reached the best optimum
OTHERS = (  # findings on names, single parameters, EM, components that are not needed, or the shares of regions
    "ambiguous names", "identified", "effective size", "above the MAP", "degenerate", "several modes",
)  # fmt: skip
CROSSED = 50  # moves between regions from which a share s is known to s (1 - s) (4 / 50)^(1/2), at most .07: m moves
# are m / 2 stays in each region, of relative variance 2 / m in total if stays have no memory, and s is their ratio
LEAST_ESS = 100  # of every invariant: m effective draws give a standard error that is itself known to (2 m)^(-1/2), 7 %


def em_fault(fit, diagnosis):
    """What is wrong with the best optimum of an EM fit, by itself and beside the chains."""
    best = fit.optima[0]
    if beaten(diagnosis):
        return beaten(diagnosis)
    if best.kind in KINDS:
        return (
            f"The best optimum has {KINDS[best.kind]}: there are fewer groups than components, and the count of free "
            "parameters is not that of a regular maximum."
        )
    if best.kind == "at a constraint":
        return "The maximum lies at a constraint, where counting free parameters is no penalty."
    return seldom(fit) or ("EM was interrupted." if fit.settings.get("partial") else "")


def beaten(diagnosis):
    """A sentence if draws lie above the best optimum, else ""."""
    return next((f.sentence for f in diagnosis.findings if f.name == "above the MAP" and f.verdict), "")


def idle(fit, diagnosis):
    """Whether the best optimum has empty or twin components, so that fewer reach its likelihood."""
    return fit.optima[0].kind in ("empty component", "twin components") and not beaten(diagnosis)


def seldom(fit):
    """A sentence if too few restarts agree on the best optimum."""
    best, total = fit.optima[0], len(fit.runs)
    if total > 1 and best.times_reached < AGREE:
        return f"Only {best.times_reached} of {total} restarts reached the best optimum; a better one may be unseen."
    return ""


def region_fault(diagnosis):
    """What the diagnosis says against the draws having come wherever the posterior has mass.

    A few hundred effective draws are enough here: the criteria carry their own Monte Carlo errors. Spare components
    and doubtful names are no objection to what no relabelling changes.
    """
    for f in diagnosis.findings:
        if f.verdict in ("several modes", "not converged"):
            return f.sentence
    for f in diagnosis.findings:
        if f.verdict == "undecided" and f.name not in OTHERS:
            return f.sentence
    table = diagnosis.table
    least = table.loc[table["kind"] == "invariant", "ess_bulk"].min()
    if np.isnan(least) or least < LEAST_ESS:
        return (
            f"The smallest effective sample size of the quantities that labels do not touch is {least:.0f}, "
            f"below {LEAST_ESS}."
        )
    return ""


def mcmc_fault(diagnosis):
    """What speaks against averages over the draws: `region_fault`, or regions that were crossed too seldom."""
    crossed = 0 if diagnosis.moves is None else int(diagnosis.moves.to_numpy().sum())
    seldom_crossed = (f.sentence for f in diagnosis.findings if f.name == "several modes" and f.verdict == "undecided")
    return region_fault(diagnosis) or ("" if crossed >= CROSSED else next(seldom_crossed, ""))


def spare(diagnosis):
    """Share of the draws in which some component is empty or a twin of another: below 5 %, zero."""
    for f in diagnosis.findings:
        if f.name == "degenerate":
            return 1.0 if f.table is None else float(f.table["share"].drop([ANY, "one row"], errors="ignore").max())
    return 0.0

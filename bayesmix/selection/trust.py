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
CROSSED = 50  # moves between regions from which their shares are known within a fifth: (2 / 50)^(1/2)
LEAST_ESS = 100  # of every invariant: below it a Monte Carlo error is itself a guess


def em_fault(fit, diagnosis):
    """What is wrong with the best optimum of an EM fit, by itself and beside the chains."""
    best = fit.optima[0]
    for f in diagnosis.findings:
        if f.name == "above the MAP" and f.verdict:
            return f.sentence
    if best.kind in KINDS:
        return (
            f"The best optimum has {KINDS[best.kind]}: there are fewer groups than components, and the count of free "
            "parameters is not that of a regular maximum."
        )
    if best.kind == "at a constraint":
        return "The maximum lies at a constraint, where counting free parameters is no penalty."
    return seldom(fit) or ("EM was interrupted." if fit.settings.get("partial") else "")


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

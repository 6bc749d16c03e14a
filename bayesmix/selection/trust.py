"""When a fit is no ground for choosing a model, as finished sentences; "" where there is no objection.

Every criterion here is label invariant, so that components which exchange names, or whose names are in doubt, are no
objection; chains that disagree about the density of the data are.
"""

import numpy as np

from bayesmix.diagnostics.checks.degenerate import KINDS

AGREE = 2  # restarts that must have reached the best optimum
OTHERS = ("ambiguous names", "identified", "effective size", "above the MAP")  # of names, single parameters, or EM
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


def mcmc_fault(diagnosis):
    """What the diagnosis of the chains says against label-invariant numbers made from them.

    A few hundred effective draws are enough here: the criteria carry their own Monte Carlo errors.
    """
    crossed = 0 if diagnosis.moves is None else int(diagnosis.moves.to_numpy().sum())
    for f in diagnosis.findings:
        if f.verdict in ("several modes", "not converged"):
            return f.sentence
    for f in diagnosis.findings:
        known_shares = f.name == "several modes" and crossed >= CROSSED
        if f.verdict == "undecided" and f.name not in OTHERS and not known_shares:
            return f.sentence
    table = diagnosis.table
    least = table.loc[table["kind"] == "invariant", "ess_bulk"].min()
    if np.isnan(least) or least < LEAST_ESS:
        return (
            f"The smallest effective sample size of the quantities that labels do not touch is {least:.0f}, "
            f"below {LEAST_ESS}."
        )
    return ""

"""How well do the restarts agree, and what did EM meet on the way?"""

import numpy as np

from bayesmix.diagnostics.findings import Finding, check
from bayesmix.em.stable import coverage


@check
def census(evidence):
    """How often the best optimum was reached; collapsed restarts; why there may be no maximum.

    A best optimum that restarts reach less often than they end in new ones is hardly the best of all: the next restart
    is more probably in an unseen optimum (s / n by Good 1953, Biometrika 40:237-264, see `em.stable`) than there again.
    """
    fit = evidence.fit
    if evidence.no_census:
        return Finding(
            "census", "warning", f"There is no census of optima to compare the chains with: {evidence.no_census}",
            "undecided", advice="Give the weights a bm.Dirichlet of at least 1 and every scale a proper prior, then "
            "bm.diagnose(fit, bm.fit_em(model, data)).",
        )  # fmt: skip
    if fit is None or not fit.optima or not fit.runs:
        return None
    best, total = fit.optima[0], len(fit.runs)
    lost = sum(m.times_reached for m in fit.optima if m.kind == "collapsed")
    sentence = f"{best.times_reached} of {total} EM restarts reached the best optimum"
    if lost:
        sentence += f"; {lost} collapsed onto a point where the density has no bound"
    seen = coverage(fit.optima, total)
    if (best.times_reached == 1 or best.times_reached < seen.singletons) and not _is_told(fit):
        if total == 1:
            sentence = "EM was started only once"
        elif best.times_reached > 1:
            sentence += f", and {seen.singletons} ended where no other did"
        return Finding(
            "census", "warning", sentence + ", so better optima may be unseen.",
            None if evidence.sampled else "undecided", fit.modes,
            advice=f"Run EM with more restarts: bm.fit_em(model, data, restarts={max(200, 5 * total)}).",
        )  # fmt: skip
    return Finding("census", "note" if lost else "good", sentence + ".", table=fit.modes)


def _is_told(fit):
    """Whether every row's component is known: EM then has nothing to search, and one climb says as much as many."""
    log_label = fit.mixture.log_label(fit.data)
    told = log_label is not None and (np.isfinite(log_label).sum(axis=1) == 1).all()
    return fit.mixture.components == 1 or bool(told)

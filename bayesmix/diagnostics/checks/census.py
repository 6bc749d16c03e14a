"""How well do the restarts agree, and what did EM meet on the way?"""

from bayesmix.diagnostics.findings import Finding, check


@check
def census(evidence):
    """How often the best optimum was reached; collapsed restarts; why there may be no maximum."""
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
    if best.times_reached == 1 and total > 1:
        return Finding(
            "census", "warning", sentence + ", so better ones may be unseen.",
            None if evidence.sampled else "undecided", fit.modes,
            advice=f"Run EM with more restarts: bm.fit_em(model, data, restarts={max(200, 5 * total)}).",
        )  # fmt: skip
    return Finding("census", "note" if lost else "good", sentence + ".", table=fit.modes)

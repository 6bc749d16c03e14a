"""Did NUTS diverge, and why?"""

import numpy as np

from bayesmix.diagnostics.findings import Finding, check

TELLS = 0.75  # area under the curve from which a quantity tells divergent draws from others
FEW = 10  # divergent draws below which no cause is named


@check
def divergences(evidence):
    """The number of divergent transitions, and the likely cause."""
    diverging = evidence.sample_stats.get("diverging")
    if not evidence.sampled or diverging is None or not diverging.size:
        return None
    diverging = diverging.astype(bool)
    count, total = int(diverging.sum()), diverging.size
    if count == 0:
        return Finding("divergences", "good", "No transition diverged.")
    constraints = () if evidence.fit is None else evidence.fit.mixture.constraints
    walls = [c.name for c in constraints if c.enforce == "potential"]
    if walls:
        return Finding(
            "divergences", "note",
            f"{count} of {total} transitions are flagged as divergent; the hard potential {walls[0]} counts every "
            "trajectory that crosses its wall as one, so here they say nothing about the geometry.",
            advice='Write enforce="transform": the same posterior without the wall.',
        )  # fmt: skip
    cause, advice = likely_cause(evidence, diverging)
    return Finding(
        "divergences", "warning",
        f"{count} of {total} transitions diverged: regions of high curvature may be under-explored{cause}.",
        advice=advice,
    )  # fmt: skip


def likely_cause(evidence, diverging):
    """(clause, advice): what divergent draws have in common."""
    general = "Raise the acceptance rate: bm.fit_mcmc(model, data, start=em, target_accept=0.99)."
    if evidence.fit is None or diverging.sum() < FEW or diverging.shape != evidence.shape:
        return "", general
    fields, causes = evidence.fit.draws, {}
    if not evidence.fit.mixture.is_constant("weight"):
        causes["weight"] = (
            fields["weight"].min(axis=2),
            "; they lie where a weight is small, as with more components than the data need",
            f"Fit fewer components (components={max(evidence.fit.mixture.components - 1, 1)}), or set a "
            "bm.MinWeight(...).",
        )
    for name, p in evidence.fit.mixture.family.parameters.items():
        if p.free and p.own in ("sd", "var", "scale"):
            smallest = fields[name].reshape(*evidence.shape, -1).min(axis=2)
            causes[name] = (
                smallest,
                f"; they lie where `{name}` is small, in a funnel",
                f"Give `{name}` a prior that keeps it away from zero, such as bm.InverseGamma(3, ...).",
            )
    tells = {n: area(-value[diverging], -value[~diverging]) for n, (value, _, _) in causes.items()}
    best = max(tells, key=tells.get, default=None)
    if best is None or tells[best] < TELLS:
        return "", general
    return causes[best][1:]


def area(a, b):
    """P(a > b) + P(a = b) / 2 for random members of the two samples (Mann & Whitney 1947)."""
    if not len(a) or not len(b):
        return 0.5
    b = np.sort(b)
    below, upto = np.searchsorted(b, a, "left"), np.searchsorted(b, a, "right")
    return float(((below + upto) / 2).mean() / len(b))

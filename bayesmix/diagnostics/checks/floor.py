"""Does the floor under the weights bind?"""

from dataclasses import replace

import numpy as np

from bayesmix.diagnostics.findings import Finding, check
from bayesmix.em import engine
from bayesmix.spec.constraints import MinWeight

CLOSE = 0.1  # of the floor: a smallest weight within it is near
OFTEN = 0.05  # share of draws near the floor from which it binds


@check
def floor(evidence):
    """The share of draws whose smallest weight is near the floor, and what EM says without it."""
    fit = evidence.fit
    if fit is None:
        return None
    floors = [c for c in fit.mixture.constraints if isinstance(c, MinWeight) and c.hard]
    if not floors or fit.mixture.is_constant("weight"):
        return None
    least = max(c.floor for c in floors)
    near = float((fit.draws["weight"].min(axis=-1) <= (1 + CLOSE) * least).mean())
    if near <= OFTEN:
        return None
    centred = evidence.problem.mixture
    kept = tuple(c for c in centred.constraints if not (isinstance(c, MinWeight) and c.hard))
    free = replace(evidence.problem, mixture=replace(centred, constraints=kept))
    run = engine.run(free, fit.best, max_iter=500, tol=1e-6)
    smallest = float(np.min(run.theta["weight"]))
    what = f"{near:.0%} of the draws lie" if evidence.sampled else "The best optimum lies"
    return Finding(
        "floor", "warning",
        f"{what} within {CLOSE:.0%} of the floor {least:g} under the weights: it, and not the data, sets the smallest "
        f"weight; without it EM puts {smallest:.3g} there.",
        advice=f"Lower the floor, as in bm.MinWeight({least / 4:.2g}), or fit fewer components.",
    )  # fmt: skip

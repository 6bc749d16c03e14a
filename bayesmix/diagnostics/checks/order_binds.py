"""Does an order, and not the data, hold two components apart?"""

from dataclasses import replace

import numpy as np

from bayesmix.diagnostics.findings import Finding, check
from bayesmix.diagnostics.matching import only_names
from bayesmix.em import engine

CLOSE = 0.25  # of the standard deviation of a gap between neighbours: a gap below it is near the boundary
OFTEN = 0.05  # share of draws near the boundary from which it binds: a normal gap cut within 1.4 sd of its centre


@check
def order_binds(evidence):
    """The share of draws near the boundary of an order, and what EM says without it.

    An order of exchangeable components only chooses among their names (`order` says whether it does so well); one of
    unlike or labelled components changes the posterior.
    """
    fit = evidence.fit
    if fit is None:
        return None
    orders = [c for c in fit.mixture.constraints if not c.symmetric and c.hard]
    shares = [near_boundary(evidence, c) for c in orders]
    if not shares or max(shares) <= OFTEN:
        return None
    worst = int(np.argmax(shares))
    order, centred = orders[worst], evidence.problem.mixture
    what = f"{shares[worst]:.0%} of the draws lie" if evidence.sampled else "The best optimum lies"
    sentence = f"{what} near the boundary of {order.name}, where two neighbours have one value"
    if only_names(fit.mixture, order, evidence.problem.blocks_of_components):
        return Finding(
            "order binds", "note", f"{sentence}; beyond it the same components have each other's names.",
            advice="Read relabelled summaries: without the order the draws are relabelled to the EM optimum.",
        )  # fmt: skip
    kept = tuple(c for c in centred.constraints if c.name != order.name)
    free = replace(evidence.problem, mixture=replace(centred, constraints=kept))
    run = engine.run(free, fit.best, max_iter=500, tol=1e-6)
    least = float(order.value(run.theta, np).min())
    if least >= 0:
        return Finding(
            "order binds", "note", f"{sentence}; without it EM leaves them {least:.3g} apart: the order trims a tail.",
        )  # fmt: skip
    return Finding(
        "order binds", "warning",
        f"{sentence}: it, and not the data, keeps them in order; without it EM turns them round, by {-least:.3g}.",
        advice=f"Drop {order.name}, or order a coordinate in which these components differ.",
    )  # fmt: skip


def near_boundary(evidence, order):
    """The share of draws in which the gap between some two neighbours is a small part of its standard deviation."""
    fit = evidence.fit
    if not evidence.sampled:
        scale = np.abs(order.coordinate(fit.best)).max()
        return float(order.value(fit.best, np).min(initial=np.inf) <= 1e-6 * max(scale, 1e-300))
    gaps = np.array([order.value(fit.theta(c, s, relabelled=False), np) for c, s in evidence.some])
    return float((gaps < CLOSE * gaps.std(axis=0)).any(axis=1).mean())

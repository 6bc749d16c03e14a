"""Does an order name the components, or cut through them?"""

import numpy as np

from bayesmix.diagnostics.findings import Finding, check
from bayesmix.diagnostics.matching import only_names

CUTS = 0.05  # share of draws that the order names against their optimum, from which it does not identify it
TOUCHES = 0.01  # share that is worth a word


@check
def order(evidence):
    """Whether EM without the order climbs from the draws to one labelling, and which coordinate would name them better.

    With exchangeable components the ordered posterior is the unconstrained one folded along the order. If the fold goes
    through an optimum, draws of that one optimum carry several labellings.
    """
    if not evidence.sampled or evidence.fit is None or evidence.matching is None:
        return None
    model, problem = evidence.fit.mixture, evidence.problem
    orders = [c for c in model.constraints if only_names(model, c, problem.blocks_of_components)]
    if not orders:
        return None
    constraint, share = orders[0], float(evidence.matching.switched.mean())
    field = called(evidence, constraint.field, getattr(constraint, "by", None))
    if share < TOUCHES:
        return None
    table = coordinates(evidence)
    best = table["named alike"].idxmax() if len(table) else None
    better = best is not None and best != field and table.loc[best, "named alike"] > 1 - CUTS
    if share < CUTS:
        return Finding(
            "order", "note",
            f"In {share:.1%} of the draws the order on {field} gives the components other names than the rest.",
            table=table,
        )  # fmt: skip
    advice = "Drop the order; the draws are then relabelled to the EM optimum."
    if better:
        name, _, by = best.partition("[")
        by = f', by="{by[:-1]}"' if by else ""
        advice = (
            f'Order another coordinate: bm.Order("{name}"{by}) names {table.loc[best, "named alike"]:.1%} of the draws '
            "alike. Or drop the order."
        )
    return Finding(
        "order", "warning",
        f"The order on {field} cuts through an optimum: {share:.0%} of its draws carry other names than the rest, so "
        f"means per component mix different components.", "label switching", table, advice,
    )  # fmt: skip


def called(evidence, field, by):
    """A coordinate as it is written in tables."""
    p, names = evidence.fit.mixture.parameters[field], evidence.fit.data.names
    if by is None or isinstance(by, tuple) or len(p.features(len(names))) == 1:
        return field if not isinstance(by, tuple) else f"{field}{list(by)}"
    return f"{field}[{names[p.features(len(names))[by]]}]"


def coordinates(evidence):
    """One row per coordinate that could be ordered: the share of draws that it would name alike."""
    import pandas as pd

    fit, matching, out = evidence.fit, evidence.matching, {}
    if not (matching.home >= 0).any():
        return pd.DataFrame({"named alike": {}})
    common = np.bincount(matching.home[matching.home >= 0]).argmax()
    at = np.argwhere(matching.home == common)
    thetas = [
        fit.mixture.permute(fit.theta(c, matching.at[j], relabelled=False), matching.permutation[c, j]) for c, j in at
    ]
    for name, p in fit.mixture.parameters.items():
        if fit.mixture.is_constant(name) or (p.covers(fit.mixture.components).size != fit.mixture.components):
            continue
        value = np.stack([t[name] for t in thetas])
        if value.shape[1] != fit.mixture.components:
            continue
        if value.ndim == 4:
            value = np.einsum("skii->ski", value) if value.shape[2] == value.shape[3] else value[..., 0]
        value = value.reshape(*value.shape[:2], -1)
        for j in range(value.shape[2]):
            sorted_as = np.argsort(value[..., j], axis=1, kind="stable")
            codes = np.unique(sorted_as, axis=0, return_inverse=True)[1].ravel()
            label = called(evidence, name, j) if value.shape[2] > 1 else name
            out[label] = np.bincount(codes).max() / len(codes)
    frame = pd.DataFrame({"named alike": out}, dtype=float).sort_values("named alike", ascending=False, kind="stable")
    frame.index.name = "coordinate"
    return frame

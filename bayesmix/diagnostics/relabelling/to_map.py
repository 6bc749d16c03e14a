"""Relabelling to the EM optima: as many rows as possible keep the component they have at the optimum of the draw."""

import numpy as np

from bayesmix.diagnostics.relabelling.assignment import assign, cost_of
from bayesmix.diagnostics.relabelling.register import assigned, method


@method("map", needs=("probabilities", "references"))
def to_map(material):
    """Agree with the responsibilities r* at the nearest optimum: C[k, l] = -sum_i r*_ik p_il, the expected matches.

    The optima get their names from the best of them, the MAP, by the same cost. The nearest one to a draw has the
    least squared distance of the responsibilities, sum_ik (r*_ik - p_i,pi(k))^2, under its best permutation; to
    name a draw in one optimum after another would leave the names to chance.

    References: Papastamoulis & Iliopoulos (2010), JCGS 19:313-331, section 3, with soft allocations; the MAP as
    pivot: Marin, Mengersen & Robert (2005), Handbook of Statistics 25:459-507, section 5.
    """
    top, least, cost = material.references[0], np.full(material.T, np.inf), None
    for r in material.references:
        named = r[:, assign(-(top.T @ r)[None], material.blocks)[0]]
        own = -material.probabilities.against(named)
        distance = (named**2).sum() + 2 * cost_of(own, assign(own, material.blocks))
        nearer = distance < least
        least = np.where(nearer, distance, least)
        cost = own if cost is None else np.where(nearer[:, None, None], own, cost)
    return assigned(material, cost)

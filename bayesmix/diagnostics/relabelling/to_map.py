"""Relabelling to the EM optima: as many rows as possible keep the component they have at the optimum of the draw."""

import numpy as np

from bayesmix.diagnostics.relabelling.assignment import assign, cost_of
from bayesmix.diagnostics.relabelling.membership import product
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
    top, blocks = material.references[0], material.blocks
    optima = [r[:, assign(-(top.T @ r)[None], blocks)[0]] for r in material.references]
    cost = np.empty((material.T, material.K, material.K))
    for part, m in material.probabilities.blocks():
        least = np.full(len(m), np.inf)
        for r in optima:
            own = -product(m, r)
            distance = (r**2).sum() + 2 * cost_of(own, assign(own, blocks))
            nearer = distance < least
            least[nearer], cost[part][nearer] = distance[nearer], own[nearer]
    return assigned(material, cost)

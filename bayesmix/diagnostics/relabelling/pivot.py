"""The pivotal reordering algorithm (PRA): parameters as close as possible to those of one draw."""

import numpy as np

from bayesmix.diagnostics.relabelling.register import assigned, method


@method("pivot", needs=("parameters", "log_posterior"))
def pivot(material):
    """Nearest in parameters to the draw theta* of highest log posterior: C[k, l] = -sum_j theta_lj theta*_kj.

    The sum of squares is the same for all permutations, so this is the least squared distance, in the units
    of the parameters.

    References: Marin, Mengersen & Robert (2005), Handbook of Statistics 25:459-507, section 5.
    """
    theta = np.nan_to_num(material.parameters)
    return assigned(material, -np.einsum("kj,tlj->tkl", theta[material.pivot], theta))

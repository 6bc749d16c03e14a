"""Relabelling to the MAP: as many rows as possible keep the component they have at the best EM optimum."""

from bayesmix.diagnostics.relabelling.register import assigned, method


@method("map", needs=("probabilities", "reference"))
def to_map(material):
    """Agree with the responsibilities r* at the MAP: C[k, l] = -sum_i r*_ik p_il, the expected number of matches.

    References: Papastamoulis & Iliopoulos (2010), JCGS 19:313-331, section 3, with soft allocations; the MAP as
    pivot: Marin, Mengersen & Robert (2005), Handbook of Statistics 25:459-507, section 5.
    """
    return assigned(material, -material.probabilities.against(material.reference))

"""Equivalence classes representatives: as many rows as possible keep the component of a pivot draw."""

from bayesmix.diagnostics.relabelling.register import assigned, method


@method("ecr", needs=("allocations", "log_posterior"))
def ecr(material):
    """Agree with the allocations z* of the draw of highest log posterior: C[k, l] = -#{i: z_i = l, z*_i = k}.

    References: Papastamoulis & Iliopoulos (2010), JCGS 19:313-331, section 3.
    """
    return assigned(material, -material.groups.against(material.groups.at(material.pivot)))

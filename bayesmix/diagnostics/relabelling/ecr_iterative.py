"""Iterative ECR: the pivot is made from all relabelled draws, and made again until the matches stop growing."""

import numpy as np

from bayesmix.diagnostics.relabelling.alternation import alternate
from bayesmix.diagnostics.relabelling.register import method


@method("ecr-iterative", "ecr-iterative-1", needs=("allocations",))
def by_allocations(material):
    """The pivot z*_i is the most frequent relabelled allocation of row i; C[k, l] = -#{i: z_i = l, z*_i = k}.

    References: Papastamoulis (2016), Journal of Statistical Software 69(1), section 2.2 (ECR-ITERATIVE-1).
    """
    return alternate(material, lambda some: _parts(some, some.groups))


@method("ecr-iterative-2", needs=("allocations", "probabilities"))
def by_probabilities(material):
    """The pivot z*_i is argmax_k of the mean relabelled probability of row i; C[k, l] = -#{i: z_i = l, z*_i = k}.

    References: Papastamoulis (2014), Computational Statistics and Data Analysis 72:117-129 (ECR-ITERATIVE-2).
    """
    return alternate(material, lambda some: _parts(some, some.probabilities))


def _parts(material, source):
    """Draws agree by their allocations; the pivot comes from `source`."""

    def costs(permutation):
        pivot = source.mean(permutation).argmax(axis=1)
        return -material.groups.against(np.eye(material.K, dtype=np.float32)[pivot])  # as exact as the counts

    return material.groups, costs

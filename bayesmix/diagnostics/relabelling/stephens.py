"""Stephens' algorithm: allocation probabilities as close as possible to their mean."""

import numpy as np

from bayesmix.diagnostics.relabelling.alternation import alternate
from bayesmix.diagnostics.relabelling.register import method

TINY = 1e-300  # probabilities below count as this one under the logarithm


@method("stephens", needs=("probabilities",))
def stephens(material):
    """Least Kullback-Leibler divergence: q_ik the mean relabelled p_ik, C[k, l] = sum_i p_il (log p_il - log q_ik).

    The total falls in every round.

    References: Stephens (2000), JRSS B 62:795-809, Algorithm 2.
    """
    return alternate(material, _parts)


def _parts(material):
    p = material.probabilities
    entropy = np.empty(p.shape[:2])  # sum_i p_il log p_il
    for part, m in p.blocks():
        entropy[part] = np.einsum("tli,tli->tl", m, np.log(np.maximum(m, TINY)))

    def costs(permutation):
        q = np.maximum(p.mean(permutation), TINY)
        return entropy[:, None, :] - p.against(np.log(q))

    return p, costs

"""Whole Gibbs sweeps, compiled, for Gaussian components under conjugate priors.

At a few hundred rows a sweep costs microseconds and Python's own work a hundred times that. The chains are those of
`gibbs_steps.sweep`, equal to rounding, and tested so. Wherever a step needs care (a component too narrow for
moments about the centre, weights that redrawing does not bring above their floor, a scatter that rounding has
left singular) the kernel hands that step to Python and goes on after it.
"""

import numpy as np
from numba import njit

from bayesmix.em.fused import size_of_scratch, up2, up4
from bayesmix.mcmc.gibbs_gaussian import DIAGONAL, copy, draw_diagonal, draw_full, draw_weight, natural
from bayesmix.mcmc.gibbs_marginal import marginal_step
from bayesmix.mcmc.gibbs_rows import draw_rows

DONE, SWEEP, WEIGHT, FAMILY = range(4)  # what Python has to do: nothing, the sweep, weights and family, the family


@njit(cache=True, nogil=True, error_model="numpy")
def sweeps(kind, x, label, law, proposal, rng, first, last, weight, mean, scale, P, log_det, stats, kept, accepted):
    """Sweeps first, first + 1, ..., last - 1, theta in place: (the sweep that stopped, what is left of it).

    kept: the weights, means and scales after each sweep, each flat, (sweeps, size). accepted (sweeps,): whether
    the marginal step moved, where the proposal is one.
    """
    K, F = len(mean), len(law.largest)
    wide, moves = up4(F), len(proposal.centre) > 0
    W, scratch, new = np.zeros(up2(K) * wide), np.empty(size_of_scratch(K, F)), np.empty(K)
    for at in range(first, last):
        if not natural(kind, law, weight, mean, scale, P, log_det, W, wide):
            return at, SWEEP
        stats[:] = 0.0
        here = draw_rows(kind, x, W, K, F, F, label, rng, scratch, stats, moves)
        if moves:
            accepted[at] = marginal_step(
                kind, x, label, law, proposal, rng, here, weight, mean, scale, P, log_det, stats, W, scratch
            )
        if law.weight_free:
            if not draw_weight(law, stats, wide, new, rng):
                return at, WEIGHT
            copy(new, weight)
        if kind == DIAGONAL:
            draw_diagonal(law, stats, wide, mean, scale, rng)
        elif not draw_full(law, stats, wide, mean, scale, P, log_det, rng):
            return at, FAMILY
        copy(weight, kept[0][at])
        copy(mean.ravel(), kept[1][at])
        copy(scale.ravel(), kept[2][at])
    return last, DONE

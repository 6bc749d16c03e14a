"""What the iterative methods share: assign, make the target anew from all relabelled draws, assign again."""

from dataclasses import replace

import numpy as np

from bayesmix.diagnostics.relabelling.register import assigned

ROUNDS = 200  # more than any case has needed
PIVOTS = 4  # draws, besides the best one, near which an iterative method tries to begin
TRIAL = 500  # draws on which the beginnings are compared, and more
CELLS = 1_000_000  # as long as draws x components x rows are at most as many


def climb(material, permutation, costs):
    """The Solution of repeating permutation <- assignment under costs(permutation) while the total cost falls."""
    here = assigned(material, costs(permutation))
    for _ in range(ROUNDS):
        fresh = assigned(material, costs(here.permutation))
        if not fresh.objective < here.objective - 1e-12 * max(1.0, abs(here.objective)):
            break
        here = replace(fresh, trace=(*here.trace, fresh.objective))
    return here


def alternate(material, parts):
    """The best `climb` of several beginnings, which are compared on 500 evenly spaced draws, or on all of a small case.

    It begins where the draws agree best with the draw of highest log posterior, with each of four evenly
    spaced draws, and at the names as drawn; one that leads at once to a solution already known, up to a
    renaming of all components, is left.

    Args:
        parts: a function of the material: the `Membership` by which draws agree, and `costs` of permutations.
    """
    draws = [material.pivot, *np.linspace(0, material.T - 1, PIVOTS).astype(int).tolist()]
    membership, costs = parts(material)
    targets = [*(membership.at(draw) for draw in dict.fromkeys(draws)), None]
    trial = material.thinned(max(TRIAL, CELLS // (membership.shape[1] * membership.shape[2])))
    trial_membership, trial_costs = (membership, costs) if trial is material else parts(trial)
    best = None
    for target in targets:
        start = _start(trial, trial_membership, target)
        if best is not None and renamed(start, best.permutation):
            continue
        here = climb(trial, start, trial_costs)
        if best is None or here.objective < best.objective:
            best = here
    if trial is material:
        return best
    return climb(material, material.near(membership, trial_membership.mean(best.permutation)), costs)


def _start(material, membership, target):
    return np.tile(np.arange(material.K), (material.T, 1)) if target is None else material.near(membership, target)


def renamed(first, second):
    """Whether two relabellings (T, K) differ by one renaming of all components only."""
    renaming = np.take_along_axis(np.argsort(second, axis=1), first, axis=1)
    return bool((renaming == renaming[0]).all())

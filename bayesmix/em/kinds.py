"""What sort of optimum a theta is, by name: empty components, twins, active constraints."""

import numpy as np

from bayesmix.em.polish import EMPTY, few, on_bound

ALIKE = 0.01  # range of r_ij / (r_ij + r_ik) over the rows below which j and k are not told apart
ON_BOUND = 1e-6  # share of the width of a Uniform prior that is still its bound
TWIN = 1e-4  # relative difference of parameters below which two components are twins


def kind_of(problem, theta, counts):
    """What sort of optimum this is, by name."""
    model = problem.mixture
    for c in model.constraints:
        slack = c.value(theta, np)
        scale = c.floor if c.field == "weight" and hasattr(c, "floor") else np.abs(c.coordinate(theta)).max()
        if c.hard and len(slack) and slack.min() <= 1e-6 * max(scale, 1e-300):
            return "at a constraint"
    if counts.min() < few(counts):
        return "empty component"
    free = [(p, theta[name]) for name, p in model.family.parameters.items() if p.free and not p.support.event_ndim]
    if any(on_bound(p, value, ON_BOUND).any() for p, value in free):
        return "at a constraint"
    return "twin components" if max(map(len, twins(problem, theta))) > 1 else "interior"


def twins(problem, theta):
    """The components in groups that share all their parameters (weights aside), as lists."""
    model = problem.mixture
    groups = []
    for k in range(model.components):
        for group in groups:
            if model.apart(theta, group[0], k) <= TWIN:
                group.append(k)
                break
        else:
            groups.append([k])
    return groups


def indistinct(problem, theta):
    """Whether two components divide every row in one proportion, within a hundredth."""
    r = problem.responsibilities(theta)[0]
    for j in range(r.shape[1]):
        for k in range(j):
            both = r[:, j] + r[:, k]
            seen = both > EMPTY
            if seen.any() and np.ptp(r[seen, j] / both[seen]) < ALIKE:
                return True
    return False


def exchangeable_twins(problem, theta):
    """Groups of components that are alike in everything, weight included, and may be exchanged."""
    w, groups = theta["weight"], []
    for group in twins(problem, theta):
        for block in problem.blocks_of_components:
            left = [k for k in group if k in block]
            while left:
                alike = [k for k in left if abs(w[k] - w[left[0]]) <= TWIN * w.max()]
                groups.append(alike)
                left = [k for k in left if k not in alike]
    return groups

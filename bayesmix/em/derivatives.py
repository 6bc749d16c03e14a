"""First and second derivatives of the log posterior in unconstrained coordinates, at the price of a few E-steps.

Both use the complete data. The gradient is that of Q(.; r) (Fisher's identity). The Hessian is that of Q
plus the covariance of the complete-data scores a_ik over the unknown allocation (Louis' identity),

    H = H_Q + sum_i weight_i [ sum_k r_ik a_ik a_ik' - (sum_k r_ik a_ik)(sum_k r_ik a_ik)' ].

Only functions of one component's parameters are differenced, all components at once (`layout.py`);
everything that concerns the weights is exact.

References: Louis (1982), JRSS B 44:226-233, eq. (3.1); McLachlan & Krishnan (2008), The EM Algorithm
and Extensions, section 4.2.
"""

import numpy as np

from bayesmix.em import plain
from bayesmix.em.engine import NOTHING
from bayesmix.em.layout import Layout
from bayesmix.em.tiles import Batch
from bayesmix.spec.matrices import square, upper

CELLS = 500_000  # products of features and of responsibilities held at a time
ROWS = 2048  # rows whose scores are held at a time
FIRST = 6e-6  # steps of first and second central differences, in units of each coordinate
SECOND = 3e-4
LARGE = 1e4  # terms of a log density up to which rounding leaves the scores seven digits


def steps_of(size, at, layout):
    """The steps of all groups, (groups, coordinates): each moves its own positions only."""
    out = np.zeros((len(layout.groups), len(at)))
    for j, group in enumerate(layout.groups):
        out[j, group] = size * np.maximum(1.0, np.abs(at[group]))
    return out


def first(parts, at, layout):
    """Gradient of sum_k parts_k at `at` by central differences; parts: (M, size) -> (M, K)."""
    if not layout.groups:
        return np.zeros(len(at))
    steps, g = steps_of(FIRST, at, layout), np.empty(len(at))
    both = parts(np.concatenate([at + steps, at - steps]))
    rise = both[: len(steps)] - both[len(steps) :]
    for j, group in enumerate(layout.groups):
        g[group] = (rise[j] if len(group) > 1 else rise[j].sum()) / (2 * steps[j, group])
    return g


def second(parts, at, layout):
    """Hessian of sum_k parts_k at `at`, by second differences of two evaluations per pair of groups."""
    groups, G = layout.groups, len(layout.groups)
    if not groups:
        return np.zeros((len(at), len(at)))
    steps = steps_of(SECOND, at, layout)
    i, j = np.tril_indices(G, -1)
    pairs = steps[i] + steps[j]
    value = parts(np.concatenate([at[None], at + steps, at - steps, at + pairs, at - pairs]))
    middle, ahead, behind = value[0], value[1 : G + 1], value[G + 1 : 2 * G + 1]
    both = value[2 * G + 1 : 2 * G + 1 + len(i)] + value[2 * G + 1 + len(i) :]
    curl = 0.5 * (both - ahead[i] - behind[i] - ahead[j] - behind[j] + 2 * middle)
    hessian = np.zeros((len(at), len(at)))
    for a in range(G):
        _put(hessian, steps, groups, a, a, ahead[a] - 2 * middle + behind[a])
    for pair, (a, b) in enumerate(zip(i, j, strict=True)):
        _put(hessian, steps, groups, a, b, curl[pair])
    return hessian


def _put(hessian, steps, groups, a, b, value):
    """The K second differences of a pair of groups, divided by the steps and put in their places."""
    if len(groups[a]) == len(groups[b]) == 1:
        value = value.sum(keepdims=True)
    ia, ib = np.broadcast_arrays(groups[a], groups[b])
    hessian[ia, ib] = hessian[ib, ia] = value / (steps[a, ia] * steps[b, ib])


def score_covariance(problem, theta, batch, at, layout, active):
    """sum_i weight_i Cov_k(a_ik), (h + size, h + size), the weights' coordinates first.

    active: the components with positive weight, whose log ratios to the last one are the h coordinates.
    """
    model = problem.mixture
    head = 0 if model.is_constant("weight") else len(active) - 1
    total = np.zeros((head + layout.size, head + layout.size))
    w = theta["weight"][active][:head]
    own = [head + layout.read(k) for k in range(model.components)]
    steps = steps_of(FIRST, at, layout)
    moved = np.concatenate([at + steps, at - steps])
    linear = by_features(problem, batch, at, steps)
    if linear is not None:
        slopes = np.zeros((model.components, len(total), linear.shape[2]))
        for k in active:
            slopes[k, :head, 0] = (np.array(active[:head]) == k) - w  # the first feature is 1
            slopes[k, own[k]] = linear[:, k] / (2 * steps[np.arange(len(steps)), layout.read(k)])[:, None]
        return pairwise(problem, theta, slopes, active)
    for start in range(0, len(problem.x), ROWS):
        rows = slice(start, min(start + ROWS, len(problem.x)))
        label = None if problem.log_label is None else problem.log_label[rows]
        joint = model.log_joint(problem.x[rows], theta, label)
        r = np.exp(joint - joint.max(axis=1, keepdims=True))
        r /= r.sum(axis=1, keepdims=True)
        weight = np.ones(len(r)) if problem.weight is None else problem.weight[rows]
        if not layout.groups:
            slopes = np.empty((0, len(r), model.components))
        else:
            log_f = batch.log_f(problem.x[rows], moved)
            slopes = log_f[: len(steps)] - log_f[len(steps) :]  # (groups, rows, K)
        mean = np.zeros((len(r), len(total)))
        for k in active:
            column = np.concatenate([np.arange(head), own[k]])
            a = np.empty((len(r), len(column)))
            a[:, :head] = (np.array(active[:head]) == k) - w
            a[:, head:] = slopes[:, :, k].T / (2 * steps[np.arange(len(steps)), layout.read(k)])
            a[r[:, k] <= NOTHING] = 0.0  # an excluded component has no say, whatever its density
            total[np.ix_(column, column)] += a.T @ ((weight * r[:, k])[:, None] * a)
            mean[:, column] += r[:, k, None] * a
        total -= mean.T @ (weight[:, None] * mean)
    return total


def pairwise(problem, theta, slopes, active):
    """sum_i weight_i Cov_k(a_ik) for scores that are linear in the features, a_ik = A_k phi_i; slopes: A, (K, p, F).

    A covariance is a sum over pairs, where nothing cancels and of which one pass keeps F x F numbers each:

        sum_(k<l) (A_k - A_l) N_kl (A_k - A_l)',   N_kl = sum_i weight_i r_ik r_il phi_i phi_i'.
    """
    model, n = problem.mixture, len(problem.x)
    W = model.family.natural(np, **model.own(theta))
    W[:, 0] += problem.log_weight(theta)
    used = np.flatnonzero((slopes != 0).any(axis=(0, 1)))
    (f, g), (k, l) = upper(len(used)), np.triu_indices(len(active), 1)
    moments = np.zeros((len(k), len(f)))
    size = int(min(max(CELLS / (len(f) + len(k)), 64), ROWS))
    with plain.one_blas_thread():
        for start in range(0, n if len(k) else 0, size):
            rows = slice(start, min(start + size, n))
            phi = plain.features(problem, rows)
            r = W @ phi
            if problem.log_label is not None:
                r += np.maximum(problem.log_label[rows].T, -1e30)
            r = r[active]
            plain.soften_in_place(r, 1.0)
            phi, pairs = phi[used], r[k] * r[l]
            if problem.weight is not None:
                pairs *= problem.weight[rows]
            moments += pairs @ (phi[f] * phi[g]).T
    total, at = np.zeros((slopes.shape[1],) * 2), square(len(used))
    for pair, one in enumerate(moments):
        apart = slopes[active[k[pair]]][:, used] - slopes[active[l[pair]]][:, used]
        total += apart @ one[at] @ apart.T
    return total


def by_features(problem, batch, at, steps):
    """W(at + step) - W(at - step), (groups, K, F), if its products with the features are as good as differences of
    `logpdf` and there are rows enough for them to be faster; else None.
    """
    if not problem.exponential or len(problem.x) <= ROWS or not len(steps):
        return None
    if not (np.abs(batch.natural(at[None])[0]) @ problem.largest).max() < LARGE:
        return None
    W = batch.natural(np.concatenate([at + steps, at - steps]))
    return W[: len(steps)] - W[len(steps) :]


def structure(problem, here, own, units, at):
    """The layout and the batch of this family if they say the truth about it, else ones that assume nothing.

    The gradient that they give is compared with a plain difference along one direction.
    """
    layout = Layout.of(problem.mixture, own)
    plain = Layout.unknown(layout.size)
    careful = Batch.of(problem, own, units, at, divided=False)
    if len(layout.groups) == layout.size:
        return layout, careful
    batch = Batch.of(problem, own, units, at, divided=True)
    direction = np.cos(1.0 + np.arange(layout.size))  # any direction that no symmetry singles out
    total = careful.parts(at + FIRST * np.stack([direction, -direction]), here.stats).sum(axis=1)
    g = first(lambda v: batch.parts(v, here.stats), at, layout)
    error = 1e-4 * (np.abs(g * direction).sum() + 1.0) + 1e-9 * abs(total[0])
    if abs(g @ direction - (total[0] - total[1]) / (2 * FIRST)) <= error:
        return layout, batch
    return plain, careful

"""A Metropolis step on the posterior with z summed out, compiled: what a Gibbs sweep crosses in a hundred steps.

Where groups overlap, z and theta hold each other fast and Gibbs moves by small steps. Once a sweep a whole theta is
proposed from one multivariate t distribution q, fixed before the chain begins (`proposal.py`), and accepted with
probability

    min(1, p(theta* | x) q(theta) / (p(theta | x) q(theta*))),

densities in unconstrained coordinates v = (log w_k / w_K, means, log variances or packed Cholesky factors with their
diagonal in logs). It leaves p(theta | x) invariant, z is drawn given the theta that won, and so the sweep is still
exact, whatever q. Labels: both densities are those of the canonical labelling, in which the means of exchangeable
components stand in one order; the posterior is the same in all labellings, so the step is made there and
the state keeps the labels that it has. Both z and the log likelihood come of one pass over the rows.

References: Tierney (1994), Annals of Statistics 22:1701-1762, section 2.3.3 (independence chains); Liu (2001), Monte
Carlo Strategies in Scientific Computing, section 6.3.2 (steps with part of the state integrated out).
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from bayesmix.em.fused import size_of_scratch, up2, up4
from bayesmix.em.vector import part
from bayesmix.mcmc.gibbs_gaussian import (
    CONJUGATE,
    FIXED,
    FULL,
    NORMAL,
    copy,
    factor,
    inverse_transposed,
    natural,
    square,
)
from bayesmix.mcmc.gibbs_rows import draw_rows


class Proposal(NamedTuple):
    """The t distribution that thetas are proposed from; of no dimension where there is no marginal step."""

    centre: np.ndarray  # (p,)
    factor: np.ndarray  # (p, p) lower
    df: float
    slots: np.ndarray  # (K,) labels: exchangeable ones side by side, in the order of their canonical means
    group: np.ndarray  # (K,) of each slot: which exchangeable ones
    feature: int  # whose means are ordered


NO_PROPOSAL = Proposal(np.empty(0), np.empty((0, 0)), 1.0, np.empty(0, np.int64), np.empty(0, np.int64), 0)


@part
def owners(proposal, mean, home):
    """home[k] = the label that the canonical component k has in this theta."""
    slots, group = proposal.slots, proposal.group
    K = len(slots)
    own = slots.copy()
    for i in range(1, K):
        j, k = i, own[i]
        while j > 0 and group[j - 1] == group[i] and mean[own[j - 1], proposal.feature] > mean[k, proposal.feature]:
            own[j] = own[j - 1]
            j -= 1
        own[j] = k
    for i in range(K):
        home[slots[i]] = own[i]


@part
def coordinates(kind, law, weight, mean, scale, home, v):
    """Writes v of a theta, whose canonical component k has the label home[k]."""
    (K, d), i, nothing = mean.shape, 0, np.zeros(mean.shape[1])
    if law.weight_free:
        for k in range(K - 1):
            v[i] = np.log(weight[home[k]] / weight[home[K - 1]])
            i += 1
    if law.mean_kind != FIXED:
        for k in range(K):
            for j in range(d):
                v[i] = mean[home[k], j]
                i += 1
    if law.scale_free:
        G, own = np.empty((d, d)), len(scale) == K
        for c in range(len(scale)):
            value = scale[home[c]] if own else scale[c]
            if kind == FULL:
                factor(value, G, nothing)
                for a in range(d):
                    for b in range(a + 1):
                        v[i] = np.log(G[a, a]) if a == b else G[a, b]
                        i += 1
            else:
                for j in range(scale.shape[1]):
                    v[i] = np.log(value[j, 0])
                    i += 1


@part
def place(kind, law, v, home, weight, mean, scale, P, log_det):
    """Writes the theta of v, its canonical component k under the label home[k]."""
    (K, d), i = mean.shape, 0
    if law.weight_free:
        top, total = 0.0, 0.0
        for k in range(K - 1):
            top = max(top, v[k])
        for k in range(K):
            weight[home[k]] = np.exp((v[k] if k < K - 1 else 0.0) - top)
            total += weight[home[k]]
        for k in range(K):
            weight[k] /= total
        i = K - 1
    if law.mean_kind != FIXED:
        for k in range(K):
            for j in range(d):
                mean[home[k], j] = v[i]
                i += 1
    if law.scale_free:
        G, inv, own = np.zeros((d, d)), np.zeros((d, d)), len(scale) == K
        for c in range(len(scale)):
            at = home[c] if own else c
            if kind == FULL:
                log_det[at] = 0.0
                for a in range(d):
                    for b in range(a + 1):
                        if a == b:
                            log_det[at] += 2.0 * v[i]
                        G[a, b] = np.exp(v[i]) if a == b else v[i]
                        i += 1
                square(G, scale[at])
                inverse_transposed(G, inv)
                square(inv, P[at])
            else:
                for j in range(scale.shape[1]):
                    scale[at, j, 0] = np.exp(v[i])
                    i += 1


@part
def canonical(proposal, mean, home):
    """Whether the exchangeable components stand in their canonical order."""
    for i in range(1, len(home)):
        a, b = home[proposal.slots[i - 1]], home[proposal.slots[i]]
        if proposal.group[i - 1] == proposal.group[i] and mean[a, proposal.feature] > mean[b, proposal.feature]:
            return False
    return True


@part
def log_prior(kind, law, weight, mean, scale, P, log_det):
    """log p(theta) + log |d theta / d v|, up to a constant."""
    (K, d), out = mean.shape, 0.0
    if law.weight_free:
        for k in range(K):
            out += law.weight[k] * np.log(weight[k])  # a_k - 1, and 1 of the Jacobian
    for k in range(K):
        at = k % len(scale)
        if law.mean_kind == NORMAL:
            for j in range(d):
                out += (law.s[k, j] - 0.5 * law.t[k, j] * mean[k, j]) * mean[k, j]
        elif law.mean_kind == CONJUGATE and kind == FULL:
            quadratic = 0.0
            for i in range(d):
                for j in range(d):
                    quadratic += (mean[k, i] - law.s[k, i]) * P[at, i, j] * (mean[k, j] - law.s[k, j])
            out -= 0.5 * (law.t[k, 0] * quadratic + log_det[at])
        elif law.mean_kind == CONJUGATE:
            for j in range(d):
                s = scale[at, j % scale.shape[1], 0]
                s = s * s if law.square else s
                out -= 0.5 * (law.t[k, j] * (mean[k, j] - law.s[k, j]) ** 2 / s + np.log(s))
    if law.scale_free and kind == FULL:
        G, no = np.empty((d, d)), np.zeros(d)
        for c in range(len(scale)):
            out -= 0.5 * (law.a[c, 0, 0] + d + 1) * log_det[c]
            for i in range(d):
                for j in range(d):
                    out -= 0.5 * law.b[c, i, j] * P[c, j, i]
            factor(scale[c], G, no)
            for i in range(d):
                out += (d + 1 - i) * np.log(G[i, i])
    elif law.scale_free:
        for c in range(scale.shape[0]):
            for j in range(scale.shape[1]):
                out -= law.a[c, j, 0] * np.log(scale[c, j, 0]) + law.b[c, j, 0] / scale[c, j, 0]
    return out


@part
def log_q(proposal, v):
    """log q(v), up to a constant."""
    p, quadratic = len(v), 0.0
    z = np.empty(p)
    for i in range(p):
        z[i] = v[i] - proposal.centre[i]
        for j in range(i):
            z[i] -= proposal.factor[i, j] * z[j]
        z[i] /= proposal.factor[i, i]
        quadratic += z[i] * z[i]
    return -0.5 * (proposal.df + p) * np.log1p(quadratic / proposal.df)


@part
def draw_q(proposal, rng, v):
    """Writes a draw of q."""
    p = len(v)
    z = np.empty(p)
    for i in range(p):
        z[i] = rng.standard_normal()
    stretch = np.sqrt(0.5 * proposal.df / rng.standard_gamma(0.5 * proposal.df))
    for i in range(p):
        v[i] = proposal.centre[i]
        for j in range(i + 1):
            v[i] += stretch * proposal.factor[i, j] * z[j]


@part
def density(kind, x, label, law, proposal, v, home, rng, weight, mean, scale, P, log_det, stats, W, scratch):
    """log p(theta, x) + log |d theta / d v| at v, up to a constant; writes theta and statistics of a z drawn given it.

    -inf outside the constraints and the canonical order, and where rounding could be felt: there the step does not go.
    """
    K, F = len(mean), len(law.largest)
    place(kind, law, v, home, weight, mean, scale, P, log_det)
    if not canonical(proposal, mean, home) or weight.min() < law.floor:
        return -np.inf
    if not natural(kind, law, weight, mean, scale, P, log_det, W, up4(F)):
        return -np.inf
    stats[:] = 0.0
    measure = len(v) > 0  # always: but for a constant numba would compile the pass once more
    rows = draw_rows(kind, x, W, K, F, F, label, rng, scratch, stats, measure)
    return rows + log_prior(kind, law, weight, mean, scale, P, log_det)


@part
def marginal_step(kind, x, label, law, proposal, rng, rows, weight, mean, scale, P, log_det, stats, W, scratch):
    """Whether the step moved; theta and the statistics of its z in place.

    rows: the log likelihood of this theta, z summed out.
    """
    home, p = np.empty(len(mean), np.int64), len(proposal.centre)
    here, there = np.empty(p), np.empty(p)
    owners(proposal, mean, home)
    coordinates(kind, law, weight, mean, scale, home, here)
    draw_q(proposal, rng, there)
    new = weight.copy(), mean.copy(), scale.copy(), P.copy(), log_det.copy(), stats.copy()
    gain = density(kind, x, label, law, proposal, there, home, rng, *new, W, scratch) - log_q(proposal, there)
    gain -= rows + log_prior(kind, law, weight, mean, scale, P, log_det) - log_q(proposal, here)
    if not np.log(rng.random()) < gain:
        return False
    copy(new[0], weight)
    copy(new[1].ravel(), mean.ravel())
    copy(new[2].ravel(), scale.ravel())
    copy(new[3].ravel(), P.ravel())
    copy(new[4], log_det)
    copy(new[5], stats)
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def weigh(kind, x, label, law, proposal, rng, weight, mean, scale, P, log_det, v, log_p, log_of_q):
    """Writes draws v (draws, p) of the proposal with their densities; theta gives what is not free."""
    K, F = len(mean), len(law.largest)
    home = np.arange(K)
    W, scratch = np.zeros(up2(K) * up4(F)), np.empty(size_of_scratch(K, F))
    own = weight.copy(), mean.copy(), scale.copy(), P.copy(), log_det.copy(), np.empty(up2(K) * up4(F))
    for s in range(len(v)):
        draw_q(proposal, rng, v[s])
        log_of_q[s] = log_q(proposal, v[s])
        log_p[s] = density(kind, x, label, law, proposal, v[s], home, rng, *own, W, scratch)


@njit(cache=True, error_model="numpy")
def read(kind, law, proposal, kept, mean, scale, v):
    """Writes the coordinates v (draws, p) of kept draws, the canonical labelling of each."""
    home = np.empty(len(mean), np.int64)
    for s in range(len(v)):
        m, c = kept[1][s].reshape(mean.shape), kept[2][s].reshape(scale.shape)
        owners(proposal, m, home)
        coordinates(kind, law, kept[0][s], m, c, home, v[s])

"""How surely each draw's components can be told apart from one another: the probability of its best permutation.

A Gaussian is fitted to the relabelled draws in unconstrained coordinates. Under it, the permutation s of a draw u
has probability N(s u; m, S) / sum_t N(t u; m, S), the sum over all permutations within the exchangeable blocks (the
identity and all exchanges of two components where there are more than MOST). Rows are not counted as if each were
independent evidence, as costs in nats would. `bm.relabel`, which also serves draws without a specification, has one
Gaussian per component instead (`relabelling.certainty`).

References: Stephens (2000), JRSS B 62:795-809, section 3, for labels as a decision under uncertainty.
"""

from itertools import permutations, product

import numpy as np

from bayesmix.spec.special import logsumexp

MOST = 720  # permutations that are all tried
DRAWS = 500  # draws that are looked at
ENOUGH = 4  # draws per coordinate from which correlations are estimated
DOUBT = 0.9  # probability of the best permutation below which a draw is ambiguous


def ambiguous_share(mixture, thetas, blocks):
    """Share of the draws (thetas, relabelled) that are ambiguous; 0 where nothing may be relabelled, else maybe NaN."""
    names = permutations_within(blocks, mixture.components)
    if len(names) == 1:
        return 0.0
    if len(thetas) < 2:
        return float("nan")
    with np.errstate(all="ignore"):
        u = coordinates(mixture, thetas, names)
    own = u[:, 0]
    if not np.isfinite(own).all():
        return float("nan")
    moved = np.ptp(own, axis=0) > 0
    u, own = u[..., moved], own[:, moved]
    unit = own.std(axis=0, ddof=1)
    correlation = np.eye(len(unit))
    if len(own) >= ENOUGH * len(unit):
        correlation = np.cov((own / unit).T) + 1e-10 * correlation  # fields may be collinear, to rounding
    factor = np.linalg.cholesky(np.atleast_2d(correlation))
    away = np.moveaxis((u - own.mean(axis=0)) / unit, -1, 0).reshape(len(unit), -1)
    z = np.linalg.solve(factor, away)
    log_p = -0.5 * (z**2).sum(axis=0).reshape(u.shape[:2])
    best = np.exp(log_p.max(axis=1) - logsumexp(log_p, axis=1))
    return float((best < DOUBT).mean())


def coordinates(mixture, thetas, names):
    """(draws, permutations, coordinates) of every draw under every permutation.

    The coordinates of a permuted theta are permuted coordinates, component by component, so each draw is transformed
    once: the logarithms of the weights, then each field's own.
    """
    parts = []
    for name in (n for n in mixture.parameters if not mixture.is_constant(n)):
        p = mixture.parameters[name]
        value = np.stack([t[name] for t in thetas])  # (draws, K or 1, ...)
        if name == "weight":
            value = np.log(value)
            own = (value - value.mean(axis=1, keepdims=True))[..., None]
        else:
            own = p.support.to_real(value).reshape(*value.shape[:2], -1)
        at = p.covers(mixture.components)
        if own.shape[1] < len(at):  # shared by all components
            shown = np.repeat(own[:, None], len(names), axis=1)
        else:
            shown = own[:, np.array([perm[at] - at[0] for perm in names])]
        if name == "weight":
            shown = shown[:, :, 1:]  # their logarithms sum to zero
        parts.append(shown.reshape(len(thetas), len(names), -1))
    return np.concatenate(parts, axis=2)


def permutations_within(blocks, K):
    """Permutations within the blocks, the identity first: all of them, or all exchanges of two where there are many."""
    count = np.prod([float(np.prod(np.arange(1.0, len(b) + 1))) for b in blocks])
    out = []
    if count <= MOST:
        for parts in product(*(permutations(b) for b in blocks)):
            perm = np.arange(K)
            for block, part in zip(blocks, parts, strict=True):
                perm[list(block)] = part
            out.append(perm)
        return out
    out.append(np.arange(K))
    for block in blocks:
        for i, a in enumerate(block):
            for b in block[:i]:
                swap = np.arange(K)
                swap[[a, b]] = b, a
                out.append(swap)
    return out

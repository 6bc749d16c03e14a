"""Linear assignment of components, for many draws at once, within exchangeable blocks.

References:
    Kuhn (1955), Naval Research Logistics Quarterly 2:83-97 (the assignment problem).
    Floyd (1962), Communications of the ACM 5:345 (shortest paths, here for the second-best assignment).
"""

from itertools import permutations

import numpy as np

SMALL = 4  # block size up to which all permutations are tried; beyond, the Hungarian method is faster
CELLS = 2**16  # numbers that fit into the fastest cache


def assign(cost, blocks):
    """The permutations (T, K) that make sum_k cost[t, k, permutation[t, k]] smallest within the blocks.

    Args:
        cost: (T, K, K), of calling the old component l by the new name k, at [t, k, l].
        blocks: tuples of components that may exchange names; the others keep theirs.
    """
    T, K, _ = cost.shape
    permutation = np.tile(np.arange(K), (T, 1))
    for block in (np.array(b) for b in blocks if len(b) > 1):
        whole = len(block) == K
        permutation[:, block] = block[cheapest(cost if whole else cost[:, block[:, None], block])]
    return permutation


def cheapest(cost):
    """The cheapest assignment (T, m) of each (m, m) matrix.

    Where the smallest entries of the rows lie in different columns they are the answer.
    """
    m = cost.shape[1]
    choice = cost.argmin(axis=2)
    contested = np.flatnonzero((np.sort(choice, axis=1) != np.arange(m)).any(axis=1))
    if m <= SMALL and len(contested):
        every = np.array(list(permutations(range(m))))
        totals = cost[contested][:, np.arange(m), every].sum(axis=2)
        choice[contested] = every[totals.argmin(axis=1)]
    elif len(contested):
        from scipy.optimize import linear_sum_assignment  # half a second that not every import needs

        for t in contested:
            choice[t] = linear_sum_assignment(cost[t])[1]
    return choice


def cost_of(cost, permutation):
    """sum_k cost[t, k, permutation[t, k]], (T,)."""
    return np.take_along_axis(cost, permutation[:, :, None], axis=2)[:, :, 0].sum(axis=1)


def gaps(cost, permutation, blocks):
    """How much dearer than the cheapest assignment the second-cheapest within the blocks is, (T,); exact.

    The two differ by one cycle of components, each of which takes the partner of the next. With edges
    j -> k of length C[j, pi(k)] - C[j, pi(j)] the gap is therefore the length of the shortest cycle, and
    no cycle is negative because pi is cheapest. Infinite where nothing may be exchanged.
    """
    out = np.full(len(cost), np.inf)
    for block in (np.array(b) for b in blocks if len(b) > 1):
        some = max(16, CELLS // len(block) ** 2)
        for first in range(0, len(cost), some):
            part = slice(first, first + some)
            own = cost[part][:, block]
            moved = np.take_along_axis(own, permutation[part][:, None, block], axis=2)
            out[part] = np.minimum(out[part], shortest_cycle(moved.transpose(1, 2, 0).copy()))
    return out


def shortest_cycle(length):
    """The shortest cycle (T,) of graphs whose edge j -> k costs length[j, k] - length[j, j]; (m, m, T), overwritten."""
    at = np.arange(len(length))
    length -= length[at, at][:, None, :]
    length[at, at] = np.inf
    for via in at:
        np.minimum(length, length[:, via, None] + length[via], out=length)
    return np.maximum(length[at, at].min(axis=0), 0.0)  # rounding

"""How probable the permutation of each draw is, given all the others: the one meaning of an ambiguous draw.

`bm.relabel` asks it of its own permutations; `bm.diagnose` of those that a fit was relabelled by, optimum by optimum
where the chains were in several. Rows are not counted as if each were independent evidence, as costs in nats would.

References: Stephens (2000), JRSS B 62:795-809, section 3, for labels as a decision under uncertainty.
"""

import numpy as np

SURE = 0.9  # probability of its permutation below which a draw is ambiguous (DESIGN section 9)
EXACT = 10  # block size up to which all permutations are summed; beyond, the identity and the swaps of two
RIDGE = 1e-10  # of a column's variance: keeps copies of a column, and columns that never vary, harmless
MANY = 10  # draws per coordinate from which a full covariance is fitted; with fewer, its diagonal
AT_ONCE = 4096  # draws
LARGEST = 50.0  # log odds beyond which a permutation is hopeless; more would overflow


def certainty(parameters, permutation, blocks):
    """The probability (T,) of each draw's permutation among all within the blocks.

    Under independent Gaussians N(m_k, S_k) fitted to the relabelled parameters of each component, with all
    permutations equally probable beforehand: prod_k N(theta_pi(k); m_k, S_k) over its sum over all permutations.
    A parameter whose draws are all positive enters by its logarithm. In a block of more than 10 components the
    sum runs over pi and its swaps of two, so the probability is then an upper bound.

    Args:
        parameters: (T, K, p), NaN where a component has no such parameter.
    """
    out = np.ones(len(parameters))
    relabelled = np.take_along_axis(parameters, permutation[:, :, None], axis=1)
    for block in (list(b) for b in blocks if len(b) > 1):
        theta = coordinates(relabelled[:, block])
        odds, total = np.exp(np.minimum(log_odds(theta), LARGEST)), permanent if len(block) <= EXACT else swaps
        for first in range(0, len(out), AT_ONCE):
            part = slice(first, first + AT_ONCE)
            out[part] /= total(odds[..., part])
    return out


def coordinates(theta):
    """theta (T, m, p) in standardised coordinates, logarithms of what is positive, without constant columns."""
    theta = theta[:, :, np.isfinite(theta).all(axis=(0, 1))]
    positive = (theta > 0).all(axis=(0, 1))
    theta = np.where(positive, np.log(np.where(positive, theta, 1.0)), theta)
    sd = theta.std(axis=(0, 1))
    varies = sd > 1e-12 * np.abs(theta).max(axis=(0, 1), initial=0.0)
    return (theta - theta.mean(axis=(0, 1)))[:, :, varies] / sd[varies]


def log_odds(theta):
    """log N(theta_l; m_k, S_k) - log N(theta_k; m_k, S_k) at [k, l], (m, m, T)."""
    T, m, p = theta.shape
    out = np.zeros((m, m, T))
    for k in range(m) if p else ():
        cov = np.atleast_2d(np.cov(theta[:, k].T)) if T > 1 else np.eye(p)
        cov = cov if MANY * p <= T else np.diag(np.diag(cov))
        root = np.linalg.cholesky(cov + RIDGE * np.eye(p))
        white = np.linalg.solve(root, (theta - theta[:, k].mean(axis=0)).reshape(-1, p).T)
        out[k] = -0.5 * (white**2).sum(axis=0).reshape(T, m).T
        out[k] -= out[k, k].copy()
    return out


def permanent(odds):
    """sum over permutations of prod_k odds[k, pi(k)], (T,), for odds (m, m, T).

    Over subsets S of columns used by the first |S| rows: f(S) = sum_{l in S} f(S - l) odds[|S| - 1, l].
    """
    m, T = len(odds), odds.shape[2]
    f = np.ones((2**m, T))
    for used in range(1, 2**m):
        row = used.bit_count() - 1
        f[used] = sum(f[used ^ (1 << c)] * odds[row, c] for c in range(m) if used >> c & 1)
    return f[-1]


def swaps(odds):
    """1 + sum_{k<l} odds[k, l] odds[l, k], (T,): the identity and all swaps of two."""
    both = np.einsum("klt,lkt->t", odds, odds) - len(odds)  # each swap twice; the diagonal is one
    return 1.0 + both / 2

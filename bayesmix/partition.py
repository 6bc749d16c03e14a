"""One partition to stand for a posterior over partitions: the minimiser of an expected loss.

With n_c the size of cluster c, m_k the number of rows in component k of a draw z, and N_ck = #{i: c_i = c, z_i = k},
both losses of a partition c are

    loss(c) = E[ sum_c f(n_c) + sum_k f(m_k) - 2 sum_ck f(N_ck) ],

with f(m) = m (m - 1) / 2 for Binder's loss, the number of pairs of rows that c and z treat differently, and
f(m) = m log(m) / n for the variation of information, in nats. The search is a greedy one in the manner of SALSO:
from several starts, single rows move and clusters merge until no such step lowers the expected loss.

References: Binder (1978), Biometrika 65:31-38; Meila (2007), J. Multivariate Analysis 98:873-895; Wade & Ghahramani
(2018), Bayesian Analysis 13:559-626; Dahl, Johnson & Mueller (2022), J. Comp. Graph. Statistics 31:1189-1201.
"""

from dataclasses import dataclass

import numpy as np

LOSSES = ("vi", "binder")
SWEEPS = 100  # rounds through all rows after which a climb is left where it is
SEQUENTIAL = 6  # starts that allocate the rows one by one in random order
CANDIDATES = 20  # draws that are looked at as starts
REFINED = 3  # of all given starts, the best so many are improved
ROUNDING = 1e-12  # a step must lower the loss by more than this, relative to its largest value


@dataclass(frozen=True, eq=False, repr=False)
class Partition:
    """A point estimate of the clustering of the rows.

    labels: (n,) the cluster of each row, numbered in the order of their first rows.
    loss: "vi" or "binder". expected_loss: its posterior expectation, which `labels` minimise.
    losses: (T,) the loss between `labels` and each of the posterior draws `allocations` (T, n).
    seed: of these draws.
    """

    labels: np.ndarray
    loss: str
    expected_loss: float
    losses: np.ndarray
    allocations: np.ndarray
    seed: int

    @property
    def clusters(self):
        """Number of clusters."""
        return int(self.labels.max()) + 1

    def ball(self, level=0.95):
        """(radius, labels of the farthest draw inside) of the smallest ball that holds `level` of the draws.

        References: Wade & Ghahramani (2018), section 4: the credible ball and its horizontal bound.
        """
        order = np.argsort(self.losses, kind="stable")
        last = order[max(0, int(np.ceil(level * len(order) - 1e-9)) - 1)]
        return float(self.losses[last]), renumbered(self.allocations[last])

    def __repr__(self):
        return f"Partition({self.clusters} clusters of {len(self.labels)} rows, {self.loss} {self.expected_loss:.4g})"


def estimate(z, loss, rng, share=None, pairs=None, starts=()):
    """(labels, expected loss): the partition of least expected loss that the search finds.

    Args:
        z: (T, n) allocations 0..K-1.
        loss: "vi" or "binder".
        rng: a Generator, for the order of the rows.
        share: (T,) probabilities of the allocations; None for equal ones.
        pairs: (n, n) co-clustering probabilities. Binder's expected loss is then computed from them, exactly.
        starts: (n,) label arrays to begin from, beside those made here.
    """
    n, K = z.shape[1], int(z.max()) + 1
    most = min(n, max(2 * K, K + 10))
    if loss == "binder" and pairs is not None:
        objective = Pairs(pairs, most)
    else:
        objective = Counts(z, loss, most, share)
    starts = [*starts, np.zeros(n, dtype=int), *z[np.linspace(0, len(z) - 1, min(CANDIDATES, len(z))).astype(int)]]
    starts += cuts(pairs, most) if pairs is not None else []
    starts = list({labels.tobytes(): labels for labels in (renumbered(s) for s in starts)}.values())
    starts = [s for s in starts if s.max() < most]
    values = [objective.load(s) for s in starts]
    best, least = None, np.inf
    for start in [starts[i] for i in np.argsort(values, kind="stable")[:REFINED]] + [None] * SEQUENTIAL:
        objective.load(np.full(n, -1) if start is None else start)
        value = descend(objective, rng)
        if value < least - ROUNDING * objective.scale:
            best, least = objective.labels.copy(), value
    return renumbered(best), float(least)


def descend(objective, rng):
    """Move rows and merge clusters until neither helps; the value reached. Rows without a cluster get one first."""
    n = len(objective.labels)
    for _ in range(SWEEPS):
        moved = False
        for i in rng.permutation(n):
            moved |= move(objective, i)
        if not moved and not merge(objective):
            break
    return objective.value()


def move(objective, i):
    """Put row i where it costs least; whether that is a better place than it had."""
    old = objective.labels[i]
    if old >= 0:
        objective.take(i)
    used = np.flatnonzero(objective.sizes)
    empty = np.flatnonzero(objective.sizes == 0)[:1]
    places = np.concatenate([used, empty])
    costs = objective.costs(i, places)
    new = int(costs.argmin())
    if old >= 0:
        stay = int(np.flatnonzero(places == old)[0]) if old in used else len(places) - 1
        if costs[new] >= costs[stay] - ROUNDING * objective.scale:
            objective.put(i, old)
            return False
    objective.put(i, places[new])
    return True


def merge(objective):
    """Merge the two clusters whose union lowers the loss most; whether there are any."""
    used = np.flatnonzero(objective.sizes)
    change = objective.unions(used)
    a, b = np.unravel_index(change.argmin(), change.shape)
    if change[a, b] >= -ROUNDING * objective.scale:
        return False
    labels = objective.labels.copy()
    labels[labels == used[b]] = used[a]
    objective.load(labels)
    return True


class Counts:
    """Either loss, from the counts N_ck of a changing partition against each draw z."""

    def __init__(self, z, loss, most, share=None):
        self.most, self.K = most, int(z.max()) + 1
        self.share = np.full(len(z), 1 / len(z)) if share is None else np.asarray(share, dtype=float)
        self.z, self.offset = np.ascontiguousarray(z.T), np.arange(len(z)) * self.K
        self.f = growth(loss, z.shape[1])
        self.step = np.diff(self.f)
        self.scale = self.f[-1]
        sizes = self.tally(np.zeros(z.shape[1], dtype=np.int64), 1).reshape(-1, self.K)
        self.draws = self.share @ self.f[sizes].sum(axis=1)

    def tally(self, labels, count):
        """N (count, T * K) of the rows whose label is not -1."""
        at = np.flatnonzero(labels >= 0)
        home, out = labels[at] * self.K, np.empty((count, len(self.offset), self.K), dtype=np.int64)
        for t, z in enumerate(self.z[at].T):
            out[:, t] = np.bincount(home + z, minlength=count * self.K).reshape(count, self.K)
        return out.reshape(count, -1)

    def load(self, labels):
        """Start from these labels (-1: no cluster yet); the value."""
        self.labels = np.array(labels)
        known = self.labels >= 0
        self.sizes = np.bincount(self.labels[known], minlength=self.most)
        self.N = self.tally(self.labels, self.most)
        return self.value()

    def value(self):
        """The expected loss of the rows that have a cluster."""
        together = self.f[self.N].reshape(self.most, -1, self.K).sum(axis=(0, 2))
        return self.f[self.sizes].sum() + self.draws - 2 * self.share @ together

    def costs(self, i, places):
        """What it costs to put row i into each of the places."""
        found = self.N[places[:, None], self.offset + self.z[i]]
        return self.step[self.sizes[places]] - 2 * self.step[found] @ self.share

    def unions(self, used):
        """Change of the loss by merging clusters used[a] and used[b], (m, m); above the diagonal."""
        n, N = self.sizes[used], self.N[used].reshape(len(used), -1, self.K)
        alone, own = self.f[n], self.f[N].sum(axis=2) @ self.share
        out = np.zeros((len(used), len(used)))
        for a, b in zip(*np.triu_indices(len(used), 1), strict=True):
            both = self.share @ self.f[N[a] + N[b]].sum(axis=1)
            out[a, b] = self.f[n[a] + n[b]] - alone[a] - alone[b] - 2 * (both - own[a] - own[b])
        return out

    def put(self, i, c):
        """Row i joins cluster c."""
        self._add(i, c, 1)
        self.labels[i] = c

    def take(self, i):
        """Row i leaves its cluster."""
        self._add(i, self.labels[i], -1)
        self.labels[i] = -1

    def _add(self, i, c, sign):
        self.sizes[c] += sign
        self.N[c, self.offset + self.z[i]] += sign


class Pairs:
    """Binder's loss from co-clustering probabilities: sum over pairs of |1(same cluster) - pi_ij|."""

    def __init__(self, pairs, most):
        self.pairs, self.most = pairs, most
        self.total = (pairs.sum() - np.trace(pairs)) / 2
        self.scale = max(1.0, len(pairs) * (len(pairs) - 1) / 2)

    def load(self, labels):
        """Start from these labels (-1: no cluster yet); the value."""
        self.labels = np.array(labels)
        known = self.labels >= 0
        self.sizes = np.bincount(self.labels[known], minlength=self.most)
        member = (self.labels[:, None] == np.arange(self.most)).astype(float)
        self.near = self.pairs @ member  # (n, C) sum of pi_ij over the cluster's rows
        return self.value()

    def value(self):
        """The expected loss of the rows that have a cluster."""
        at = np.flatnonzero(self.labels >= 0)
        same = (self.near[at, self.labels[at]] - self.pairs[at, at]).sum() / 2
        return (self.sizes * (self.sizes - 1) / 2).sum() + self.total - 2 * same

    def costs(self, i, places):
        """What it costs to put row i into each of the places."""
        return self.sizes[places] - 2 * self.near[i, places]

    def unions(self, used):
        """Change of the loss by merging clusters used[a] and used[b], (m, m); above the diagonal."""
        member = (self.labels[:, None] == used).astype(float)
        return np.triu(np.outer(self.sizes[used], self.sizes[used]) - 2 * member.T @ self.near[:, used], 1)

    def put(self, i, c):
        """Row i joins cluster c."""
        self.sizes[c] += 1
        self.near[:, c] += self.pairs[i]
        self.labels[i] = c

    def take(self, i):
        """Row i leaves its cluster."""
        c = self.labels[i]
        self.sizes[c] -= 1
        self.near[:, c] -= self.pairs[i]
        self.labels[i] = -1


def growth(loss, n):
    """f(0), ..., f(n) of a loss."""
    m = np.arange(n + 1, dtype=float)
    return m * (m - 1) / 2 if loss == "binder" else m * np.log(np.maximum(m, 1.0)) / n


def losses(labels, z, loss):
    """(T,) the loss between one partition and each of the draws z (T, n)."""
    f, K, out = growth(loss, len(labels)), int(z.max()) + 1, np.empty(len(z))
    alone = f[np.bincount(labels)].sum()
    for t, one in enumerate(z.astype(np.int64)):
        table = np.bincount(labels * K + one, minlength=(labels.max() + 1) * K).reshape(-1, K)
        out[t] = alone + f[table.sum(axis=0)].sum() - 2 * f[table].sum()
    return out


def cuts(pairs, most):
    """Partitions from cutting average- and complete-linkage trees of 1 - pi_ij."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(pairs) < 2:
        return []
    apart = squareform(np.clip(1 - pairs, 0, 1), checks=False)
    trees = [linkage(apart, method) for method in ("average", "complete")]
    return [fcluster(tree, k, criterion="maxclust") for tree in trees for k in range(2, most + 1)]


def renumbered(labels):
    """The same partition, its clusters numbered in the order of their first rows, int64."""
    _, first, home = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[home.ravel()]

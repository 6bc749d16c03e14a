"""One pass over rows with missing cells where the features depend on each other: all patterns at once.

A missing cell counts as zero in every feature that it touches, and each pattern has its own W, in the same
features: `family.pattern_weights`. So the weights of all patterns, and the completion of all their statistics
(`family.complete_patterns`), are single array operations, and a pattern costs two small products.
"""

from dataclasses import dataclass

import numpy as np

from bayesmix.em.passes import TOLERANCE, Pass, soften

ROWS = 4096  # rows whose responsibilities are formed at once
NUMBERS = 2**22  # entries of the padded matrices that are formed at once (32 MiB)


@dataclass(frozen=True)
class Sorted:
    """The rows of a problem sorted by their missingness pattern.

    order: (n,) original rows. seen: (P, d). cuts: (P + 1,) where the patterns begin. features: (F, n) sorted, zeros
    where a missing cell takes part. batches: runs of (pattern, start, stop), about ROWS rows each.
    """

    order: np.ndarray
    seen: np.ndarray
    features: np.ndarray
    base: np.ndarray
    log_label: np.ndarray | None  # (K, n)
    weight: np.ndarray | None
    batches: tuple

    @classmethod
    def of(cls, problem, found):
        """From a problem and its `patterns`."""
        family, x = problem.mixture.family, problem.x
        order = np.concatenate([rows for rows, _ in found])
        seen = np.zeros((len(found), x.shape[1]), dtype=bool)
        pieces, at = [], 0
        for p, (rows, columns) in enumerate(found):
            seen[p, columns] = True
            pieces += [(p, at + i, at + min(i + ROWS, len(rows))) for i in range(0, len(rows), ROWS)]
            at += len(rows)
        batches, now = [], []
        for piece in pieces:
            now.append(piece)
            if piece[2] - now[0][1] >= ROWS:
                batches.append(tuple(now))
                now = []
        batches += [tuple(now)] if now else []
        y = np.nan_to_num(x[order])
        label = None if problem.log_label is None else np.maximum(problem.log_label[order].T, -1e30)
        weight = None if problem.weight is None else problem.weight[order]
        features = np.ascontiguousarray(family.sufficient(y).T)
        return cls(order, seen, features, family.base(y), label, weight, tuple(batches))

    def groups(self, K):
        """Slices of patterns whose padded matrices fit into NUMBERS."""
        step = max(1, NUMBERS // (K * self.seen.shape[1] ** 2))
        return [slice(i, i + step) for i in range(0, len(self.seen), step)]


def weights(problem, theta):
    """W of every pattern, (P, K, F), its log mixing weight on the constant feature, and where rounding is too large."""
    rows, model = problem.sorted, problem.mixture
    groups = rows.groups(model.components)
    W = np.concatenate([model.family.pattern_weights(np, rows.seen[g], **model.own(theta)) for g in groups])
    rough = np.finfo(float).eps * (np.abs(W) @ np.abs(rows.features).max(axis=1)) > TOLERANCE
    with np.errstate(divide="ignore"):
        W[:, :, 0] += np.maximum(np.log(theta["weight"]), -1e30)
    return W, rough


def scores(problem, theta, W, rough, batch):
    """log w_k + log f_k(x_i) - base_i + log_label_ik of a batch of pieces: (K, rows)."""
    rows, first, last = problem.sorted, batch[0][1], batch[-1][2]
    out = np.empty((W.shape[1], last - first))
    for p, a, b in batch:
        np.matmul(W[p], rows.features[:, a:b], out=out[:, a - first : b - first])
        if rough[p].any():
            x = problem.x[rows.order[a:b]]
            exact = problem.mixture.log_joint(x, theta).T - rows.base[a:b]
            out[rough[p], a - first : b - first] = np.maximum(exact[rough[p]], -1e30)
    if rows.log_label is not None:
        out += rows.log_label[:, first:last]
    return out


def e_step(problem, theta, beta):
    """The Pass over all rows, its statistics completed."""
    rows = problem.sorted
    W, rough = weights(problem, theta)
    stats, counts, objective, log_likelihood = np.zeros_like(W), np.zeros(W.shape[1]), 0.0, 0.0
    for batch in rows.batches:
        first, last = batch[0][1], batch[-1][2]
        r, row, soft = soften(scores(problem, theta, W, rough, batch), beta)
        base = rows.base[first:last]
        if rows.weight is not None:
            w = rows.weight[first:last]
            r, row, soft, base = r * w, row * w, soft * w, base * w
        objective += row.sum() + base.sum()
        log_likelihood += soft.sum() + base.sum()
        counts += r.sum(axis=1)
        for p, a, b in batch:
            stats[p] += r[:, a - first : b - first] @ rows.features[:, a:b].T
    return Pass(float(objective), float(log_likelihood), counts, complete(problem, stats, theta))


def complete(problem, stats, theta):
    """The expected statistics of whole rows (K, F) from those of each pattern (P, K, F)."""
    family, rows, variance = problem.mixture.family, problem.sorted, problem.impute != "mean"
    own = problem.mixture.own(theta)
    return sum(family.complete_patterns(stats[g], rows.seen[g], own, variance) for g in rows.groups(stats.shape[1]))


def responsibilities(problem, theta):
    """r (n, K) at stiffness 1 and the row terms (n,)."""
    rows = problem.sorted
    W, rough = weights(problem, theta)
    r, term = np.empty((len(problem.x), W.shape[1])), np.empty(len(problem.x))
    for batch in rows.batches:
        at = rows.order[batch[0][1] : batch[-1][2]]
        part, row, _ = soften(scores(problem, theta, W, rough, batch), 1.0)
        r[at], term[at] = part.T, row + rows.base[batch[0][1] : batch[-1][2]]
    return r, term


def statistics(problem, r, theta):
    """The completed statistics of given responsibilities (n, K), weighted by the rows, and their counts."""
    rows = problem.sorted
    r = r[rows.order].T if rows.weight is None else r[rows.order].T * rows.weight
    stats = np.zeros((len(rows.seen), len(r), len(rows.features)))
    for batch in rows.batches:
        for p, a, b in batch:
            stats[p] += r[:, a:b] @ rows.features[:, a:b].T
    return complete(problem, stats, theta), r.sum(axis=1)

"""Components that are one cluster: merged step by step, by entropy or by the dip of the density between them.

A mixture that fits well may spend several components on one group that is not of the family's shape. Merging leaves
the density as it is and joins labels only.

By entropy (Baudry et al. 2010, eq. 2 and section 3): with r_ik the probability of component k for row i, join the
pair whose union takes most off

    entropy = -sum_i sum_k r_ik log r_ik,

again and again, and stop at the elbow of entropy against the number of rows merged so far.

By ridge (Hennig 2010, section 4.2): all maxima and saddles of the density of two Gaussians lie on the line

    x(a) = [(1 - a) S1^-1 + a S2^-1]^-1 [(1 - a) S1^-1 m1 + a S2^-1 m2],    0 <= a <= 1

(Ray & Lindsay 2005, theorem 1). Join the pair whose lowest point between its two maxima, over the lower maximum, is
highest (1 where there is one maximum), while that ratio is at least `cutoff`; a joined pair goes on as one Gaussian
of its mean and covariance.

References: Baudry, Raftery, Celeux, Lo & Gottardo (2010), JCGS 19:332-353; Hennig (2010), Advances in Data Analysis
and Classification 4:3-34; Ray & Lindsay (2005), Annals of Statistics 33:2042-2065.
"""

from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec.families import Gaussian, MvGaussian
from bayesmix.spec.families.hierarchical import Hierarchical
from bayesmix.spec.special import xlogy

SHARED = 0.5 * np.log(2)  # entropy per merged row; log 2 where two components share every row equally
SLIGHT = 0.1 * np.log(2)  # less than this is no overlap worth a merge, wherever the elbow is
ELBOW = 4  # components from which an elbow can be told
POINTS = 1001  # on the ridge
UNIMODAL = 1 - 1e-9  # a ratio that is one but for rounding


@dataclass(frozen=True)
class Merged:
    """Components put together into clusters.

    map: (K,) the cluster of each component. labels: (n,) the likeliest cluster of each row; probability: (n, clusters).
    steps: one row (a, b, value, rows) for each merge down to one cluster: the components of the two sides as tuples,
    the entropy taken off or the ridge's ratio, and the rows in the union. entropy: (K,) after 0, 1, ... merges.
    """

    method: str
    map: np.ndarray
    labels: np.ndarray
    probability: np.ndarray
    steps: tuple
    entropy: np.ndarray
    reason: str
    names: tuple = field(default=(), repr=False)

    @property
    def clusters(self):
        """How many clusters are left."""
        return int(self.map.max()) + 1

    @property
    def rows(self):
        """(K,) rows merged after 0, 1, ... merges, counted anew by each merge."""
        return np.cumsum([0.0, *(step[3] for step in self.steps)])

    @property
    def sentence(self):
        """What was found."""
        K, C = len(self.map), self.clusters
        groups = [np.flatnonzero(self.map == c).tolist() for c in range(C)]
        joined = [" + ".join(map(str, g)) for g in groups if len(g) > 1]
        parts = f": components {' and '.join(joined)} are merged" if joined else ""
        return f"{K} component{'s' * (K != 1)}, {C} cluster{'s' * (C != 1)} by {self.method}{parts}; {self.reason}."

    @property
    def table(self):
        """A DataFrame with one line for each merge, those beyond the chosen number included."""
        import pandas as pd

        what = "entropy_drop" if self.method == "entropy" else "ratio"
        K, out = len(self.map), []
        for i, (a, b, value, rows) in enumerate(self.steps):
            line = {"clusters": K - 1 - i, "merged": f"{_said(a)} and {_said(b)}", what: value, "rows": rows}
            if self.method == "entropy":
                line |= {"entropy": self.entropy[i + 1], "drop_per_row": value / rows if rows else 0.0}
            out.append(line | {"kept": K - 1 - i >= self.clusters})
        columns = ["clusters", "merged", what, "rows"]
        columns += ["entropy", "drop_per_row"] if self.method == "entropy" else []
        return pd.DataFrame(out, columns=[*columns, "kept"]).set_index("clusters")


def merge(fit, method="entropy", *, clusters=None, cutoff=1.0):
    """Which components of a fit are one cluster, read at `fit.best`.

    Args:
        fit: a `Fit` of either engine.
        method: "entropy" for any family, "ridge" for Gaussian and MvGaussian components.
        clusters: how many to end with; left out, the elbow of the entropy (with fewer than four components: as long
            as a merge takes off at least half of log 2 for each row it merges), or as long as the ridge's ratio is at
            least `cutoff`. For "entropy" a first merge that takes off less than a tenth of log 2 a row is never made.
        cutoff: for "ridge", the least ratio. 1 joins only what has one maximum together; Hennig's 0.2 joins more.

    Raises:
        InputError: an unknown method, a wrong number, or "ridge" for another family.
    """
    K = fit.mixture.components
    if method not in ("entropy", "ridge"):
        raise InputError(f'merge(method={method!r}): expected "entropy" or "ridge".')
    if clusters is not None and (isinstance(clusters, bool) or clusters not in range(1, K + 1)):
        raise InputError(f"merge(clusters={clusters!r}): expected a whole number from 1 to {K}.")
    if not 0 < cutoff <= 1:
        raise InputError(f"merge(cutoff={cutoff!r}): expected a ratio in (0, 1].")
    r = fit._responsibilities(fit.best, fit.data.x, fit._log_label)
    weight = fit.data.row_weight
    if method == "entropy":
        steps, entropy = by_entropy(r, weight)
        count, reason = _elbow(steps, entropy)
    else:
        steps, entropy = by_ridge(*_gaussians(fit), weight @ r), np.empty(0)
        count = next((i for i, s in enumerate(steps) if s[2] < min(cutoff, UNIMODAL)), len(steps))
        reason = _ridge_reason(steps, count, cutoff)
    if clusters is not None:
        count, reason = K - clusters, "the number of clusters was given"
    map_ = _map(K, steps[:count])
    p = np.stack([r[:, map_ == c].sum(axis=1) for c in range(map_.max() + 1)], axis=1)
    return Merged(method, map_, p.argmax(axis=1), p, tuple(steps), entropy, reason)


def by_entropy(r, weight):
    """([(a, b, entropy taken off, rows)], entropy after 0, 1, ... merges) for responsibilities r (n, K)."""
    parts, columns = [(k,) for k in range(r.shape[1])], list(r.T)
    steps, entropy = [], [sum(_entropy(c, weight) for c in columns)]
    while len(parts) > 1:
        own = [_entropy(c, weight) for c in columns]
        drops = {
            (i, j): own[i] + own[j] - _entropy(columns[i] + columns[j], weight)
            for i, j in combinations(range(len(parts)), 2)
        }
        i, j = max(drops, key=drops.get)
        union = columns[i] + columns[j]
        steps.append((parts[i], parts[j], float(drops[i, j]), float(weight @ union)))
        entropy.append(entropy[-1] - drops[i, j])
        parts = [p for m, p in enumerate(parts) if m not in (i, j)] + [parts[i] + parts[j]]
        columns = [c for m, c in enumerate(columns) if m not in (i, j)] + [union]
    return steps, np.array(entropy)


def _entropy(column, weight):
    return float(-weight @ xlogy(column, column))


def _elbow(steps, entropy):
    """(number of merges, why)."""
    if not steps:
        return 0, "there is nothing to merge"
    slopes = np.array([drop / rows if rows > 0 else 0.0 for _, _, drop, rows in steps])
    if slopes[0] < SLIGHT:
        return 0, f"the first merge would take off only {slopes[0]:.3f} nats a row"
    if len(entropy) < ELBOW:
        count = int(np.argmax(np.append(slopes < SHARED, True)))
        word = "at least" if count else "less than"
        at = slopes[count - 1 if count else 0]
        return count, f"a merge takes off {at:.3f} nats a row, {word} half of log 2"
    count = elbow(np.cumsum([0.0, *(s[3] for s in steps)]), entropy)
    return count, f"the entropy bends after {count} merge{'s' * (count > 1)}"


def elbow(x, y):
    """The inner point where two straight lines, one up to it and one from it, fit y best by least squares."""

    def misfit(a, b):
        line = np.polynomial.Polynomial.fit(x[a:b], y[a:b], 1) if b - a > 2 else None
        return 0.0 if line is None else float(((line(x[a:b]) - y[a:b]) ** 2).sum())

    return min(range(1, len(x) - 1), key=lambda c: misfit(0, c + 1) + misfit(c, len(x)))


def _ridge_reason(steps, count, cutoff):
    if not steps:
        return "there is nothing to merge"
    if count < len(steps):
        return f"the next two have a dip to {steps[count][2]:.3g} of the lower maximum between them (cutoff {cutoff:g})"
    return "no dip of the density is left between them"


def by_ridge(weight, mean, cov, rows):
    """[(a, b, ratio, rows)] for Gaussians of these weights (K,), means (K, d) and covariances (K, d, d)."""
    parts = [(k,) for k in range(len(weight))]
    gaussians, rows, steps = list(zip(weight, mean, cov, strict=True)), list(rows), []
    while len(parts) > 1:
        ratios = {(i, j): ridge_ratio(gaussians[i], gaussians[j]) for i, j in combinations(range(len(parts)), 2)}
        i, j = max(ratios, key=ratios.get)
        steps.append((parts[i], parts[j], ratios[i, j], float(rows[i] + rows[j])))
        union = pooled(gaussians[i], gaussians[j])
        parts = [p for m, p in enumerate(parts) if m not in (i, j)] + [parts[i] + parts[j]]
        gaussians = [g for m, g in enumerate(gaussians) if m not in (i, j)] + [union]
        rows = [c for m, c in enumerate(rows) if m not in (i, j)] + [rows[i] + rows[j]]
    return steps


def pooled(one, other):
    """(weight, mean, covariance) of two Gaussian components together."""
    (w1, m1, s1), (w2, m2, s2) = one, other
    w = w1 + w2
    p = w2 / w if w > 0 else 0.5
    return w, (1 - p) * m1 + p * m2, (1 - p) * s1 + p * s2 + p * (1 - p) * np.outer(m2 - m1, m2 - m1)


def ridge_ratio(one, other):
    """The lowest density between the two maxima on the ridge over the lower maximum; 1 where there is one maximum."""
    (w1, m1, s1), (w2, m2, s2) = one, other
    if w1 <= 0 or w2 <= 0:
        return 1.0  # a component without weight makes no maximum
    p1, p2 = np.linalg.inv(s1), np.linalg.inv(s2)
    a = (0.5 - 0.5 * np.cos(np.linspace(0, np.pi, POINTS)))[:, None]  # dense at the ends, where a sharp maximum lies
    mixed = (1 - a[:, :, None]) * p1 + a[:, :, None] * p2
    right = (1 - a) * (p1 @ m1) + a * (p2 @ m2)
    x = np.linalg.solve(mixed, right[:, :, None])[:, :, 0]
    log_h = np.logaddexp(np.log(w1) + _log_normal(x, m1, p1), np.log(w2) + _log_normal(x, m2, p2))
    inner = log_h[1:-1]
    tops = np.flatnonzero((inner >= log_h[:-2]) & (inner > log_h[2:])) + 1
    ends = [i for i, inside in ((0, 1), (POINTS - 1, POINTS - 2)) if log_h[i] > log_h[inside]]
    tops = sorted([*tops, *ends], key=lambda i: -log_h[i])
    if len(tops) < 2:
        return 1.0
    low, high = sorted(tops[:2])
    return float(min(1.0, np.exp(log_h[low : high + 1].min() - log_h[tops[1]])))


def _log_normal(x, mean, precision):
    away = x - mean
    d = len(mean)
    log_det = np.linalg.slogdet(precision)[1]
    return 0.5 * (log_det - d * np.log(2 * np.pi) - np.einsum("ni,ij,nj->n", away, precision, away))


def _gaussians(fit):
    family, theta = fit.mixture.family, fit.best
    inner = family.inner if isinstance(family, Hierarchical) else family
    if not isinstance(inner, Gaussian | MvGaussian):
        raise InputError(
            f'merge(method="ridge"): the ridge is known for Gaussian and MvGaussian components, not for '
            f'{family.title}; use method="entropy".'
        )
    mean, K = theta["mean"], fit.mixture.components
    d = mean.shape[1]
    if "cov" in theta:
        cov = np.broadcast_to(theta["cov"], (K, d, d))
    else:
        var = theta["var"] if "var" in theta else theta["sd"] ** 2
        cov = np.broadcast_to(var, mean.shape)[:, :, None] * np.eye(d)
    return theta["weight"], mean, cov


def _map(K, steps):
    """(K,) clusters, numbered in the order of their first component."""
    home = {k: {k} for k in range(K)}
    for a, b, _, _ in steps:
        union = set(a) | set(b)
        home |= {k: union for k in union}
    first = np.array([min(home[k]) for k in range(K)])
    return np.unique(first, return_inverse=True)[1]


def _said(components):
    return "+".join(map(str, components))

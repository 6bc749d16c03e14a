"""Small models with small data: what has to hold for every family, label kind and constraint.

    cases.every()       the levels of the product of families, labels and constraints, for `make(**levels)`
    cases.pairwise()    a short list in which every pair of levels of any two factors occurs for the kinds in
                        `COVERED`, and two cases for each further kind
    cases.extras()      what the product leaves out: row weights, Fixed, Flat, classes, other priors

Each `Case` has an `id`, a `model` (bm.Mixture) and its `data` (bm.Data, 12 rows);
`pytest.mark.parametrize("case", cases.pairwise(), ids=cases.name)` names the tests.
"""

from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations, product

import numpy as np

import bayesmix as bm

N = 12
KINDS = (
    "gaussian_var",
    "gaussian_sd",
    "gaussian_conjugate",
    "mvgaussian",
    "mvgaussian_conjugate",
    "poisson",
    "bernoulli",
)
COVERED = KINDS
KINDS = (
    *COVERED,
    "categorical",
    "multinomial",
    "negative_binomial",
    "exponential",
    "gamma",
    "lognormal",
    "student_t",
    "mv_student_t",
)
POOLS = ("own", "isotropic", "shared", "both")
LABELS = ("none", "some", "all", "soft")
ORDERS = (
    "none",
    "transform",
    "potential",
    "soft",
    "weights",
)  # "weights": the weights themselves are ordered
FLOORS = ("none", "transform", "potential", "soft")
ORDERED = {
    "poisson": "rate",
    "bernoulli": "prob",
    "categorical": "prob",
    "multinomial": "prob",
    "exponential": "rate",
    "gamma": "rate",
}  # the field that "order" orders; otherwise the mean
FACTORS = {"kind": COVERED, "d": (1, 2), "pool": POOLS, "labels": LABELS, "order": ORDERS, "floor": FLOORS}


@dataclass(frozen=True, eq=False)
class Case:
    """A model, its data and the levels that made them."""

    id: str
    model: bm.Mixture
    data: bm.Data
    levels: dict

    def __repr__(self):
        return self.id


def name(case):
    """For `ids=` of pytest: of a case, or of its levels."""
    return "-".join(str(v) for v in case.values()) if isinstance(case, dict) else case.id


def every():
    """Every family x labels x {no constraint, Order, MinWeight, both; each enforce}, as levels."""
    bounds = [("none", "none")]
    for how in ("transform", "potential", "soft"):
        bounds += [(how, "none"), ("none", how), (how, how)]
    for kind, d, pool in product(KINDS, (1, 2), POOLS):
        if not _valid(kind=kind, d=d, pool=pool) or (kind.endswith("conjugate") and pool != "own"):
            continue
        for labels, (order, floor) in product(LABELS, bounds):
            yield {"kind": kind, "d": d, "pool": pool, "labels": labels, "order": order, "floor": floor}


@cache
def _cover():
    """A greedy, deterministic cover of all valid pairs of levels."""
    names = list(FACTORS)
    rows = [dict(zip(names, v, strict=True)) for v in product(*FACTORS.values())]
    rows = [r for r in rows if _valid(**r)]
    pairs = [{((a, r[a]), (b, r[b])) for a, b in combinations(names, 2)} for r in rows]
    left, chosen = set().union(*pairs), []
    while left:
        best = max(range(len(rows)), key=lambda i: len(pairs[i] & left))
        chosen.append(rows[best])
        left -= pairs[best]
    return tuple(chosen)


@cache
def pairwise():
    """Cases in which each pair of levels of two factors (`FACTORS`) occurs at least once, and further kinds."""
    return [make(**levels) for levels in (*_cover(), *_further())]


def _further():
    """Two cases for each kind that is not in `COVERED`: all levels in turn."""
    for i, kind in enumerate(KINDS[len(COVERED) :]):
        for j, d in enumerate((1, 2)):
            d = 2 if kind == "multinomial" else d
            pools = [pool for pool in POOLS if _valid(kind, d, pool)]
            yield {
                "kind": kind,
                "d": d,
                "pool": pools[(i + j) % len(pools)],
                "labels": LABELS[(i + 2 * j) % 4],
                "order": ORDERS[(1 + i + 3 * j) % 5],
                "floor": FLOORS[(i + j) % 4],
            }


def _valid(kind, d, pool, **_):
    if kind.startswith("gaussian") or kind in ("lognormal", "student_t"):
        return not (d == 1 and pool in ("isotropic", "both"))  # at d = 1 that is "own" and "shared" again
    if kind.startswith("mv") or kind in ("gamma", "negative_binomial"):
        return pool in ("own", "shared")
    return pool == "own" and (kind != "multinomial" or d > 1)


def make(kind, d, pool="own", labels="none", order="none", floor="none"):
    """One case; K = 3 at d = 1 and 2 at d = 2."""
    K = 3 if d == 1 else 2
    x, z = rows(kind, d, K)
    constraints = []
    if order == "weights":
        constraints.append(bm.Order("weight"))
    elif order != "none":
        by = "x0" if d > 1 else None
        by = ("x0" if d > 1 else 0, 2) if kind == "categorical" else by
        constraints.append(bm.Order(ORDERED.get(kind, "mean"), by=by, enforce=order))
    if floor != "none":
        constraints.append(bm.MinWeight(0.1, enforce=floor))
    model = bm.Mixture(family(kind, d, pool), components=K, weight=bm.Dirichlet(2.0), constraints=tuple(constraints))
    levels = {"kind": kind, "d": d, "pool": pool, "labels": labels, "order": order, "floor": floor}
    data = bm.Data(x, label=label(labels, z, K))
    return Case(name(levels), model, data, levels)


def family(kind, d, pool="own"):
    """A family with explicit proper priors, fitting `rows(kind, d, K)`."""
    how = {"shared": pool in ("shared", "both")}
    mean = bm.Normal([1.0, -0.5][:d], [3.0, 2.0][:d])
    if kind == "poisson":
        return bm.Poisson(rate=bm.Gamma([2.0, 1.5][:d], [0.4, 0.5][:d]))
    if kind == "bernoulli":
        return bm.Bernoulli(prob=bm.Beta([2.0, 1.5][:d], 2.0))
    if kind == "categorical":
        return bm.Categorical(prob=bm.Dirichlet([2.0, 1.5, 3.0]), categories=3)
    if kind == "multinomial":
        return bm.Multinomial(prob=bm.Dirichlet([2.0, 1.5]))
    if kind == "negative_binomial":
        return bm.NegativeBinomial(mean=bm.Gamma([2.0, 1.5][:d], 0.4), alpha=bm.LogNormal(1.0, 0.7), **how)
    if kind == "exponential":
        return bm.ExponentialComponent(rate=bm.Gamma([2.0, 1.5][:d], [0.4, 0.5][:d]))
    if kind == "gamma":
        return bm.GammaComponent(shape=bm.Gamma(2.0, 0.4), rate=bm.Gamma([2.0, 1.5][:d], 0.5), **how)
    if kind == "mv_student_t":
        scale = np.array([[1.5, 0.4], [0.4, 1.0]])[:d, :d]
        return bm.MvStudentT(mean=mean, scale=bm.InverseWishart(d + 3.0, scale), df=bm.Gamma(2.0, 0.1), **how)
    if kind.startswith("mvgaussian"):
        scale = np.array([[1.5, 0.4], [0.4, 1.0]])[:d, :d]
        prior = bm.ConjugateNormal(mean.mean, 0.3) if kind.endswith("conjugate") else mean
        return bm.MvGaussian(mean=prior, cov=bm.InverseWishart(d + 3.0, scale), **how)
    how["isotropic"] = pool in ("isotropic", "both")
    if kind == "student_t":
        return bm.StudentT(mean=mean, scale=bm.HalfNormal(2.0), df=bm.Gamma(2.0, 0.1), **how)
    if kind == "lognormal":
        return bm.LogNormalComponent(mean=mean, sd=bm.HalfNormal(2.0), **how)
    if kind == "gaussian_sd":
        return bm.Gaussian(mean=mean, sd=bm.HalfNormal(2.0), **how)
    prior = bm.ConjugateNormal(mean.mean, 0.3) if kind.endswith("conjugate") else mean
    return bm.Gaussian(mean=prior, var=bm.InverseGamma(2.5, 1.5), **how)


def rows(kind, d, K):
    """x (12, d) and the component z (12,) that made each row; component means rise with k in column 0."""
    rng = np.random.default_rng(20_000 + 10 * KINDS.index(kind) + d)
    z = np.arange(N) % K
    if kind in ("categorical", "multinomial"):
        p = np.stack([1.0 + 0.0 * z, 1.0 + z, 1.0 + 2.0 * z], axis=1)
        p = p / p.sum(axis=1, keepdims=True)
        if kind == "categorical":
            x = np.stack([(rng.random((N, 1)) > np.cumsum(p, axis=1)).sum(axis=1) for _ in range(d)], axis=1)
        else:
            x = np.stack([rng.multinomial(5, row[1:] / row[1:].sum()) for row in p])
    elif kind in ("exponential", "gamma"):
        x = rng.gamma(np.stack([1.0 + 2.0 * z, 2.0 + 0.0 * z], axis=1)[:, :d])
    elif kind in ("poisson", "negative_binomial"):
        x = rng.poisson(np.stack([2.0 + 5.0 * z, 4.0 + 0.0 * z], axis=1)[:, :d])
    elif kind == "bernoulli":
        x = rng.random((N, 2)) < np.stack([(z + 0.5) / K, 0.5 + 0.0 * z], axis=1)
        x = x[:, :d]
    else:
        x = np.stack([3.0 * z, -1.0 * z], axis=1) + rng.normal(size=(N, 2)) @ np.array([[1.0, 0.4], [0.0, 0.8]])
        x = np.exp(x[:, :d]) if kind == "lognormal" else x[:, :d]
    return x.astype(float), z


def label(labels, z, K):
    """What `bm.Data(label=...)` gets."""
    if labels == "none":
        return None
    if labels == "all":
        return z
    if labels == "some":
        return np.where(np.arange(len(z)) < len(z) // 2, z, -1)
    soft = np.where(np.arange(K) == z[:, None], 0.8, 0.2 / (K - 1))
    soft[0] = 1.0  # says nothing
    soft[1] = np.eye(K)[z[1]]  # says everything
    return soft


@cache
def extras():
    """Models that the product leaves out."""
    out = []

    def add(id, model, x, **data):
        out.append(Case(id, model, bm.Data(x, **data), {}))

    x, z = rows("gaussian_var", 1, 2)
    x2, _ = rows("gaussian_var", 2, 2)
    counts, _ = rows("poisson", 2, 2)
    gaussian = family("gaussian_var", 1)
    weight = np.tile([1.0, 2.0, 0.5], 4)
    add("row_weights", bm.Mixture(gaussian, 2), x, weight=weight, label=label("some", z, 2))
    add("row_weights_mv", bm.Mixture(family("mvgaussian", 2), 2), x2, weight=weight)
    add("fixed_weight", bm.Mixture(gaussian, 2, weight=bm.Fixed([0.3, 0.7])), x)
    add("fixed_scale", bm.Mixture(bm.Gaussian(mean=bm.Normal(1, 3), var=bm.Fixed(1.0)), 2), x)
    add("fixed_mean", bm.Mixture(bm.Gaussian(mean=bm.Fixed([0.0, 3.0]), sd=bm.HalfNormal(2)), 2), x)
    add("one_component", bm.Mixture(gaussian, 1), x)
    add("left_out", bm.Mixture(bm.Gaussian(), 2), x2)
    add("left_out_mv", bm.Mixture(bm.MvGaussian(), 2), x2)
    add("left_out_counts", bm.Mixture(bm.Poisson(), 2), counts)
    add("flat_shared", bm.Mixture(bm.MvGaussian(mean=bm.Flat(), cov=bm.Flat(), shared=True), 2), x2)
    add("flat_weight", bm.Mixture(gaussian, 2, weight=bm.Flat()), x)
    add(
        "own_priors",
        bm.Mixture(bm.Gaussian(mean=bm.Normal([0.0, 4.0], [1.0, 2.0]), var=bm.InverseGamma(2, 1)), 2),
        x,
    )
    add("uniform", bm.Mixture(bm.Gaussian(mean=bm.Uniform(-9, 9), sd=bm.Uniform(0.1, 5)), 2), x)
    add("gamma_sd", bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 5), sd=bm.Gamma(2, 1)), 2), x)
    add("lognormal_var", bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 5), var=bm.LogNormal(0, 0.7)), 2), x)
    add("exponential_rate", bm.Mixture(bm.Poisson(rate=bm.Exponential(0.2)), 2), counts)
    add("left_out_t", bm.Mixture(bm.StudentT(), 2), x2)
    add("left_out_mv_t", bm.Mixture(bm.MvStudentT(), 2), x2)
    add("fixed_df", bm.Mixture(bm.StudentT(df=bm.Fixed(4)), 2, constraints=(bm.Order("mean", by=0),)), x2)
    add("df_by_component", bm.Mixture(bm.MvStudentT(df=bm.Fixed([2.5, 30.0])), 2), x2, label=label("some", z, 2))
    add("shared_df", bm.Mixture(bm.MvStudentT(shared_df=True, df=bm.Exponential(0.1)), 2), x2)
    add("ordered_df", bm.Mixture(bm.StudentT(df=bm.Gamma(2, 0.1)), 2, constraints=(bm.Order("df"),)), x)
    conjugate = bm.ConjugateNormal([1.0, -0.5], 0.3)
    add("conjugate_t", bm.Mixture(bm.StudentT(mean=conjugate, scale=bm.HalfNormal(2)), 2), x2)
    add("conjugate_mv_t", bm.Mixture(bm.MvStudentT(mean=conjugate), 2), x2)
    add("left_out_negative_binomial", bm.Mixture(bm.NegativeBinomial(), 2), counts)
    add("fixed_alpha", bm.Mixture(bm.NegativeBinomial(alpha=bm.Fixed([[1.0], [5.0]])), 2), counts)
    codes, _ = rows("categorical", 2, 2)
    add("left_out_categorical", bm.Mixture(bm.Categorical(), 2), codes, weight=weight)
    add("flat_categorical", bm.Mixture(bm.Categorical(prob=bm.Flat()), 2), codes)
    prior = bm.Dirichlet([[[1.0, 2.0, 3.0]], [[3.0, 2.0, 1.0]]])
    add("categorical_by_component", bm.Mixture(bm.Categorical(prob=prior), 2), codes)
    rows_of_counts = np.column_stack([counts, counts[::-1, :1]])
    for by in (0, 1, 2):
        order = bm.Order("prob", by=by)
        add(f"ordered_multinomial_{by}", bm.Mixture(bm.Multinomial(), 2, constraints=(order,)), rows_of_counts)
    positive = np.exp(x2)
    add("left_out_exponential", bm.Mixture(bm.ExponentialComponent(), 2), positive)
    add("left_out_gamma", bm.Mixture(bm.GammaComponent(), 2), positive)
    add("fixed_shape", bm.Mixture(bm.GammaComponent(shape=bm.Fixed(2.0), rate=bm.LogNormal(0, 1)), 2), positive)
    add("left_out_lognormal", bm.Mixture(bm.LogNormalComponent(), 2), positive)
    add(
        "conjugate_lognormal",
        bm.Mixture(bm.LogNormalComponent(mean=conjugate, var=bm.InverseGamma(2, 1)), 2, constraints=bm.MinWeight(0.1)),
        positive,
    )
    add(
        "zero_inflated",
        bm.Mixture(bm.Components(bm.PointMass(0), bm.Poisson(rate=bm.Gamma(1, 0.5))), weight=bm.Dirichlet(1.0)),
        np.array([0, 0, 3, 0, 5, 0, 2, 0, 4, 1, 0, 2.0]),
    )
    add(
        "noise_component",
        bm.Mixture(
            bm.Components((family("mvgaussian_conjugate", 2), 2), bm.UniformComponent()),
            constraints=(bm.Order("mean", by="x1"), bm.MinWeight(0.05)),
        ),
        x2,
    )
    mixed = np.column_stack([x2, counts[:, 0], np.arange(N) % 3 == 0])
    product = bm.Product(
        a=(family("gaussian_sd", 2, "shared"), ["x0", "x1"]),
        b=(family("poisson", 1), ["x2"]),
        c=(bm.Bernoulli(), [3]),
    )
    add("mixed_types", bm.Mixture(product, 2, constraints=bm.Order("b.rate")), mixed, label=label("some", z, 2))
    unlike = bm.Components((family("gaussian_var", 1), 2), family("gaussian_sd", 1), bm.UniformComponent(-9, 12))
    add("unlike_members", bm.Mixture(unlike, constraints=bm.MinWeight(0.05, enforce="soft")), x, weight=weight)
    add(
        "unlike_products",
        bm.Mixture(
            bm.Components(
                bm.Product(a=(bm.PointMass(0), ["x0"]), b=(bm.MvGaussian(), ["x1"])),
                (bm.Product(a=(bm.Poisson(), ["x0"]), b=(bm.Gaussian(), ["x1"])), 2),
            ),
            constraints=bm.Order("a.rate"),
        ),
        np.column_stack([np.where(np.arange(N) < 4, 0, counts[:, 0]), x2[:, 0]]),
    )
    classes = bm.Mixture(gaussian, 3, classes=[0, 0, 1])
    add("classes", classes, x, label=np.where(z == 1, 1, np.where(np.arange(N) < 6, 0, -1)))
    add(
        "constrained_classes",
        replace(classes, constraints=(bm.MinWeight(0.05),)),
        x,
        label=label("some", z, 2),
    )
    return out

"""More components than groups: empty, twin, collapsed."""

from statistics import NormalDist

import numpy as np

import bayesmix as bm
from diagnosis_bench.chains import around, gibbs, packed, weighty
from diagnosis_bench.register import case, fitted
from diagnosis_bench.settings import setting

SEARCH = {"restarts": 8}  # components too many make optima in crowds, each of them dear


@case(
    "empty components",
    "degenerate",
    True,
    four_columns={"kind": "mvgaussian 4", "draws": 5000},
    four_columns_5_for_2={"kind": "mvgaussian 4", "components": 5},
    many={"kind": "mvgaussian", "components": 8, "n": 60},
    bernoulli={"kind": "bernoulli", "each": 12},
    categorical={"kind": "categorical", "d": 20},
    six_for_three={"kind": "bernoulli", "K": 3, "each": 8, "components": 6},
)
def _(rng, seed, kind, K=2, n=500, components=3, draws=600, **how):
    """More components than groups and a weight prior whose concentration 1 is below half the parameters of each.

    The theorem is one of many rows. With many columns a row seldom suits a component that has no others. A single spare
    component of four columns is emptied, and found again, once in many hundred sweeps: that case has more.

    References: Rousseau & Mengersen (2011), JRSS B 73:689-710, theorem 1.
    """
    em = fitted(rng, seed, kind=kind, K=K, n=n, components=components, alpha=1.0, search=SEARCH, **how)
    return gibbs(em, seed, draws=draws), em


@case(
    "a component to spare",
    ("undecided", "degenerate"),
    True,
    bernoulli={"kind": "bernoulli"},
    categorical={"kind": "categorical"},
)
def _(rng, seed, kind):
    """As above, but with few columns: the spare component holds a row or three that suit it by chance."""
    em = fitted(rng, seed, kind=kind, K=2, n=500, components=3, alpha=1.0)
    return gibbs(em, seed, draws=600), em


@case("emptied by the prior", "degenerate", True, gaussian={}, five={"components": 5}, poisson={"kind": "poisson"})
def _(rng, seed, kind="gaussian", components=3):
    """A concentration of 0.05, under which EM finds no optimum at all; chains from prior draws."""
    model, data = setting(kind, 2, 120, rng, components=components, alpha=0.05)
    fit = bm.fit_mcmc(model, data, start="prior", sampler="gibbs", draws=600, tune=300, seed=seed, workers=1)
    return fit, None


@case(
    "twin components",
    "degenerate",
    True,
    gaussian={"var": (200, 199)},
    more_rows={"n": 1500, "var": (200, 199)},
    poisson={"kind": "poisson"},
    switched={"moves": True, "var": (200, 199)},
)
def _(rng, seed, kind="gaussian", n=600, moves=False, **how):
    """One component too many, kept in use by a large Dirichlet concentration: it shares the rows of another.

    Rows that by chance vary more than one component can are drawn again: they do look like two groups. Two equal
    components at a distance of 2 h add h^2 to the variance, so of others the likelihood prefers none (h = 0).
    """
    while True:
        model, data = setting(kind, 1, n, rng, components=2, alpha=200.0, **how)
        if data.x.var() <= (data.x.mean() if kind == "poisson" else 1.0):
            break
    em = bm.fit_em(model, data, seed=seed)
    return gibbs(em, seed, draws=1000, permutation_moves=moves), em


@case("two for one normal", ("undecided", "degenerate"), True, rows_600={"n": 600}, rows_1500={"n": 1500})
def _(rng, seed, n):
    """Twins whose variances are free: half a distance of h standard deviations costs only about n h^8 / 12 nats, as the
    fourth cumulant -2 h^4 has the standard error sqrt(24 / n); the rows do not say whether the two are one.

    The rows are normal quantiles: of random ones the fourth cumulant is by chance such that two are really seen.
    """
    model, _ = setting("gaussian", 1, n, rng, components=2, alpha=200.0)
    rows = [NormalDist().inv_cdf((i + 0.5) / n) for i in range(n)]
    em = bm.fit_em(model, bm.Data(rng.permutation(rows)), seed=seed)
    return gibbs(em, seed, draws=1000), em


@case(
    "collapsed",
    "degenerate",
    False,
    one_row={},
    two={"K": 3},
)
def _(rng, seed, K=2):
    """A flat prior on the standard deviation, and chains that sit on one row with a vanishing one."""
    x = np.concatenate([rng.normal(8 * k, 1, 50) for k in range(K - 1)])
    family = bm.Gaussian(mean=bm.Normal(0, 20), sd=bm.Uniform(0, 50))
    em = bm.fit_em(bm.Mixture(family, K, weight=bm.Dirichlet(2)), bm.Data(x), restarts=30, seed=seed)
    chains = []
    for c in range(4):
        chain = around(em, weighty(em)[0], 400, rng) if weighty(em) else None
        if chain is None:
            theta = em.best
            chain = {n: np.repeat(v[None], 400, axis=0) for n, v in theta.items()}
        row = x[5 + c]
        chain["mean"][:, 0, 0] = row + 1e-9 * rng.standard_normal(400)
        chain["sd"][:, 0, 0] = 1e-8 * np.exp(rng.normal(0, 0.5, 400))
        chain["weight"][:, 0] = 1 / 50
        chain["weight"] /= chain["weight"].sum(axis=1, keepdims=True)
        chains.append(chain)
    return packed(em, chains), em


@case(
    "a heap of everything",
    ("degenerate",),
    True,
    empty_and_switched={"kind": "bernoulli", "each": 12, "components": 4, "n": 500},
)
def _(rng, seed, **how):
    em = fitted(rng, seed, K=2, alpha=1.0, search=SEARCH, **how)
    return gibbs(em, seed, draws=600, permutation_moves=True), em


@case(
    "a landscape in pieces",
    ("undecided", "not converged", "degenerate"),
    True,
    five_for_two={"kind": "mvgaussian 4", "components": 5, "n": 120},
    four_for_two={"kind": "mvgaussian", "components": 4, "n": 500},
)
def _(rng, seed, **how):
    """Spare components of many parameters that find something to fit: optima by the hundred, none of which is the
    result, and the number of components with rows changes from draw to draw."""
    em = fitted(rng, seed, K=2, alpha=1.0, search=SEARCH, **how)
    return gibbs(em, seed, draws=600, permutation_moves=True), em

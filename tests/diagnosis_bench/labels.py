"""The components exchange names, within chains, between them, or across an order that cuts an optimum."""

import numpy as np

import bayesmix as bm
from diagnosis_bench.chains import around, chains_of, gibbs, packed, renamed
from diagnosis_bench.register import case, fitted


@case(
    "perfect switching",
    "label switching",
    True,
    gaussian_K2={"K": 2},
    gaussian_K4={"K": 4, "n": 200},
    gaussian_K8={"K": 8, "n": 600},
    mvgaussian_K3={"kind": "mvgaussian", "K": 3, "n": 200},
    poisson_K3={"kind": "poisson", "K": 3, "n": 200},
    bernoulli_K2={"kind": "bernoulli", "K": 2, "n": 100},
)
def _(rng, seed, **how):
    em = fitted(rng, seed, **how)
    return gibbs(em, seed, draws=600, permutation_moves=True), em


@case(
    "switching between chains",
    "label switching",
    True,
    gaussian_K2={"K": 2},
    mvgaussian_K4={"kind": "mvgaussian", "K": 4, "n": 250},
    poisson_K2={"kind": "poisson", "K": 2, "n": 100},
    bernoulli_K3={"kind": "bernoulli", "K": 3, "n": 150},
)
def _(rng, seed, **how):
    """Gibbs is equivariant: a chain from a permuted start is the permuted chain."""
    em = fitted(rng, seed, **how)
    K = em.mixture.components
    turns = [np.roll(np.arange(K), c % K) for c in range(4)]
    return packed(
        em, [renamed(em.mixture, c, p) for c, p in zip(chains_of(gibbs(em, seed, 600)), turns, strict=True)]
    ), em


@case(
    "switching within chains",
    "label switching",
    False,
    gaussian_K2={"K": 2},
    gaussian_K3_two_of_them={"K": 3, "n": 150, "of": 2},
    mvgaussian_K5={"kind": "mvgaussian", "K": 5, "n": 300},
    once={"K": 2, "times": 1},
    and_between={"K": 3, "n": 150, "between": True},
)
def _(rng, seed, of=None, times=6, between=False, **how):
    em = fitted(rng, seed, **how)
    K, chains = em.mixture.components, []
    for c in range(4):
        chain = around(em, 0, 600, rng)
        perms, at = np.empty((600, K), dtype=int), np.roll(np.arange(K), c) if between else np.arange(K)
        changes = set(rng.choice(np.arange(50, 550), size=times, replace=False).tolist())
        for s in range(600):
            if s in changes:
                some = rng.choice(K, size=2, replace=False) if of is None else np.arange(of)
                at = at.copy()
                at[some] = at[some[::-1]]
            perms[s] = at
        chains.append(renamed(em.mixture, chain, perms))
    return packed(em, chains), em


@case(
    "an order that cuts",
    "label switching",
    True,
    unequal_scales={},
    three={"K": 3},
    second_column={"d": 2},
    no_order_on_the_means_of_two={"weights": True},
    large={"n": 600},
)
def _(rng, seed, K=2, d=1, n=200, weights=False):
    """Equal means, unequal scales, ordered by the mean; or equal weights, ordered by the weight.

    The rows come in pairs x, -x, so that the order cuts every optimum in halves, and not by chance near its edge.
    """
    m = n // K
    if weights:
        x = np.concatenate([rng.normal(8 * k, 1, m) for k in range(K)])
        order, family = bm.Order("weight"), bm.Gaussian(mean=bm.Normal(4, 10), var=bm.InverseGamma(3, 2))
    else:
        half = np.concatenate([rng.normal(0, 12.0**k, (m // 2, d)) for k in range(K)])
        x = np.concatenate([half, -half])
        order = bm.Order("mean", by=d - 1)
        family = bm.Gaussian(mean=bm.Normal(0, 5), var=bm.InverseGamma(1.5, 2))
    em = bm.fit_em(bm.Mixture(family, K, weight=bm.Dirichlet(4), constraints=(order,)), bm.Data(x), seed=seed)
    return gibbs(em, seed, draws=1000), em


@case(
    "galaxies",
    "label switching",
    True,
    from_random_starts={},
)
def _(rng, seed):
    """P1 of the golden cases: mean ~ N(20, 10), var ~ InverseGamma(3, 20), unconstrained."""
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(20, 10), var=bm.InverseGamma(3, 20)), 3)
    data = bm.datasets.galaxies()
    em = bm.fit_em(model, data, seed=seed)
    fit = bm.fit_mcmc(model, data, start="prior", sampler="gibbs", draws=4000, tune=1000, seed=seed, workers=1)
    return fit, em

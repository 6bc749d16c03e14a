"""The cases of the bench, by verdict."""

from dataclasses import dataclass

import numpy as np

import bayesmix as bm
from diagnosis_bench.chains import around, chains_of, gibbs, mixed, packed, renamed, weighty
from diagnosis_bench.settings import setting
from diagnosis_bench.sound import sounds

CASES = {}


@dataclass(frozen=True)
class Case:
    """A kind of situation: `make(seed)` returns (fit, em); `truth` are the verdicts that are right, the best first."""

    name: str
    truth: tuple
    real: bool
    make: object


def case(name, truth, real, **variants):
    """Register make(rng, seed, **arguments) for each variant: {suffix: arguments}."""

    def register(make):
        for suffix, arguments in variants.items():
            full = f"{name}: {suffix.replace('_', ' ')}"

            def build(seed, make=make, arguments=arguments, key=sum(map(ord, full))):
                return make(np.random.default_rng([seed, key]), seed, **arguments)

            CASES[full] = Case(full, (truth,) if isinstance(truth, str) else tuple(truth), real, build)
        return make

    return register


def fitted(rng, seed, kind="gaussian", K=2, n=100, **options):
    model, data = setting(kind, K, n, rng, **options)
    return bm.fit_em(model, data, seed=seed)


# ---- sound ------------------------------------------------------------------------------------------------------


@case(
    "sound Gibbs", "sound", True, gaussian_K2={"kind": "gaussian", "K": 2}, gaussian_K5={"kind": "gaussian", "K": 5, "n": 400},
    gaussian_K8={"kind": "gaussian", "K": 8, "n": 800}, sd_K3={"kind": "gaussian sd", "K": 3, "n": 150},
    mvgaussian_K3={"kind": "mvgaussian", "K": 3, "n": 300}, four_columns_K4={"kind": "mvgaussian 4", "K": 4, "n": 400},
    poisson_K3={"kind": "poisson", "K": 3, "n": 200}, bernoulli_K4={"kind": "bernoulli", "K": 4, "n": 200},
    ordered={"kind": "gaussian", "K": 3, "n": 200, "constraints": (bm.Order("mean"),)},
    floor={"kind": "gaussian", "K": 3, "n": 200, "constraints": (bm.MinWeight(0.05),)},
)  # fmt: skip
def _(rng, seed, **how):
    em = fitted(rng, seed, **how)
    return gibbs(em, seed, draws=600), em


@case(
    "sound draws", "sound", False, K2={"K": 2}, K4={"K": 4, "n": 200}, autocorrelated={"K": 3, "n": 150, "phi": 0.5},
    mvgaussian_K6={"kind": "mvgaussian", "K": 6, "n": 400},
)  # fmt: skip
def _(rng, seed, phi=0.0, **how):
    em = fitted(rng, seed, **how)
    return packed(em, [around(em, 0, 800, rng, phi) for _ in range(4)]), em


# ---- label switching --------------------------------------------------------------------------------------------


@case(
    "perfect switching", "label switching", True, gaussian_K2={"K": 2}, gaussian_K4={"K": 4, "n": 200},
    gaussian_K8={"K": 8, "n": 600}, mvgaussian_K3={"kind": "mvgaussian", "K": 3, "n": 200},
    poisson_K3={"kind": "poisson", "K": 3, "n": 200}, bernoulli_K2={"kind": "bernoulli", "K": 2, "n": 100},
)  # fmt: skip
def _(rng, seed, **how):
    em = fitted(rng, seed, **how)
    return gibbs(em, seed, draws=600, permutation_moves=True), em


@case(
    "switching between chains", "label switching", True, gaussian_K2={"K": 2}, mvgaussian_K4={"kind": "mvgaussian", "K": 4, "n": 250},
    poisson_K2={"kind": "poisson", "K": 2, "n": 100}, bernoulli_K3={"kind": "bernoulli", "K": 3, "n": 150},
)  # fmt: skip
def _(rng, seed, **how):
    """Gibbs is equivariant: a chain from a permuted start is the permuted chain."""
    em = fitted(rng, seed, **how)
    K = em.mixture.components
    turns = [np.roll(np.arange(K), c % K) for c in range(4)]
    return packed(
        em, [renamed(em.mixture, c, p) for c, p in zip(chains_of(gibbs(em, seed, 600)), turns, strict=True)]
    ), em


@case(
    "switching within chains", "label switching", False, gaussian_K2={"K": 2}, gaussian_K3_two_of_them={"K": 3, "n": 150, "of": 2},
    mvgaussian_K5={"kind": "mvgaussian", "K": 5, "n": 300}, once={"K": 2, "times": 1}, and_between={"K": 3, "n": 150, "between": True},
)  # fmt: skip
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
    "an order that cuts", "label switching", True, unequal_scales={}, three={"K": 3}, second_column={"d": 2},
    no_order_on_the_means_of_two={"weights": True}, large={"n": 600},
)  # fmt: skip
def _(rng, seed, K=2, d=1, n=200, weights=False):
    """Equal means, unequal scales, ordered by the mean; or equal weights, ordered by the weight."""
    m = n // K
    if weights:
        x = np.concatenate([rng.normal(8 * k, 1, m) for k in range(K)])
        order, family = bm.Order("weight"), bm.Gaussian(mean=bm.Normal(4, 10), var=bm.InverseGamma(3, 2))
    else:
        x = np.concatenate([rng.normal(0, 12.0**k, (m, d)) for k in range(K)])
        x[:, 1:] *= 1.0
        order = bm.Order("mean", by=d - 1)
        family = bm.Gaussian(mean=bm.Normal(0, 5), var=bm.InverseGamma(1.5, 2))
    em = bm.fit_em(bm.Mixture(family, K, weight=bm.Dirichlet(4), constraints=(order,)), bm.Data(x), seed=seed)
    return gibbs(em, seed, draws=1000), em


@case("galaxies", "label switching", True, from_random_starts={})
def _(rng, seed):
    """P1 of the golden cases: mean ~ N(20, 10), var ~ InverseGamma(3, 20), unconstrained."""
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(20, 10), var=bm.InverseGamma(3, 20)), 3)
    data = bm.datasets.galaxies()
    em = bm.fit_em(model, data, seed=seed)
    fit = bm.fit_mcmc(model, data, start="prior", sampler="gibbs", draws=4000, tune=1000, seed=seed, workers=1)
    return fit, em


# ---- several modes ----------------------------------------------------------------------------------------------


def pairs(rng, seed, kind="gaussian", groups=4, K=3, n=30, gap=3.0, far=20.0):
    """Fewer components than groups, the groups in pairs: one optimum for each pair that may be split."""
    at = np.array([far * (g // 2) + gap * (g % 2) for g in range(groups)])
    if kind == "gaussian":
        x = np.concatenate([rng.normal(m, 0.5, n) for m in at])
        family = bm.Gaussian(mean=bm.Normal(at.mean(), far), var=bm.InverseGamma(20, 20))
    else:
        x = np.concatenate([rng.normal([m, -m], 0.5, (n, 2)) for m in at])
        family = bm.MvGaussian(
            mean=bm.ConjugateNormal([at.mean(), -at.mean()], 0.01), cov=bm.InverseWishart(40, 40 * np.eye(2))
        )
    model = bm.Mixture(family, K, weight=bm.Dirichlet(2))
    return bm.fit_em(model, bm.Data(x), restarts=60, start="rows", seed=seed)


@case(
    "two optima", "several modes", True, gaussian={}, mvgaussian={"kind": "mvgaussian"}, more_rows={"n": 80},
    one_chain_apart={"split": (0, 0, 0, 1)}, switched={"turn": True},
)  # fmt: skip
def _(rng, seed, split=(0, 0, 1, 1), turn=False, **how):
    em = pairs(rng, seed, **how)
    modes = weighty(em)
    chains = [chains_of(gibbs(em, seed + c, 500, chains=1, mode=modes[m]))[0] for c, m in enumerate(split)]
    if turn:
        chains = [
            renamed(em.mixture, chain, np.roll(np.arange(em.mixture.components), c)) for c, chain in enumerate(chains)
        ]
    return packed(em, chains), em


@case("three optima", "several modes", True, gaussian={}, mvgaussian={"kind": "mvgaussian"})
def _(rng, seed, **how):
    em = pairs(rng, seed, groups=6, K=4, **how)
    modes = weighty(em)
    chains = [chains_of(gibbs(em, seed + c, 500, chains=1, mode=modes[m]))[0] for c, m in enumerate((0, 1, 2, 0))]
    return packed(em, chains), em


@case(
    "unvisited region", "several modes", True, lesser_missed={}, best_missed={"mode": 1}, mvgaussian={"kind": "mvgaussian"},
    three={"groups": 6, "K": 4},
)  # fmt: skip
def _(rng, seed, mode=0, **how):
    em = pairs(rng, seed, **how)
    return gibbs(em, seed, 500, mode=weighty(em)[mode]), em


@case(
    "stuck far below",
    "several modes",
    True,
    two_of_four={"split": (0, 0, 1, 1)},
    one_of_four={"split": (0, 0, 1, 0)},
    all={"split": (1, 1, 1, 1)},
)
def _(rng, seed, split):
    """Runs B and C of the notes: three normals at 0, 4.5 and 30, and the optimum in which one component covers two."""
    x = np.concatenate([rng.normal(m, 1, 100) for m in (0, 4.5, 30)])
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(10, 20), var=bm.InverseGamma(3, 2)), 3, weight=bm.Dirichlet(2))
    em = bm.fit_em(model, bm.Data(x), restarts=60, start="rows", seed=seed)
    low = [m for m in range(1, len(em.optima)) if em.optima[m].kind in ("interior", "twin components")]
    chains = [
        chains_of(gibbs(em, seed + c, 400, tune=50, chains=1, mode=low[0] if m else 0))[0] for c, m in enumerate(split)
    ]
    return packed(em, chains), em


@case("two optima, made up", "several modes", False, apart={}, switched={"turn": True})
def _(rng, seed, turn=False):
    em = pairs(rng, seed)
    modes = weighty(em)
    chains = [around(em, modes[c // 2], 500, rng) for c in range(4)]
    if turn:
        K = em.mixture.components
        chains = [renamed(em.mixture, c, np.stack([rng.permutation(K) for _ in range(500)])) for c in chains]
    return packed(em, chains), em


@case("free movement", "sound", False, between_two={}, mostly_one={"weights": (0.85, 0.15)})
def _(rng, seed, weights=None):
    em = pairs(rng, seed)
    modes = weighty(em)[:2]
    return packed(em, [mixed(em, modes, 1500, rng, 0.5, weights) for _ in range(4)]), em


@case("free movement and switching", "label switching", False, between_two={})
def _(rng, seed):
    em = pairs(rng, seed)
    K, modes = em.mixture.components, weighty(em)[:2]
    chains = [mixed(em, modes, 1500, rng, 0.5) for _ in range(4)]
    return packed(em, [renamed(em.mixture, c, np.stack([rng.permutation(K) for _ in range(1500)])) for c in chains]), em


# ---- not converged ----------------------------------------------------------------------------------------------


@case(
    "a chain beside the others", "not converged", False, one={}, K4={"K": 4, "n": 200}, two={"shifted": 2},
    mvgaussian={"kind": "mvgaussian", "K": 3, "n": 200}, switched={"K": 3, "n": 150, "turn": True},
)  # fmt: skip
def _(rng, seed, shifted=1, turn=False, **how):
    em = fitted(rng, seed, **how)
    chains = [around(em, 0, 500, rng, 0.3, shift=1.0 if c < shifted else 0.0) for c in range(4)]
    if turn:
        chains = [
            renamed(em.mixture, chain, np.roll(np.arange(em.mixture.components), c)) for c, chain in enumerate(chains)
        ]
    return packed(em, chains), em


@case("slow chains", ("not converged", "undecided"), False, very={"phi": 0.998}, rather={"phi": 0.99})
def _(rng, seed, phi):
    em = fitted(rng, seed, K=3, n=150)
    return packed(em, [around(em, 0, 400, rng, phi) for _ in range(4)]), em


@case(
    "cut short",
    ("not converged", "undecided"),
    True,
    poisson={"kind": "poisson"},
    gaussian={"kind": "gaussian"},
    bernoulli={"kind": "bernoulli", "K": 3},
)
def _(rng, seed, kind, K=2):
    """Overlapping groups of many rows and a few sweeps from prior draws without warm-up."""
    em = fitted(rng, seed, kind=kind, K=K, n=1500, apart=1.6)
    fit = bm.fit_mcmc(em.mixture, em.data, start="prior", sampler="gibbs", draws=60, tune=1, seed=seed, workers=1)
    return fit, em


# ---- undecided --------------------------------------------------------------------------------------------------


@case(
    "few draws",
    "undecided",
    True,
    gaussian={"K": 2},
    mvgaussian={"kind": "mvgaussian", "K": 3, "n": 200},
    poisson={"kind": "poisson", "K": 2},
)
def _(rng, seed, **how):
    em = fitted(rng, seed, **how)
    return gibbs(em, seed, draws=60), em


@case("few draws, made up", "undecided", False, K2={"K": 2}, K4={"K": 4, "n": 200})
def _(rng, seed, **how):
    em = fitted(rng, seed, **how)
    return packed(em, [around(em, 0, 70, rng) for _ in range(4)]), em


@case(
    "overlapping",
    ("undecided", "degenerate", "not converged"),
    True,
    gaussian={"apart": 1.5},
    gaussian_K3={"apart": 1.3, "K": 3},
    poisson={"kind": "poisson", "apart": 1.2},
    two_columns={"kind": "gaussian 2", "apart": 0.8},
)
def _(rng, seed, kind="gaussian", **how):
    """Groups so close that few rows tell them apart: which component is which is no question with an answer."""
    em = fitted(rng, seed, kind=kind, n=120, **how)
    return gibbs(em, seed, draws=1500, tune=300), em


# ---- degenerate -------------------------------------------------------------------------------------------------


@case(
    "empty components", "degenerate", True, gaussian_3_for_2={}, gaussian_5_for_2={"components": 5}, mvgaussian={"kind": "mvgaussian"},
    poisson={"kind": "poisson"}, bernoulli={"kind": "bernoulli"}, six_for_three={"K": 3, "components": 6, "n": 200},
)  # fmt: skip
def _(rng, seed, kind="gaussian", K=2, n=120, components=3):
    """More components than groups, under a small Dirichlet concentration that empties them (Rousseau & Mengersen 2011)."""
    em = fitted(rng, seed, kind=kind, K=K, n=n, components=components, alpha=0.05)
    return gibbs(em, seed, draws=600), em


@case(
    "twin components",
    "degenerate",
    True,
    gaussian={},
    mvgaussian={"kind": "mvgaussian", "n": 300},
    poisson={"kind": "poisson"},
    switched={"moves": True},
)
def _(rng, seed, kind="gaussian", n=200, moves=False):
    """One component too many, kept in use by a large Dirichlet concentration: it shares the rows of another."""
    em = fitted(rng, seed, kind=kind, K=1, n=n, components=2, alpha=200.0)
    return gibbs(em, seed, draws=1000, permutation_moves=moves), em


@case("collapsed", "degenerate", False, one_row={}, two={"K": 3})
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


@case("a heap of everything", "degenerate", True, empty_and_switched={})
def _(rng, seed):
    em = fitted(rng, seed, K=2, n=120, components=4, alpha=0.05)
    return gibbs(em, seed, draws=600, permutation_moves=True), em

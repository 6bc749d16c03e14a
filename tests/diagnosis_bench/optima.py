"""Several genuine optima: chains apart, regions that no chain visited, and free movement, which is no fault."""

import numpy as np

import bayesmix as bm
from diagnosis_bench.chains import around, chains_of, gibbs, mixed, packed, renamed, weighty
from diagnosis_bench.register import case


def pairs(rng, seed, kind="gaussian", groups=4, K=3, n=30, gap=3.0, far=20.0, alike=False):
    """Fewer components than groups, the groups in pairs: one optimum for each pair that may be split.

    alike: all pairs are copies of the first, so that these optima have nearly one height and mass; otherwise one of
    them may by chance hold next to all of it.
    """
    at = np.array([far * (g // 2) + gap * (g % 2) for g in range(groups)])
    d = 1 if kind == "gaussian" else 2
    noise = rng.normal(0, 0.5, (2 if alike else groups, n, d))
    noise = np.tile(noise, (groups // len(noise), 1, 1))
    if kind == "gaussian":
        x = np.concatenate(at[:, None] + noise[..., 0])
        family = bm.Gaussian(mean=bm.Normal(at.mean(), far), var=bm.InverseGamma(20, 20))
    else:
        x = np.concatenate(at[:, None, None] * [1, -1] + noise)
        family = bm.MvGaussian(
            mean=bm.ConjugateNormal([at.mean(), -at.mean()], 0.01), cov=bm.InverseWishart(40, 40 * np.eye(2))
        )
    model = bm.Mixture(family, K, weight=bm.Dirichlet(2))
    return bm.fit_em(model, bm.Data(x), restarts=60, start="rows", seed=seed)


@case(
    "two optima",
    "several modes",
    True,
    gaussian={},
    mvgaussian={"kind": "mvgaussian"},
    more_rows={"n": 80},
    one_chain_apart={"split": (0, 0, 0, 1)},
    switched={"turn": True},
)
def _(rng, seed, split=(0, 0, 1, 1), turn=False, **how):
    em = pairs(rng, seed, **how)
    modes = weighty(em)
    chains = [chains_of(gibbs(em, seed + c, 500, chains=1, mode=modes[m]))[0] for c, m in enumerate(split)]
    if turn:
        chains = [
            renamed(em.mixture, chain, np.roll(np.arange(em.mixture.components), c)) for c, chain in enumerate(chains)
        ]
    return packed(em, chains), em


@case(
    "three optima",
    "several modes",
    True,
    gaussian={},
    mvgaussian={"kind": "mvgaussian"},
)
def _(rng, seed, **how):
    em = pairs(rng, seed, groups=6, K=4, **how)
    modes = weighty(em)
    chains = [chains_of(gibbs(em, seed + c, 500, chains=1, mode=modes[m]))[0] for c, m in enumerate((0, 1, 2, 0))]
    return packed(em, chains), em


@case(
    "unvisited region",
    "several modes",
    True,
    best_but_one_missed={},
    best_missed={"mode": 1},
    mvgaussian={"kind": "mvgaussian"},
    three={"groups": 6, "K": 4},
)
def _(rng, seed, mode=0, **how):
    """All chains in one of several optima of nearly one mass."""
    em = pairs(rng, seed, alike=True, **how)
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
    chains = [staying(em, low[0] if m else 0, seed + c) for c, m in enumerate(split)]
    return packed(em, chains), em


def staying(em, mode, seed, draws=400):
    """A chain that spends all its draws at an optimum: one that left for a higher one is drawn again.

    Where two components share the rows of one their shares wander, and now and then one is emptied and set free.
    """
    top, own = em.optima[0].log_posterior, em.optima[mode].log_posterior
    while True:
        fit = gibbs(em, seed, draws, tune=50, chains=1, mode=mode)
        if mode == 0 or fit.log_posteriors.max() < (top + own) / 2:
            return chains_of(fit)[0]
        seed += 1000


@case(
    "two optima, made up",
    "several modes",
    False,
    apart={},
    switched={"turn": True},
)
def _(rng, seed, turn=False):
    em = pairs(rng, seed)
    modes = weighty(em)
    chains = [around(em, modes[c // 2], 500, rng) for c in range(4)]
    if turn:
        K = em.mixture.components
        chains = [renamed(em.mixture, c, np.stack([rng.permutation(K) for _ in range(500)])) for c in chains]
    return packed(em, chains), em


@case(
    "free movement",
    "sound",
    False,
    between_two={},
    mostly_one={"weights": (0.85, 0.15)},
)
def _(rng, seed, weights=None):
    em = pairs(rng, seed)
    modes = weighty(em)[:2]
    return packed(em, [mixed(em, modes, 1500, rng, 0.5, weights) for _ in range(4)]), em


@case(
    "free movement and switching",
    "label switching",
    False,
    between_two={},
)
def _(rng, seed):
    em = pairs(rng, seed)
    K, modes = em.mixture.components, weighty(em)[:2]
    chains = [mixed(em, modes, 1500, rng, 0.5) for _ in range(4)]
    return packed(em, [renamed(em.mixture, c, np.stack([rng.permutation(K) for _ in range(1500)])) for c in chains]), em

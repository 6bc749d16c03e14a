"""Chains of one optimum that disagree, or cannot have forgotten where they began."""

import numpy as np

import bayesmix as bm
from diagnosis_bench.chains import around, packed, renamed
from diagnosis_bench.register import case, fitted


@case(
    "a chain beside the others",
    "not converged",
    False,
    one={},
    K4={"K": 4, "n": 200},
    two={"shifted": 2},
    mvgaussian={"kind": "mvgaussian", "K": 3, "n": 200},
    switched={"K": 3, "n": 150, "turn": True},
)
def _(rng, seed, shifted=1, turn=False, **how):
    em = fitted(rng, seed, **how)
    chains = [around(em, 0, 500, rng, 0.3, shift=1.0 if c < shifted else 0.0) for c in range(4)]
    if turn:
        chains = [
            renamed(em.mixture, chain, np.roll(np.arange(em.mixture.components), c)) for c, chain in enumerate(chains)
        ]
    return packed(em, chains), em


@case(
    "slow chains",
    ("not converged", "undecided"),
    False,
    very={"phi": 0.998},
    rather={"phi": 0.99},
)
def _(rng, seed, phi):
    em = fitted(rng, seed, K=3, n=150)
    return packed(em, [around(em, 0, 400, rng, phi) for _ in range(4)]), em


@case(
    "cut short",
    ("not converged", "undecided"),
    True,
    poisson={"kind": "poisson"},
    gaussian={"kind": "gaussian"},
    bernoulli={"kind": "bernoulli", "sure": 0.7},
)
def _(rng, seed, kind, **how):
    """Overlapping groups of many rows and a few sweeps from prior draws without warm-up.

    Clear groups are another case: there a chain that begins in a lower optimum stays for many hundred sweeps.
    """
    em = fitted(rng, seed, kind=kind, K=2, n=1500, apart=1.6, **how)
    fit = bm.fit_mcmc(em.mixture, em.data, start="prior", sampler="gibbs", draws=60, tune=1, seed=seed, workers=1)
    return fit, em

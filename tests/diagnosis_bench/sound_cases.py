"""Nothing is wrong."""

import bayesmix as bm
from diagnosis_bench.chains import around, gibbs, packed
from diagnosis_bench.register import case, fitted


@case(
    "sound Gibbs",
    "sound",
    True,
    gaussian_K2={"kind": "gaussian", "K": 2},
    gaussian_K5={"kind": "gaussian", "K": 5, "n": 400},
    gaussian_K8={"kind": "gaussian", "K": 8, "n": 800},
    sd_K3={"kind": "gaussian sd", "K": 3, "n": 150},
    mvgaussian_K3={"kind": "mvgaussian", "K": 3, "n": 300},
    four_columns_K4={"kind": "mvgaussian 4", "K": 4, "n": 400},
    poisson_K3={"kind": "poisson", "K": 3, "n": 200},
    bernoulli_K4={"kind": "bernoulli", "K": 4, "n": 200},
    ordered={"kind": "gaussian", "K": 3, "n": 200, "constraints": (bm.Order("mean"),)},
    floor={"kind": "gaussian", "K": 3, "n": 200, "constraints": (bm.MinWeight(0.05),)},
)
def _(rng, seed, **how):
    em = fitted(rng, seed, **how)
    return gibbs(em, seed, draws=600), em


@case(
    "sound draws",
    "sound",
    False,
    K2={"K": 2},
    K4={"K": 4, "n": 200},
    autocorrelated={"K": 3, "n": 150, "phi": 0.5},
    mvgaussian_K6={"kind": "mvgaussian", "K": 6, "n": 400},
)
def _(rng, seed, phi=0.0, **how):
    em = fitted(rng, seed, **how)
    return packed(em, [around(em, 0, 800, rng, phi) for _ in range(4)]), em

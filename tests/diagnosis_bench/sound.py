"""Any number of sound fits: well separated groups, as many components as groups, chains that mix."""

import numpy as np

import bayesmix as bm
from diagnosis_bench.chains import around, gibbs, packed
from diagnosis_bench.settings import KINDS, setting


def sounds(i, seed=100):
    """(fit, em) of the i-th sound fit: made-up draws for odd i, Gibbs for even i; 4 chains of 500 or more."""
    rng = np.random.default_rng([seed, i])
    kind = KINDS[i // 2 % len(KINDS)]
    K = int(rng.integers(2, 4 if kind in ("bernoulli", "categorical") else 6))  # EM with 100 probabilities takes long
    n = int(rng.integers(30, 80)) * K
    model, data = setting(kind, K, n, rng, apart=rng.uniform(8, 12))
    em = bm.fit_em(model, data, seed=i)
    if i % 2:
        return packed(em, [around(em, 0, 500, rng, phi=rng.uniform(0, 0.3)) for _ in range(4)]), em
    return gibbs(em, seed=i, draws=500, tune=50), em

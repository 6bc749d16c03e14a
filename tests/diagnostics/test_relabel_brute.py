"""Each method beside all K! permutations of each draw, costs written out by loops: K = 3 and 4, apart and overlapping.

The one-round methods (ecr, pivot) must give the brute force's permutations. The alternating ones must not end above
the same alternation from the names as drawn, and where each round can only gain (stephens, ecr-iterative) no other
permutation of any draw may be cheaper under the target that they imply. "data" starts at ecr and must end where the
brute force does.
"""

from itertools import permutations

import numpy as np
import pytest
import xarray as xr

import bayesmix as bm
from bayesmix.diagnostics.relabelling.agreement import agreement

CASES = {
    "K = 3 apart": (3, 30, 24, 4.0, 1),
    "K = 3 overlapping": (3, 60, 20, 1.2, 2),
    "K = 4 overlapping": (4, 40, 24, 1.5, 3),
}
METHODS = ("ecr", "pivot", "data", "stephens", "ecr-iterative", "ecr-iterative-2")


def draws_of(K, T, n, apart, seed):
    """Allocations, probabilities and parameters of T made-up draws under planted names, and the rows."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % K
    y = rng.normal(apart * truth, 1.0)
    w = rng.dirichlet(np.full(K, 8.0), T)
    mu = apart * np.arange(K) + rng.normal(0, 0.35, (T, K))
    s2 = 1 / rng.gamma(8, 1 / 8, (T, K))
    density = w[:, None] * np.exp(-0.5 * (y[:, None] - mu[:, None]) ** 2 / s2[:, None]) / np.sqrt(s2[:, None])
    p = density / density.sum(axis=2, keepdims=True)
    z = (p.cumsum(axis=2) < rng.random((T, n, 1))).sum(axis=2).clip(max=K - 1)
    planted = rng.permuted(np.tile(np.arange(K), (T, 1)), axis=1)
    w, mu, s2 = (np.take_along_axis(v, planted, axis=1) for v in (w, mu, s2))
    p = np.take_along_axis(p, planted[:, None], axis=2)
    z = np.take_along_axis(np.argsort(planted, axis=1), z, axis=1)
    return {"y": y, "w": w, "mu": mu, "s2": s2, "p": p, "z": z, "planted": planted,
            "log_posterior": np.log(density.sum(axis=2)).sum(axis=1)}  # fmt: skip


def cheapest(cost):
    """(permutation, total, gap) of each draw over all K! permutations of cost (T, K, K)."""
    every = np.array(list(permutations(range(cost.shape[1]))))
    totals = cost[:, np.arange(cost.shape[1]), every].sum(axis=2)
    ranked = np.sort(totals, axis=1)
    return every[totals.argmin(axis=1)], ranked[:, 0], ranked[:, 1] - ranked[:, 0]


def matches(d, pivot):
    names = np.arange(d["mu"].shape[1])
    return -np.einsum(
        "til,ik->tkl", (d["z"][:, :, None] == names).astype(float), (pivot[:, None] == names).astype(float)
    )


def costs(method, d, names):
    """C (T, new, old) of a method, its target made from the draws under `names` (T, K)."""
    T, K = d["mu"].shape
    z = np.take_along_axis(np.argsort(names, axis=1), d["z"], axis=1)
    p = np.take_along_axis(d["p"], names[:, None], axis=2)
    star = int(d["log_posterior"].argmax())
    if method == "ecr":
        return matches(d, d["z"][star])
    if method == "pivot":
        theta = np.stack([d["w"], d["mu"], d["s2"]], axis=2)
        return -np.einsum("kj,tlj->tkl", theta[star], theta)
    if method == "ecr-iterative":
        return matches(d, np.array([np.bincount(column, minlength=K).argmax() for column in z.T]))
    if method == "ecr-iterative-2":
        return matches(d, p.mean(axis=0).argmax(axis=1))
    if method == "stephens":
        own, mean = np.log(np.maximum(d["p"], 1e-300)), np.log(np.maximum(p.mean(axis=0), 1e-300))
        return (d["p"] * own).sum(axis=1)[:, None] - np.einsum("til,ik->tkl", d["p"], mean)
    rows = [[d["y"][z[t] == k] for t in range(T)] for k in range(K)]
    m = np.array([np.mean([r.mean() for r in own if len(r)]) for own in rows])
    v = np.array([np.mean([r.var() for r in own if len(r)]) for own in rows])
    return np.array([[[((d["y"][d["z"][t] == old] - m[new]) ** 2).sum() / v[new] for old in range(K)]
                      for new in range(K)] for t in range(T)])  # fmt: skip


def alternation(method, d, names):
    """The last total of cheapest permutations under ever new targets, from these names, while it falls."""
    best = np.inf
    while True:
        names, total, _ = cheapest(costs(method, d, names))
        if not total.sum() < best - 1e-9 * abs(total.sum()):
            return best
        best = total.sum()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", CASES)
def test_beside_all_permutations(case, method):
    K, T, *_ = CASES[case]
    d = draws_of(*CASES[case])
    lead = ("chain", "draw", "component")
    posterior = xr.Dataset({name: (lead, d[name][None]) for name in ("w", "mu", "s2")})
    out = bm.relabel(posterior, method=method, allocations=d["z"][None], probabilities=d["p"][None], data=d["y"],
                     log_posterior=d["log_posterior"][None])  # fmt: skip
    found = out.permutation.values[0]
    expected, total, gap = cheapest(costs(method, d, found))
    if method in ("ecr", "pivot"):
        np.testing.assert_array_equal(found[gap > 1e-9], expected[gap > 1e-9])
        np.testing.assert_allclose(out.gap.values[0], gap, atol=1e-9)
        assert out.objective == pytest.approx(total.sum(), rel=1e-12)
    else:
        if method in ("stephens", "ecr-iterative"):
            own = np.take_along_axis(costs(method, d, found), found[:, :, None], axis=2).sum(axis=(1, 2))
            np.testing.assert_allclose(own, total, atol=1e-9)
        start = cheapest(costs("ecr", d, found))[0] if method == "data" else np.tile(np.arange(K), (T, 1))
        end = alternation(method, d, start)
        assert out.objective <= end + 1e-9 * abs(end)
        assert method != "data" or out.objective == pytest.approx(end, rel=1e-9)
    if case == "K = 3 apart":
        assert agreement(found, np.argsort(d["planted"], axis=1)) == 1.0


def test_the_names_as_drawn_are_dearer():
    """Negative control: without relabelling the brute force does find cheaper permutations, for every method."""
    d = draws_of(*CASES["K = 3 apart"])
    names = np.tile(np.arange(3), (30, 1))
    for method in METHODS:
        cost = costs(method, d, names)
        assert np.einsum("tkk->", cost) > cheapest(cost)[1].sum() + 1


@pytest.mark.parametrize("method,seed", [("ecr-iterative", 17), ("ecr-iterative-2", 32), ("stephens", 17)])
def test_many_draws_end_no_higher_than_from_the_names_as_drawn(method, seed):
    """Beginnings are compared on some of the draws where there are many; what is found there must hold for all."""
    d = draws_of(3, 900, 24, 0.8, seed)
    lead = ("chain", "draw", "component")
    posterior = xr.Dataset({name: (lead, d[name][None]) for name in ("w", "mu", "s2")})
    out = bm.relabel(posterior, method=method, allocations=d["z"][None], probabilities=d["p"][None],
                     log_posterior=d["log_posterior"][None])  # fmt: skip
    end = alternation(method, d, np.tile(np.arange(3), (900, 1)))
    assert out.objective <= end + 1e-9 * abs(end)

"""Every method beside the brute-force permutations and objectives of LS1 and LS2 (golden/README.md, section 7)."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import bayesmix as bm
from bayesmix.diagnostics.relabelling.agreement import agreement

GOLDEN = Path(__file__).parents[1] / "golden"
METHODS = {
    "ecr": "ECR_pivot_MAP_draw",
    "ecr-iterative": "ECR_iterative_1",
    "ecr-iterative-2": "ECR_iterative_2",
    "stephens": "Stephens_KL_from_identity",
    "pivot": "PRA_pivot_MAP_draw_raw_params",
    "data": "DataBased_init_from_ECR",
    "order": "order_mu",
}
ITERATIVE = ("ecr-iterative", "ecr-iterative-2", "stephens")


@pytest.fixture(scope="module", params=["ls1_wellsep_K3", "ls2_overlap_K3"])
def case(request):
    """(draws as ArviZ would hold them, arrays, golden numbers, results of all methods)."""
    arrays = dict(np.load(GOLDEN / f"{request.param}.npz"))
    golden = json.loads((GOLDEN / f"{request.param}.json").read_text(encoding="utf-8"))
    lead = ("chain", "draw")
    names = ("w", "mu", "sigma2")
    draws = xr.Dataset(
        {name: ((*lead, "component"), arrays["params"][None, ..., j]) for j, name in enumerate(names)}
        | {"z": ((*lead, "obs"), arrays["z"][None])},
        coords={"chain": [0], "draw": np.arange(len(arrays["z"]))},
    )
    results = {
        name: bm.relabel(
            draws, method=name, allocations="z", probabilities=arrays["p"][None], data=arrays["y"],
            log_posterior=arrays["log_posterior"][None], by="mu",
        )
        for name in METHODS
    }  # fmt: skip
    return draws, arrays, golden, results


@pytest.mark.parametrize("name", METHODS)
def test_permutations(case, name):
    _, arrays, golden, results = case
    expected, found = golden[METHODS[name]], results[name].permutation.values[0]
    ours, theirs = found, np.array(expected["perms"])
    if name in ITERATIVE:  # they may end under other names of all components; ties may be broken either way
        assert agreement(ours, theirs) >= 1 - expected["n_ties"] / len(ours)
    else:
        tied = results[name].gap.values[0] < 1e-9
        assert tied.sum() == expected["n_ties"]
        np.testing.assert_array_equal(ours[~tied], theirs[~tied])
    truth = np.argsort(arrays["applied_permutations_TRUTH"], axis=1)  # what undoes the planted permutations
    assert (
        agreement(ours, truth)
        >= expected["agreement_with_truth_up_to_global_perm"] - expected["n_ties"] / len(ours) - 1e-12
    )
    assert results[name].gap.min().item() == pytest.approx(expected["min_gap_to_second_best"], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", METHODS)
def test_objectives(case, name):
    _, arrays, golden, results = case
    expected, objective = golden[METHODS[name]], results[name].objective
    if name == "ecr":
        assert -objective == expected["objective_matches"]
    elif name.startswith("ecr"):
        assert -objective >= max(expected["objective_trace"])
    elif name == "stephens":
        best = min(golden["Stephens_KL_best_of_13_inits"]["objective_trace"] + expected["objective_trace"])
        assert objective <= best * (1 + 1e-12)
    elif name == "pivot":
        assert -objective == pytest.approx(expected["objective_inner"], rel=1e-12)
    elif name == "data":
        assert objective == pytest.approx(min(expected["objective_trace"]), rel=1e-12)
    else:  # sorting: the rank-weighted sums are as large as they can be
        mu = np.sort(arrays["params"][..., 1], axis=1)
        assert -objective == pytest.approx((mu * np.arange(3)).sum(), rel=1e-12)


def test_stephens_falls_in_every_round(case):
    from bayesmix.diagnostics.relabelling import METHODS as methods
    from bayesmix.diagnostics.relabelling import Material
    from bayesmix.diagnostics.relabelling.membership import soft

    arrays = case[1]
    p = arrays["p"]
    solution = methods["stephens"].run(Material(3, len(p), ((0, 1, 2),), probabilities=soft(p)))
    assert (np.diff(solution.trace) < 0).all()
    moved = np.take_along_axis(p, solution.permutation[:, None, :], axis=2)
    divergence = (moved * np.log(np.maximum(moved, 1e-300) / moved.mean(axis=0))).sum()
    assert solution.objective == pytest.approx(divergence, rel=1e-10)


@pytest.mark.parametrize("name", METHODS)
def test_summaries(case, name):
    """Relabelled means and standard deviations, under the names that fit best; a tied draw may differ in its names."""
    _, arrays, golden, results = case
    expected, post = golden[METHODS[name]], results[name].posterior
    tied = expected["n_ties"] / len(arrays["params"])
    for what, statistic in (("mean", np.mean), ("sd", np.std)):
        if what == "sd" and tied:
            continue
        ours = np.stack([statistic(post[v].values[0], axis=0) for v in ("w", "mu", "sigma2")], axis=1)
        theirs = np.array(expected[f"relabelled_{what}_w_mu_s2"])
        order = [np.abs(ours - row).sum(axis=1).argmin() for row in theirs]
        assert sorted(order) == [0, 1, 2]
        most = tied * np.ptp(arrays["params"], axis=(0, 1))  # what the tied draws can change of a mean
        assert (np.abs(ours[order] - theirs) <= most + 1e-9 * np.abs(theirs)).all()


@pytest.mark.parametrize("name", METHODS)
def test_invariants_stay(case, name):
    """To 1e-12, and something did move."""
    draws, arrays, golden, results = case
    post = results[name].posterior
    known = golden["label_invariants_unchanged_by_relabelling"]
    np.testing.assert_allclose((post["w"] ** 2).sum("component").mean(), known["E_sum_w2"], rtol=1e-12)
    for function in (lambda d: (d["w"] * d["mu"]).sum("component"), lambda d: (d["w"] * d["sigma2"]).sum("component")):
        np.testing.assert_allclose(function(post), function(draws), rtol=1e-12)
    z, was = post["z"].values[0], arrays["z"]
    together, before = (v[:, :, None] == v[:, None, :] for v in (z, was))
    assert (together == before).all()
    first = np.array(known["coclust_from_z"])  # the first six rows of the co-clustering matrix
    np.testing.assert_allclose(together.mean(axis=0)[: len(first)], first, rtol=1e-12)
    assert results[name].moved > 0.5 and not np.array_equal(post["mu"], draws["mu"])
    own = np.take_along_axis(post["mu"].values[0], z, axis=1)  # each row keeps its own component's mean
    np.testing.assert_array_equal(own, np.take_along_axis(draws["mu"].values[0], was, axis=1))


def test_ambiguity(case):
    """Separated groups: no draw is in doubt, and all methods agree. Overlapping ones: some draws are."""
    draws, arrays, golden, results = case
    shares = [results[name].ambiguous for name in METHODS]
    if golden["name"].startswith("LS2"):
        assert 0 < max(shares) < 0.1
        return
    assert shares == [0.0] * len(METHODS)
    how = {"allocations": "z", "by": "mu", "log_posterior": arrays["log_posterior"][None]}
    table = bm.relabel(draws, method=("ecr", "pivot", "order"), **how).agreement
    assert (table == 1.0).to_numpy().all()


def test_raw_draws_are_not_already_right(case):
    """Negative control: without relabelling hardly any draw agrees with the brute force."""
    golden = case[2]
    theirs = np.array(golden["ECR_pivot_MAP_draw"]["perms"])
    assert agreement(np.tile(np.arange(3), (len(theirs), 1)), theirs) < 0.3

"""`bm.relabel` at the door: what comes in, what moves, what is refused."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import bayesmix as bm
from bayesmix.diagnostics.relabelling import METHODS
from bayesmix.diagnostics.relabelling.agreement import agreement

ROW_BASED = ("ecr", "ecr-iterative", "ecr-iterative-2", "stephens", "data")
WITHOUT_A_SPEC = (*ROW_BASED, "pivot", "order")
LEAD = ("chain", "draw")


def made_up(K=3, chains=2, draws=15, seed=0, blocks=None, n=40, switch=True):
    """Draws of well separated components under planted permutations within the blocks, everything that goes with them.

    Each draw of component k: weight near 1/K, mean (10 k, -5 k), a matrix over pairs of components, allocations and
    probabilities of n rows. `planted` (chain, draw, K): name k as drawn is the true component planted[k].
    """
    rng = np.random.default_rng(seed)
    shape = (chains, draws)
    planted = np.tile(np.arange(K), (*shape, 1))
    for block in blocks or [range(K)] if switch else ():
        block = np.array(list(block))
        planted[..., block] = block[rng.permuted(np.tile(np.arange(len(block)), (*shape, 1)), axis=2)]
    weight = rng.dirichlet(np.full(K, 50.0), shape)
    mean = np.stack([10.0 * np.arange(K), -5.0 * np.arange(K)], axis=1) + 0.3 * rng.normal(size=(*shape, K, 2))
    trans = np.arange(K)[:, None] + 0.1 * np.arange(K) + 0.01 * rng.random((*shape, K, K))
    truth = np.arange(n) % K
    x = np.stack([10.0 * truth, -5.0 * truth], axis=1) + rng.normal(size=(n, 2))
    p = 0.9 * np.eye(K)[truth] + 0.1 * rng.dirichlet(np.ones(K), (*shape, n))
    z = np.where(rng.random((*shape, n)) < 0.95, truth, (truth + 1).clip(max=K - 1))
    take = np.take_along_axis
    fields = {
        "weight": (("component",), take(weight, planted, axis=2)),
        "mean": (("component", "feature"), take(mean, planted[..., None], axis=2)),
        "trans": (
            ("component", "component_to"),
            take(take(trans, planted[..., None], axis=2), planted[:, :, None, :], axis=3),
        ),
        "sigma": ((), rng.random(shape)),
        "z": (("obs",), take(np.argsort(planted, axis=2), z, axis=2)),
        "p": (("obs", "component"), take(p, planted[:, :, None, :], axis=3)),
        "log_post": ((), rng.normal(size=shape)),
    }
    posterior = xr.Dataset(
        {name: ((*LEAD, *dims), value) for name, (dims, value) in fields.items()},
        coords={"chain": np.arange(chains), "draw": np.arange(draws), "feature": ["a", "b"]},
        attrs={"from": "a test"},
    )
    posterior["mean"].attrs["unit"] = "cm"
    right = {"weight": weight, "mean": mean, "trans": trans, "p": p, "z": z}
    return posterior, x, planted, right


HOW = {
    "dim": ("component", "component_to"),
    "allocations": "z",
    "probabilities": "p",
    "log_posterior": "log_post",
    "by": ("mean", "a"),
}


def flat(permutation):
    return np.asarray(permutation).reshape(-1, np.shape(permutation)[-1])


@settings(deadline=None, max_examples=12)
@given(st.integers(2, 6), st.integers(0, 10**6), st.sampled_from(WITHOUT_A_SPEC))
def test_planted_permutations_are_undone(K, seed, method):
    posterior, x, planted, right = made_up(K, seed=seed)
    out = bm.relabel(posterior, method=method, data=x, **HOW)
    undo = np.argsort(flat(planted), axis=1)
    assert agreement(flat(out.permutation), undo) == 1.0
    renaming = np.take_along_axis(planted, out.permutation.values, axis=2)  # the true component under each new name
    assert (renaming == renaming[0, 0]).all()
    g = renaming[0, 0]
    for name, value in right.items():
        if name == "z":
            np.testing.assert_array_equal(g[out.posterior["z"].values], value)
        elif name == "trans":
            np.testing.assert_array_equal(out.posterior["trans"].values, value[:, :, g][..., g])
        elif name == "p":
            np.testing.assert_array_equal(out.posterior["p"].values, value[..., g])
        else:
            np.testing.assert_array_equal(out.posterior[name].values, value[:, :, g])
    assert out.ambiguous == 0.0 and (out.gap > 0).all()
    if method == "order":
        assert (np.diff(out.posterior["mean"].sel(feature="a"), axis=-1) > 0).all()


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 10**6), st.sampled_from(WITHOUT_A_SPEC))
def test_only_within_blocks(seed, method):
    blocks = [(0, 2, 3), (1, 5)]  # component 4 keeps its name, and so does each block among the blocks
    posterior, x, planted, _ = made_up(6, seed=seed, blocks=blocks)
    out = bm.relabel(posterior, method=method, data=x, blocks=blocks, **HOW)
    home = np.array([0, 1, 0, 0, 2, 1])
    assert (home[out.permutation.values] == home).all()
    assert agreement(flat(out.permutation), np.argsort(flat(planted), axis=1)) == 1.0


@pytest.mark.parametrize("method", WITHOUT_A_SPEC)
def test_draws_may_come_in_any_order_and_under_any_names(method):
    """Relabelled draws are the same, up to one renaming, when draws change places and names change once more."""
    posterior, x, _, _ = made_up(4, seed=5)
    out = bm.relabel(posterior, method=method, data=x, **HOW)
    rng = np.random.default_rng(1)
    order = rng.permutation(posterior.sizes["draw"])
    again, _, _, _ = made_up(4, seed=5)
    again = again.isel(draw=order, chain=[1, 0], component=[2, 0, 3, 1], component_to=[2, 0, 3, 1])
    again["z"] = again["z"].copy(data=np.argsort([2, 0, 3, 1])[again["z"].values])
    other = bm.relabel(again, method=method, data=x, **HOW)
    back = other.posterior["mean"].isel(chain=[1, 0], draw=np.argsort(order)).values
    mine = out.posterior["mean"].values
    renaming = [int(np.abs(mine - back[:, :, [k]]).sum(axis=(0, 1, 3)).argmin()) for k in range(4)]
    np.testing.assert_array_equal(mine[:, :, renaming], back)


def test_nothing_is_lost_and_invariants_stay():
    posterior, _, _, _ = made_up(3)
    before = posterior.copy(deep=True)
    out = bm.relabel(posterior, method="stephens", **HOW).posterior
    xr.testing.assert_identical(posterior, before)  # what came in is as it was
    assert list(out) == list(posterior) and out.attrs == posterior.attrs and out.sizes == posterior.sizes
    for name in posterior:
        assert out[name].dims == posterior[name].dims and out[name].dtype == posterior[name].dtype
        assert out[name].attrs == posterior[name].attrs
    xr.testing.assert_identical(out["sigma"], posterior["sigma"])

    def invariant(d):
        stationary = (d["weight"] * d["trans"]).sum("component")  # still over component_to
        return (
            (d["weight"] * d["mean"]).sum("component"),
            (stationary * d["weight"].rename(component="component_to")).sum("component_to"),
            (d["p"] * d["weight"]).sum("component"),
        )

    for a, b in zip(invariant(out), invariant(posterior), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    assert not np.allclose(out["mean"], posterior["mean"])


def test_a_tree_keeps_its_groups():
    posterior, x, _, _ = made_up(3)
    tree = xr.DataTree.from_dict(
        {
            "posterior": posterior.drop_vars("log_post"),
            "sample_stats": posterior[["log_post"]].rename(log_post="lp"),
            "observed_data": xr.Dataset({"y": (("obs", "feature"), x)}),
        }
    )
    how = {k: v for k, v in HOW.items() if k != "log_posterior"}
    for method in ("ecr", "data", "pivot"):  # log posterior and data are found in their groups
        out = bm.relabel(tree, method=method, **how)
        assert isinstance(out.posterior, xr.DataTree) and set(out.posterior.children) == set(tree.children)
        plain = bm.relabel(posterior, method=method, data=x, **HOW)
        xr.testing.assert_identical(out.posterior["posterior"].to_dataset(), plain.posterior.drop_vars("log_post"))
        xr.testing.assert_identical(tree["posterior"].to_dataset(), posterior.drop_vars("log_post"))
    named = bm.relabel(tree, method="data", data="y", **how)
    np.testing.assert_array_equal(named.permutation, bm.relabel(tree, method="data", **how).permutation)
    node = bm.relabel(tree["posterior"], method="pivot", **HOW | {"log_posterior": posterior["log_post"]})
    xr.testing.assert_identical(node.posterior.to_dataset(), plain.posterior.drop_vars("log_post"))


def test_dims_that_each_variable_names_itself():
    """As PyMC does without dims: weight_dim_0, mean_dim_0."""
    posterior, _, _, _ = made_up(3)
    own = posterior[["weight", "mean"]].copy()
    own["weight"] = own["weight"].rename(component="weight_dim_0")
    own["mean"] = own["mean"].rename(component="mean_dim_0")
    out = bm.relabel(
        own, dim=("weight_dim_0", "mean_dim_0"), method="ecr", allocations=posterior["z"],
        log_posterior=posterior["log_post"],
    )  # fmt: skip
    same = bm.relabel(posterior, method="ecr", **HOW)
    np.testing.assert_array_equal(out.posterior["mean"], same.posterior["mean"])
    np.testing.assert_array_equal(out.posterior["weight"], same.posterior["weight"])
    np.testing.assert_array_equal(out.allocations, same.posterior["z"])
    assert out.permutation.dims == (*LEAD, "weight_dim_0")


def test_stan_counts_components_from_one():
    posterior, _, _, _ = made_up(3)
    same = bm.relabel(posterior, method="ecr", **HOW)
    stan = posterior.assign(z=posterior["z"] + 1)
    out = bm.relabel(stan, method="ecr", **HOW)
    np.testing.assert_array_equal(out.permutation, same.permutation)
    np.testing.assert_array_equal(out.posterior["z"], same.posterior["z"] + 1)
    named = posterior.assign(z=posterior["z"].clip(max=1) + 1).assign_coords(component=[1, 2, 3])  # none is ever in 3
    after = bm.relabel(named, method="ecr", **HOW).posterior
    own = [np.take_along_axis(d["weight"].values, d["z"].values - 1, axis=2) for d in (named, after)]
    np.testing.assert_array_equal(*own)  # each row keeps its own component's weight


def test_arrays_of_any_layout():
    posterior, _, _, _ = made_up(3)
    turned = posterior.transpose("component", "draw", ...)
    turned["p"] = turned["p"].transpose("component", "obs", "draw", "chain")
    out = bm.relabel(turned, method=("stephens", "ecr"), **HOW)
    plain = bm.relabel(
        posterior, dim=HOW["dim"], method=("stephens", "ecr"), allocations=posterior["z"].values,
        probabilities=posterior["p"].values, log_posterior=posterior["log_post"].values,
    )  # fmt: skip
    np.testing.assert_array_equal(out.permutation, plain.permutation)
    assert out.posterior["mean"].dims == turned["mean"].dims
    np.testing.assert_array_equal(out.posterior["mean"].transpose(*posterior["mean"].dims), plain.posterior["mean"])
    np.testing.assert_array_equal(out.posterior["z"].transpose(*LEAD, "obs"), plain.allocations)


def test_without_allocations_each_row_counts_for_its_most_probable_component():
    posterior, _, _, _ = made_up(3)
    how = {k: v for k, v in HOW.items() if k != "allocations"}
    out = bm.relabel(posterior, method="ecr", **how)
    hard = bm.relabel(
        posterior.drop_vars("z"), method="ecr", **how | {"allocations": posterior["p"].argmax("component")}
    )
    np.testing.assert_array_equal(out.permutation, hard.permutation)
    assert out.allocations is None


def test_missing_cells_are_left_out_of_the_centres():
    posterior, x, planted, _ = made_up(3)
    gaps = x.copy()
    gaps[::4, 0], gaps[1::5, 1] = np.nan, np.nan
    out = bm.relabel(posterior, method="data", data=gaps, **HOW)
    assert agreement(flat(out.permutation), np.argsort(flat(planted), axis=1)) == 1.0


def test_ambiguous_draws_are_counted():
    """Components that sit on top of each other: nobody knows which is which, and it says so."""
    posterior, _, _, _ = made_up(2, draws=200)
    rng = np.random.default_rng(2)
    same = posterior.assign(mean=posterior["mean"].copy(data=rng.normal(size=posterior["mean"].shape)))
    same = same.assign(weight=posterior["weight"] * 0 + 0.5).drop_vars(["trans", "p", "z"])
    out = bm.relabel(same, method="order", by=("mean", "a"))
    assert 0.1 < out.ambiguous < 0.6  # the means overlap except for the order itself
    nothing = bm.relabel(posterior[["p", "log_post"]], method="ecr", probabilities="p", log_posterior="log_post")
    assert np.isnan(nothing.ambiguous) and nothing.certainty is None
    assert "ambiguous" not in nothing.summary() and "ambiguous" in out.summary()


def test_methods_are_compared():
    posterior, x, _, _ = made_up(3)
    out = bm.relabel(posterior, method=WITHOUT_A_SPEC, data=x, **HOW)
    assert out.method == "ecr" and list(out.agreement) == list(WITHOUT_A_SPEC)
    assert (out.agreement == 1.0).to_numpy().all() and "stephens 100.0%" in out.summary()


def test_one_component_has_one_name():
    posterior, x, _, _ = made_up(1)
    for method in WITHOUT_A_SPEC:
        out = bm.relabel(posterior, method=method, data=x, **HOW)
        xr.testing.assert_identical(out.posterior, posterior)
        assert np.isinf(out.gap).all() and out.ambiguous == 0.0


def test_a_new_method_is_one_function():
    from bayesmix.diagnostics.relabelling import method
    from bayesmix.diagnostics.relabelling.register import assigned

    @method("as drawn", needs=("parameters",))
    def as_drawn(material):
        return assigned(material, np.tile(-np.eye(material.K), (material.T, 1, 1)))

    try:
        posterior, _, _, _ = made_up(3)
        out = bm.relabel(posterior, dim=HOW["dim"], method="as drawn")
        xr.testing.assert_identical(out.posterior, posterior)
        assert out.moved == 0.0
    finally:
        del METHODS["as drawn"]


@pytest.mark.parametrize(
    "change,match",
    [
        ({"posterior": np.zeros(3)}, "az.from_dict"),
        ({"posterior": xr.Dataset({"a": ("component", np.zeros(3))})}, "dims `chain` and `draw`"),
        ({"posterior": xr.DataTree.from_dict({"prior": xr.Dataset()})}, "no group `posterior`"),
        ({"dim": "k"}, "no dimension"),
        ({"dim": ("component", "feature")}, "one length"),
        ({"dim": "component"}, r"dim=\('component', 'component_to'\)"),
        ({"method": "magic"}, "one or several of"),
        ({"method": ()}, "at least one method"),
        ({"method": "map"}, "bayesmix MCMC fit"),
        ({"allocations": None, "probabilities": None}, "needs allocations"),
        ({"method": "stephens", "probabilities": None}, "needs probabilities"),
        ({"log_posterior": None}, "needs log_posterior"),
        ({"method": "data"}, "needs data"),
        ({"method": "order", "by": None}, "needs by"),
        ({"by": "mean"}, "one number per component"),
        ({"by": ("mean", "c")}, "has no 'c'"),
        ({"by": "sigma"}, "one number per component"),
        ({"by": "nothing"}, "no variable"),
        ({"allocations": "nothing"}, "no such variable"),
        ({"allocations": np.zeros((2, 15))}, "expected the shape"),
        ({"allocations": np.full((2, 15, 40), 7)}, r"0\.\.2"),
        ({"allocations": np.full((2, 15, 40), 0.5)}, "whole numbers"),
        ({"probabilities": np.zeros((2, 15, 40, 4))}, "expected the shape"),
        ({"probabilities": np.full((2, 15, 40, 3), -1.0)}, "expected probabilities"),
        ({"log_posterior": np.full((2, 15), np.nan)}, "finite"),
        ({"log_posterior": xr.DataArray(np.zeros(15), dims="draw")}, "chain and draw"),
        ({"method": "data", "data": np.zeros((39, 2))}, "number of rows"),
        ({"method": "data", "data": np.zeros((40, 2, 2))}, "rows, got the shape"),
        ({"method": "data", "data": "y"}, "observed_data"),
        ({"blocks": [(0, 1), (1, 2)]}, "different components"),
        ({"blocks": [(0, 3)]}, "different components"),
    ],
)
def test_one_clear_sentence(change, match):
    posterior = made_up(3)[0]
    arguments = {"posterior": posterior, "method": "ecr", **HOW} | change
    with pytest.raises(bm.InputError, match=match) as error:
        bm.relabel(**arguments)
    assert "\n" not in str(error.value)


def test_a_variable_without_draws_cannot_move():
    posterior = made_up(3)[0].assign(prior_mean=("component", np.zeros(3)))
    with pytest.raises(bm.InputError, match="prior_mean"):
        bm.relabel(posterior, method="ecr", **HOW)

"""`bm.relabel` of bayesmix fits: every family, labelled components, orders, and the galaxies."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bayesmix as bm
import cases
from bayesmix.agreement import Certificate
from bayesmix.diagnostics.relabelling import METHODS
from bayesmix.diagnostics.relabelling.agreement import agreement
from bayesmix.em.modes import Mode
from bayesmix.fit import Fit

SHAPE = (2, 12)


def planted_fit(model, blocks, seed=0, n=60, label=None):
    """An MCMC-like Fit of draws close to one theta, each under a planted permutation within the blocks.

    theta is the prior draw, of 100, whose simulated rows tell the components apart best; it serves as the MAP.
    """
    rng = np.random.default_rng(seed)
    d, K = 2, model.components
    best, theta, x, z = -1.0, None, None, None
    for _ in range(100):
        one = model.draw_unconstrained(rng, d)
        one["weight"] = one["weight"] if model.is_constant("weight") else np.full(K, 1 / K)
        rows_z = np.arange(n) % K
        rows = model.family.draw(rows_z, rng, **model.own(one))
        with np.errstate(all="ignore"):
            joint = np.nan_to_num(model.log_joint(rows, one), nan=-1e30, neginf=-1e30)
        own = np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True))[np.arange(n), rows_z]
        score = min(own[rows_z == k].mean() for k in range(K))
        if score > best:
            best, theta, x, z = score, one, rows, rows_z
    data = bm.Data(x, label=None if label is None else label(z))
    model = model.resolve(data)
    draws, planted = {name: [] for name in theta}, []
    for _ in range(int(np.prod(SHAPE))):
        u = model.vector(theta)
        near = model.from_vector(u + 0.01 * rng.standard_normal(len(u)), theta)
        perm = np.arange(K)
        for block in blocks:
            perm[list(block)] = rng.permutation(block)
        planted.append(perm)
        for name, value in model.permute(near, perm).items():
            draws[name].append(value)
    fields = {name: np.array(v).reshape(*SHAPE, *v[0].shape) for name, v in draws.items()}
    nan = float("nan")
    mode = Mode(theta, 0.0, 0.0, 1, 1.0, "interior", nan, True, nan, "", "")
    own = np.tile(np.arange(K), (*SHAPE, 1))
    settings = {"seed": 0, "sampler": "made up"}
    fit = Fit("mcmc", model, data, fields, rng.normal(size=SHAPE), own, settings, Certificate({}, (), 0, 0), (mode,))
    return fit, np.array(planted)


@cache
def of_family(kind, K=3):
    model = bm.Mixture(cases.family(kind, 2), K, weight=bm.Dirichlet(2.0))
    if kind == "multinomial":  # it draws rows with the totals of its data
        model = model.resolve(bm.Data(cases.rows(kind, 2, K)[0]))
    return planted_fit(model, [range(K)])


@pytest.mark.parametrize("kind", cases.KINDS)
def test_every_family_and_every_method(kind):
    fit, planted = of_family(kind)
    for method in METHODS:
        if method == "order" and fit.mixture.family.expectation is None:
            continue
        out = bm.relabel(fit, method=method)
        assert agreement(out.permutation.values.reshape(-1, 3), np.argsort(planted, axis=1)) == 1.0, method
        for name, value in out.fit.relabelled.items():  # one name, one component: what is left is the jitter
            spread = np.ptp(value, axis=(0, 1)).max() / max(np.abs(value).max(), 1.0)
            assert spread < 0.2, (method, name)


@pytest.mark.parametrize("kind", cases.KINDS)
@settings(deadline=None, max_examples=4, derandomize=True)
@given(st.integers(0, 10**6), st.sampled_from(sorted(set(METHODS) - {"order"})))
def test_permutations_planted_at_random_are_undone(kind, seed, method):
    """Whatever names the draws of any family come under, in whatever order the chains: the same draws come out."""
    fit, planted = of_family(kind)
    rng, total = np.random.default_rng(seed), int(np.prod(SHAPE))
    turns, order = rng.permuted(np.tile(np.arange(3), (total, 1)), axis=1), rng.permutation(SHAPE[0])
    thetas = [fit.mixture.permute(t, p) for t, p in zip(fit.thetas(relabelled=False), turns, strict=True)]
    draws = {n: np.stack([t[n] for t in thetas]).reshape(fit.draws[n].shape)[order] for n in fit.draws}
    turned = replace(fit, draws=draws, log_posteriors=fit.log_posteriors[order])
    planted = np.take_along_axis(planted, turns, axis=1).reshape(*SHAPE, 3)[order].reshape(-1, 3)
    out = bm.relabel(turned, method=method)
    assert agreement(out.permutation.values.reshape(-1, 3), np.argsort(planted, axis=1)) == 1.0
    for before, after in zip(by_name(bm.relabel(fit, method=method).fit), by_name(out.fit), strict=True):
        assert np.array_equal(before[order], after) or method != "map"  # "map" also gives the same names


def by_name(fit):
    """The relabelled draws, field by field."""
    return [fit.relabelled[name] for name in sorted(fit.relabelled)]


def test_to_the_map_is_the_default():
    fit, planted = of_family("gaussian_var")
    out = bm.relabel(fit)
    assert out.method == "map"
    np.testing.assert_array_equal(out.permutation.values.reshape(-1, 3), np.argsort(planted, axis=1))
    np.testing.assert_allclose(out.fit.relabelled["mean"].mean(axis=(0, 1)), fit.optima[0].theta["mean"], atol=0.1)
    assert bm.relabel(replace(fit, optima=())).method == "ecr"
    with pytest.raises(bm.InputError, match="EM census"):
        bm.relabel(replace(fit, optima=()), method="map")


def test_a_draw_is_named_after_its_own_optimum():
    """Two optima: (0 and 3 together, 20, 23) and (0, 3, 20 and 23 together); seen from the other, names are a toss."""
    rng = np.random.default_rng(5)
    x = np.concatenate([rng.normal(m, 0.5, 30) for m in (0, 3, 20, 23)])
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(11, 12), sd=bm.Fixed(0.9), shared=True), 3).resolve(bm.Data(x))
    nan, modes, fields = float("nan"), [], {"weight": [], "mean": [], "sd": []}
    for mean, weight in (([1.5, 20, 23], [0.5, 0.25, 0.25]), ([0, 3, 21.5], [0.25, 0.25, 0.5])):
        theta = {"weight": np.array(weight), "mean": np.array(mean)[:, None], "sd": np.array([[0.9]])}
        modes.append(Mode(theta, 0.0, 0.0, 1, 1.0, "interior", nan, True, nan, "", ""))
    planted = rng.permuted(np.tile(np.arange(3), (40, 1)), axis=1)
    for t in range(40):
        theta = modes[t // 20].theta
        theta = {**theta, "mean": theta["mean"] + 0.1 * rng.normal(size=(3, 1))}
        for name, value in model.permute(theta, planted[t]).items():
            fields[name].append(value)
    draws = {name: np.array(v).reshape(2, 20, *v[0].shape) for name, v in fields.items()}
    own = np.tile(np.arange(3), (2, 20, 1))
    fit = Fit("mcmc", model, bm.Data(x), draws, np.zeros((2, 20)), own, {}, Certificate({}, (), 0, 0), tuple(modes))
    for some in (modes, modes[:1]):  # the second: negative control
        found = bm.relabel(replace(fit, optima=tuple(some))).permutation.values
        shares = [agreement(found[c], np.argsort(planted[20 * c : 20 * c + 20], axis=1)) for c in range(2)]
        assert shares[0] == 1.0 and (shares[1] == 1.0) == (len(some) == 2), shares


def test_the_fit_that_comes_back_is_relabelled_throughout():
    import xarray as xr

    fit, _ = of_family("mvgaussian", 2)
    r = np.stack([fit._responsibilities(t, fit.data.x) for t in fit.thetas(relabelled=False)])
    group = xr.Dataset({"probability": (("obs", "component"), r.mean(axis=0))}, coords={"obs": np.arange(fit.data.n)})
    out = bm.relabel(replace(fit, groups={"allocation": group}))
    expected = np.mean([fit._responsibilities(t, fit.data.x) for t in out.fit.thetas()], axis=0)
    np.testing.assert_allclose(out.fit.predict_proba(), expected, atol=1e-12)
    np.testing.assert_array_equal(out.fit.permutation, out.permutation)
    for name in fit.draws:
        np.testing.assert_array_equal(out.posterior[name], out.fit.relabelled[name])
    np.testing.assert_allclose(out.fit.co_clustering(), fit.co_clustering(), rtol=1e-12)
    assert (fit.permutation == np.arange(2)).all()  # what came in is as it was


@pytest.mark.parametrize("keep", [1, 10**9])
def test_large_fits_are_read_in_blocks(keep, monkeypatch):
    from bayesmix.diagnostics.relabelling import membership

    monkeypatch.setattr(membership, "KEEP", keep)
    fit, planted = of_family("gaussian_sd", 2)
    for method in ("map", "stephens", "ecr-iterative"):
        found = bm.relabel(fit, method=method).permutation.values.reshape(-1, 2)
        assert agreement(found, np.argsort(planted, axis=1)) == 1.0


def test_components_of_unlike_members_do_not_exchange():
    gaussian = bm.Gaussian(mean=bm.Normal([1.0, -0.5], 3.0), sd=bm.HalfNormal(2.0))
    noise = bm.UniformComponent([-20.0, -20.0], [20.0, 20.0])
    fit, planted = planted_fit(bm.Mixture(bm.Components((gaussian, 2), noise)), [(0, 1)])
    for method in ("map", "ecr", "stephens", "pivot", "data"):
        out = bm.relabel(fit, method=method)
        assert (out.permutation.values[..., 2] == 2).all()
        assert agreement(out.permutation.values.reshape(-1, 3), np.argsort(planted, axis=1)) == 1.0
        assert out.ambiguous == 0.0


def test_labelled_components_do_not_move():
    model = bm.Mixture(cases.family("gaussian_var", 2), 4, weight=bm.Dirichlet(2.0))
    fit, planted = planted_fit(model, [(2, 3)], label=lambda z: np.where((z < 2) & (np.arange(len(z)) < 20), z, -1))
    for method in METHODS:
        out = bm.relabel(fit, method=method)
        assert (out.permutation.values[..., :2] == [0, 1]).all(), method
        assert agreement(out.permutation.values.reshape(-1, 4), np.argsort(planted, axis=1)) == 1.0, method


def test_an_order_leaves_nothing_to_relabel():
    model = bm.Mixture(cases.family("gaussian_var", 2), 2, constraints=(bm.Order("mean", by=0),))
    fit, _ = planted_fit(model, [])
    out = bm.relabel(fit, method="stephens")
    assert out.moved == 0.0 and np.isinf(out.gap).all() and out.ambiguous == 0.0


def test_order_by_another_field():
    fit, _ = of_family("gaussian_var")
    for by in ("var", ("var", "x1"), ("var", 1), "weight"):
        value = bm.relabel(fit, method="order", by=by).fit.relabelled[by if isinstance(by, str) else by[0]]
        value = value if by == "weight" else value[..., 0 if by == "var" else 1]
        assert (np.diff(value, axis=-1) >= 0).all()
    for by, match in (("nothing", "one value per component"), (("mean", 7), "shape"), (("weight", 0), "shape")):
        with pytest.raises(bm.InputError, match=match):
            bm.relabel(fit, method="order", by=by)


def test_what_a_fit_knows_itself_is_not_given():
    fit, _ = of_family("gaussian_var")
    with pytest.raises(bm.InputError, match="its own allocations"):
        bm.relabel(fit, allocations=np.zeros((2, 12, 60), dtype=int))


def test_an_em_fit_is_one_point():
    with pytest.raises(bm.InputError, match="MCMC fit"):
        bm.relabel(replace(of_family("gaussian_var")[0], engine="em"))


def test_the_saved_tree_of_a_fit_needs_no_bayesmix_objects():
    """What `fit.save` writes is an ArviZ posterior like any other."""
    fit, _ = of_family("mvgaussian")
    out = bm.relabel(fit.tree, method="pivot")
    same = bm.relabel(fit, method="pivot")
    np.testing.assert_array_equal(out.permutation, same.permutation)
    np.testing.assert_array_equal(out.posterior["posterior"]["cov"], same.posterior["cov"])


@pytest.mark.certify
def test_galaxies_switch_freely_and_are_put_in_order(golden, galaxies):
    """P1, K = 3, from prior draws with permutation moves: ordered summaries equal the reference posterior."""
    import arviz as az

    reference = golden("refpost_galaxies_chib_K3")
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(20, 10), var=bm.InverseGamma(3, 20)), 3, weight=bm.Dirichlet(1.0))
    fit = bm.fit_mcmc(
        model, galaxies, sampler="gibbs", start="prior", permutation_moves=True, draws=40_000, tune=1_000, seed=5
    )
    out = bm.relabel(fit, method="order")
    assert 0.8 < out.moved < 0.87  # five of six permutations
    raw = fit.draws["mean"].mean(axis=(0, 1)).ravel()
    assert np.ptp(raw) < 1  # negative control: raw averages say that the three components are one
    fields = {"omu": out.fit.relabelled["mean"][..., 0], "ow": out.fit.relabelled["weight"],
              "osig": np.sqrt(out.fit.relabelled["var"][..., 0])}  # fmt: skip
    for name, value in fields.items():
        how = "median" if name == "omu" else "mean"  # the first mean has a tail that a prior draw of it makes heavy
        known = reference["omu_med" if name == "omu" else name]
        for k in range(3):
            mcse = np.hypot(float(az.mcse(value[..., k], method=how)), known["mcse"][k])
            sd = reference[f"{name}_sd"]["value"][k]
            assert mcse <= 0.02 * sd, (name, k, mcse, sd)
            assert abs(getattr(np, how)(value[..., k]) - known["value"][k]) <= 5 * mcse, (name, k)
    chains = {"log posterior": fit.log_posteriors, "mean 2": fields["omu"][..., 2]}
    assert all(float(az.rhat(v)) < 1.01 for v in chains.values())

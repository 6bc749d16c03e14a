"""`bm.diagnose_draws`: verdicts on draws of known truth that no specification comes with."""

import numpy as np
import pytest
import xarray as xr

import bayesmix as bm
from bayesmix.diagnostics.draws import APART, _apart

LEAD = ("chain", "draw")
CENTRES = np.array([0.0, 4.5, 30.0])
N = 60


def rows(seed=3):
    rng = np.random.default_rng(seed)
    return CENTRES[np.arange(N) % 3] + rng.normal(size=N)


def tree_of(mean, sd, weight, y, seed=0):
    """What a program would hold of (chain, draw, K) arrays: posterior with z, pointwise log likelihood, lp."""
    rng = np.random.default_rng(seed)
    joint = np.log(weight)[..., None, :] - np.log(sd)[..., None, :] - 0.5 * np.log(2 * np.pi)
    joint = joint - 0.5 * ((y[:, None] - mean[..., None, :]) / sd[..., None, :]) ** 2
    log_density = np.logaddexp.reduce(joint, axis=-1)
    p = np.exp(joint - log_density[..., None])
    z = np.minimum((p.cumsum(axis=-1) < rng.random((*p.shape[:-1], 1))).sum(axis=-1), p.shape[-1] - 1)
    K = ("component",)
    coords = {"chain": np.arange(len(mean)), "draw": np.arange(mean.shape[1])}
    return xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(
                {
                    "w": ((*LEAD, *K), weight),
                    "mu": ((*LEAD, *K), mean),
                    "sigma": ((*LEAD, *K), sd),
                    "z": ((*LEAD, "obs"), z),
                    "p": ((*LEAD, "obs", *K), p),
                },
                coords=coords,
            ),
            "sample_stats": xr.Dataset({"lp": (LEAD, log_density.sum(axis=-1) - 20.0)}, coords=coords),
            "log_likelihood": xr.Dataset({"y": ((*LEAD, "obs"), log_density)}, coords=coords),
        }
    )


def draws(chains=4, length=500, seed=0, centres=CENTRES, count=None):
    """Independent draws near the truth, as (mean, sd, weight), components in order."""
    rng = np.random.default_rng(seed)
    count = np.full(len(centres), N / len(centres)) if count is None else count
    shape = (chains, length, len(centres))
    mean = centres + rng.normal(size=shape) / np.sqrt(np.maximum(count, 1.0))
    sd = np.exp(rng.normal(size=shape) / np.sqrt(2 * np.maximum(count, 1.0)))
    return mean, sd, rng.dirichlet(count + 1.0, shape[:2])


def renamed(fields, permutation):
    return tuple(np.take_along_axis(v, permutation, axis=2) for v in fields)


def verdict(tree, **how):
    return bm.diagnose_draws(tree, **{"allocations": "z", "probabilities": "p"} | how)


def test_sound():
    diagnosis = verdict(tree_of(*draws(), rows()))
    assert diagnosis.verdicts == ("sound",), diagnosis.summary()
    assert list(dict.fromkeys(diagnosis.table["kind"])) == ["invariant", "relabelled", "raw"]
    assert {"log posterior", "log likelihood", "share of pairs of rows together"} <= set(diagnosis.table.index)
    assert not diagnosis.table.index.str.contains(r"^z|^p\[").any()
    assert diagnosis.occupancy is None and diagnosis.moves is None and diagnosis.modes is None


def test_switching_between_chains():
    """Run A of the notes: one optimum, permuted starts."""
    names = np.array([[0, 1, 2], [1, 0, 2], [2, 1, 0], [0, 1, 2]])
    diagnosis = verdict(tree_of(*renamed(draws(), np.repeat(names[:, None], 500, axis=1)), rows()))
    assert diagnosis.verdict == "label switching", diagnosis.summary()
    worst = diagnosis.table.groupby("kind")["r_hat"].max()
    assert worst["raw"] > 1.3 > 1.02 > worst["relabelled"]
    assert "between chains (3 different labellings)" in diagnosis.summary()


def test_perfect_switching_within_chains():
    """Raw R-hat is 1.00, and the names are exchanged all the time."""
    rng = np.random.default_rng(1)
    names = rng.permuted(np.tile(np.arange(3), (4, 500, 1)), axis=2)
    diagnosis = verdict(tree_of(*renamed(draws(), names), rows()))
    assert diagnosis.table.query("kind == 'raw'")["r_hat"].max() < 1.02
    assert diagnosis.verdict == "label switching", diagnosis.summary()
    assert "within 4 of 4 chains" in diagnosis.summary()


def in_two_optima():
    """Run B of the notes: two chains where one component covers 0 and 4.5, and two share 30, some 60 nats lower."""
    good, bad = draws(2, seed=1), draws(2, seed=2, centres=np.array([2.25, 30.0, 30.0]), count=np.array([40.0, 10, 10]))
    bad = (bad[0], bad[1] * np.array([2.45, 1.0, 1.0]), bad[2])
    return tuple(np.concatenate(pair) for pair in zip(good, bad, strict=True))


def test_chains_in_different_optima():
    diagnosis = verdict(tree_of(*in_two_optima(), rows()))
    assert diagnosis.verdict == "several modes", diagnosis.summary()
    assert diagnosis.evidence.regions_of_chains.tolist() == [0, 0, 2, 2]
    assert "chains 0, 1 in region 0; chains 2, 3 in region 2" in diagnosis.summary()
    assert "bm.fit_mcmc" not in diagnosis.advice  # there is no model to run


def test_draws_that_never_moved():
    """The sampler stood still; allocations drawn afterwards vary all the same."""
    mean, sd, weight = (np.broadcast_to(v[:1, :1], v.shape) for v in draws())
    diagnosis = verdict(tree_of(mean, sd, weight, rows()))
    assert diagnosis.verdict == "undecided" and "No parameter has moved" in diagnosis.summary()


@pytest.mark.parametrize(
    "argument,value,words",
    [
        ("dim", 3, "the posterior has no dimension [3], only"),
        ("by", 3, "the posterior has no variable 3"),
        ("method", 3, "expected one of"),
        ("blocks", 3, "expected groups of components, as [(0, 1), (2, 3)]"),
        ("blocks", "ab", "expected groups of components"),
        ("data", np.full((N, 1), "red"), "expected numbers, got values of type"),
        ("allocations", np.full((4, 500, N), "a"), "expected numbers, got values of type"),
        ("log_posterior", np.full((4, 500), "a"), "expected numbers, got values of type"),
        ("log_likelihood", np.full((4, 500), "a"), "expected numbers, got values of type"),
    ],
)
def test_arguments_of_another_type(argument, value, words):
    how = {"allocations": "z", argument: value}
    with pytest.raises(bm.InputError) as error:
        bm.diagnose_draws(tree_of(*draws(), rows()), **how)
    assert argument in str(error.value) and words in str(error.value)
    if argument not in ("log_likelihood",):
        with pytest.raises(bm.InputError):
            bm.relabel(tree_of(*draws(), rows()), **how)


def test_chains_on_their_way_are_in_no_region():
    """The same two optima, and log posteriors that still rise: who knows where these chains will end."""
    tree = tree_of(*in_two_optima(), rows())
    tree["sample_stats"] = tree["sample_stats"].to_dataset() + xr.DataArray(np.linspace(0, 50, 500), dims="draw")
    diagnosis = verdict(tree)
    assert diagnosis.verdict == "not converged", diagnosis.summary()
    assert (diagnosis.evidence.regions_of_chains == -1).all()


def test_one_chain_beside_the_others_in_the_same_region():
    mean, sd, weight = draws()
    sd = sd * np.array([1.0, 1.0, 1.0, 1.12])[:, None, None]
    diagnosis = verdict(tree_of(mean, sd, weight, rows()))
    assert diagnosis.verdict == "not converged", diagnosis.summary()
    assert (
        set(diagnosis.evidence.regions_of_chains.tolist()) == {3} or np.ptp(diagnosis.evidence.regions_of_chains) == 0
    )


def test_too_few_draws():
    diagnosis = verdict(tree_of(*draws(length=40), rows()))
    assert diagnosis.verdict == "undecided", diagnosis.summary()
    assert "Draw more" in diagnosis.advice


@pytest.mark.parametrize("known", ["allocations", "probabilities"])
def test_an_empty_component(known):
    mean, sd, weight = draws(count=np.array([N / 2, N / 2, 0.0]), centres=np.array([0.0, 4.5, 200.0]), seed=4)
    weight[..., 2] *= 1e-3
    weight = weight / weight.sum(axis=2, keepdims=True)
    y = np.random.default_rng(0).normal(size=N) + np.where(np.arange(N) % 2, 0.0, 4.5)
    tree = tree_of(mean, sd, weight, y)
    how = {"allocations": None, "probabilities": None} | {known: known[0].replace("a", "z")}
    diagnosis = verdict(tree, **how)
    assert diagnosis.verdict == "degenerate", diagnosis.summary()
    bare = tree_of(*draws(), rows())
    assert verdict(bare, **how).verdict == "sound"  # its opposite


def test_twin_components():
    mean, sd, weight = draws(centres=np.array([0.0, 30.0, 30.0]), seed=5, count=np.full(3, 1e5))
    y = np.random.default_rng(0).normal(size=N) + np.where(np.arange(N) % 3, 30.0, 0.0)
    diagnosis = verdict(tree_of(mean, sd, weight, y))
    assert diagnosis.verdict == "degenerate", diagnosis.summary()
    assert "apart" in diagnosis.summary()


CASES = {"sound": draws, "several modes": in_two_optima}


@pytest.mark.parametrize("expected", CASES)
def test_the_verdict_does_not_depend_on_names_and_chains(expected):
    tree = tree_of(*CASES[expected](), rows())
    first = verdict(tree)
    turned = xr.DataTree.from_dict(
        {name: node.to_dataset().isel(chain=[2, 0, 3, 1]) for name, node in tree.children.items()}
    )
    posterior = turned["posterior"].to_dataset().isel(component=[2, 0, 1])
    turned["posterior"].dataset = posterior.assign(z=posterior["z"].copy(data=np.array([1, 2, 0])[posterior["z"]]))
    second = verdict(turned)
    assert first.verdict == expected and first.verdicts == second.verdicts
    invariant = [d.table.query("kind == 'invariant'")["ess_bulk"].drop("Rand index with the best draw")
                 for d in (first, second)]  # fmt: skip
    np.testing.assert_allclose(*invariant, rtol=1e-6)


def test_what_is_not_given_is_not_used():
    """Fewer invariants, another method, and still the same verdict."""
    names = np.array([[0, 1, 2], [1, 0, 2], [2, 1, 0], [0, 1, 2]])
    tree = tree_of(*renamed(draws(), np.repeat(names[:, None], 500, axis=1)), rows())
    posterior = tree["posterior"].to_dataset()
    lp, rows_of = tree["sample_stats"]["lp"], tree["log_likelihood"]["y"]
    bare = posterior.drop_vars(["z", "p"])
    for dataset, how, method in (
        (posterior, {"allocations": "z"}, "ecr-iterative"),
        (posterior.drop_vars("z"), {"probabilities": "p", "allocations": None}, "ecr-iterative"),
        (bare, {"log_posterior": lp.values}, "pivot"),  # as an array
        (bare, {"log_likelihood": rows_of.sum("obs").values}, "pivot"),
        (bare, {"by": "mu"}, "order"),
        (bare.assign(ll=rows_of), {"log_likelihood": "ll", "weight": "w"}, "pivot"),
    ):
        diagnosis = bm.diagnose_draws(dataset, **how)
        assert diagnosis.evidence.names.method == method
        assert diagnosis.verdict == "label switching", (method, diagnosis.summary())


def test_a_bayesmix_tree_is_like_any_other():
    from laplace import laplace_fit

    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(0, 1, 40), rng.normal(8, 1, 60)])
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(4, 5), var=bm.InverseGamma(3, 2)), 2, weight=bm.Dirichlet(2))
    em = bm.fit_em(model, bm.Data(x), seed=1)
    for switch, expected in ((False, "sound"), (True, "label switching")):
        fit = laplace_fit(em, draws=250, switch=switch)
        posterior = fit.tree["posterior"].to_dataset()
        joint = np.stack([fit.mixture.log_joint(fit.data.x, t) for t in fit.thetas(relabelled=False)])
        joint = joint.reshape(*fit.shape, *joint.shape[1:])
        rows_of = np.logaddexp.reduce(joint, axis=3)
        p = np.exp(joint - rows_of[..., None])
        diagnosis = bm.diagnose_draws(posterior, log_likelihood=rows_of, probabilities=p, data=x)
        assert diagnosis.verdict == expected, diagnosis.summary()


def test_apart():
    a = np.arange(1000.0)
    assert not _apart(a, a) and not _apart(a, a + 500) and _apart(a, a + 1000) and _apart(a + 1000, a)
    assert 0.5 < APART < 1


@pytest.mark.parametrize(
    "how,match",
    [
        ({"allocations": None, "probabilities": None}, "nothing to relabel"),
        ({"method": "magic"}, "expected one of"),
        ({"method": "order"}, "nothing to relabel"),
        ({"weight": "nothing"}, "no such variable"),
        ({"weight": "mu"}, "summing to one"),
        ({"log_likelihood": "nothing"}, "no such variable"),
        ({"log_likelihood": np.zeros((3, 20, 60))}, "expected the shape"),
        ({"dim": "k"}, "no dimension"),
        ({"log_likelihood": xr.DataArray(np.zeros((4, 20)), dims=("a", "b"))}, "expected dims chain and draw"),
        ({"probabilities": np.zeros((4, 20, 60, 3))}, "row of zeros"),
        ({"allocations": np.zeros((4, 20, 0))}, "at least one row"),
    ],
)
def test_one_clear_sentence(how, match):
    posterior = tree_of(*draws(length=20), rows())["posterior"].to_dataset()
    with pytest.raises(bm.InputError, match=match) as error:
        verdict(posterior, **how)
    assert "\n" not in str(error.value)


def with_nan(name, at):
    tree = tree_of(*draws(length=100), rows())
    group = next(g for g in ("posterior", "sample_stats", "log_likelihood") if name in tree[g].data_vars)
    dataset = tree[group].to_dataset()
    values = dataset[name].values.astype(float)
    values[at] = np.nan
    tree[group] = xr.DataTree(dataset.assign({name: (dataset[name].dims, values)}))
    return tree


@pytest.mark.parametrize("name", ["mu", "w", "lp", "y"])
@pytest.mark.parametrize("at", [(0, 3), 1], ids=["one draw", "one chain"])
def test_draws_that_are_no_numbers_are_never_sound(name, at):
    diagnosis = verdict(with_nan(name, at))
    assert diagnosis.verdict == "undecided" and "not finite" in diagnosis.summary(), diagnosis.summary()


@pytest.mark.parametrize("length", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("chains", [1, 4])
def test_a_few_draws_say_nothing(length, chains):
    assert verdict(tree_of(*draws(chains, length), rows())).verdicts == ("undecided",)


@pytest.mark.parametrize("one", [0.0, 1e-3])
def test_chains_that_stand_still_are_not_sound(one):
    """Every chain at a point of its own, or one that hardly moves: no Monte Carlo error, and nothing that agrees."""
    mean, sd, weight = (v[:, :1] + one * (v - v[:, :1]) for v in draws(length=200))
    diagnosis = verdict(tree_of(mean, sd, weight / weight.sum(axis=2, keepdims=True), rows()))
    assert diagnosis.verdict in ("several modes", "not converged"), diagnosis.summary()


def posterior_of(**how):
    return tree_of(*draws(length=200, **how), rows())["posterior"].to_dataset()


def stan():
    """Dimensions without labels, each variable's own, and allocations from one, of eight bits."""
    own = posterior_of()
    names = {"mu": "mu_dim_0", "sigma": "sigma_dim_0", "w": "theta_dim_0"}
    fields = {name: ((*LEAD, dim), own[name].values) for name, dim in names.items()}
    return xr.Dataset(fields | {"z": ((*LEAD, "z_dim_0"), (own["z"].values + 1).astype(np.int8))}), tuple(
        names.values()
    )


ODD = {
    "one component": lambda: (posterior_of(centres=np.array([0.0])), {}),
    "no label for the allocations": lambda: (posterior_of(), {"allocations": None}),
    "Stan": lambda: (stan()[0], {"dim": stan()[1], "probabilities": None}),
    "another name": lambda: (posterior_of().rename(component="k"), {"dim": "k"}),
    "names of components": lambda: (posterior_of().assign_coords(component=["a", "b", "c"]), {}),
    "two component axes": lambda: (
        posterior_of().assign(
            A=((*LEAD, "component", "component_to"), np.random.default_rng(0).random((4, 200, 3, 3)))
        ),
        {"dim": ("component", "component_to")},
    ),
    "text, truth and time": lambda: (
        posterior_of().assign(
            s=(LEAD, np.full((4, 200), "x")),
            b=((*LEAD, "component"), np.ones((4, 200, 3), dtype=bool)),
            t=(LEAD, np.full((4, 200), np.datetime64("2020-01-01", "ns"))),
        ),
        {},
    ),
    "one row": lambda: (posterior_of().isel(obs=[0]), {}),
    "any order of axes": lambda: (posterior_of().transpose("component", "obs", "draw", "chain"), {}),
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_but_legal(odd):
    """No traceback, and what does not change the draws does not change the verdict."""
    posterior, how = ODD[odd]()
    diagnosis = verdict(posterior, **how)
    assert diagnosis.verdict == ("degenerate" if odd == "one row" else "sound"), diagnosis.summary()


@pytest.mark.certify
def test_fifty_components_under_any_names():
    centres = 20.0 * np.arange(50)
    rng = np.random.default_rng(0)
    names = rng.permuted(np.tile(np.arange(50), (4, 50, 1)), axis=2)
    y = centres[np.arange(100) % 50] + rng.normal(size=100)
    diagnosis = verdict(tree_of(*renamed(draws(length=50, centres=centres), names), y))
    assert "label switching" in diagnosis.verdicts and "sound" not in diagnosis.verdicts


@pytest.mark.parametrize("empty,match", [("chain", "one draw"), ("draw", "one draw"), ("component", "one component")])
def test_nothing_there(empty, match):
    for call in (bm.diagnose_draws, bm.relabel):
        with pytest.raises(bm.InputError, match=f"at least {match}"):
            call(posterior_of().isel({empty: slice(0)}), by="mu")


BELOW = {"w": np.array([2, 0.5, 0.5]) / 3, "mu": np.array([2.25, 30.0, 30.2]), "sigma": np.array([2.5, 1.0, 1.0])}


@pytest.mark.certify
@pytest.mark.parametrize("run,verdict", [("A", "label switching"), ("B", "several modes")])
def test_a_model_written_by_hand_in_pymc(run, verdict):
    """Runs A and B of the notes with PyMC's own NUTS: permuted starts; two chains in an optimum far below.

    The weights' concentration of 30 keeps the two components that share a group in that optimum from emptying, so
    that chains stay in it.
    """
    import pymc as pm

    y = np.random.default_rng(8).normal(np.repeat(CENTRES, 50), 1.0)
    with pm.Model(coords={"component": range(3), "obs": range(150)}):
        w = pm.Dirichlet("w", np.full(3, 30.0), dims="component")
        mu = pm.Normal("mu", 10.0, 20.0, dims="component")
        sigma = pm.HalfNormal("sigma", 10.0, dims="component")
        pm.NormalMixture("y", w, mu, sigma=sigma, observed=y, dims="obs")
        top = {"w": np.full(3, 1 / 3), "mu": CENTRES, "sigma": np.ones(3)}
        names = [0, 1, 2], [1, 2, 0], [2, 1, 0], [0, 2, 1]
        starts = [top] * 2 + [BELOW] * 2 if run == "B" else [{n: v[p] for n, v in top.items()} for p in names]
        how = {"draws": 600, "tune": 400, "chains": 4, "init": "adapt_diag", "random_seed": 1, "cores": 1}
        tree = pm.sample(initvals=starts, quiet=True, **how)
        pm.compute_log_likelihood(tree, progressbar=False)
    total = tree["log_likelihood"]["y"].sum("obs").values
    stayed = total[:2].min() - total[2:].max() > 5  # every draw of the one beside every draw of the other
    assert stayed == (run == "B")
    diagnosis = bm.diagnose_draws(tree)
    assert diagnosis.verdict == verdict, diagnosis.summary()
    out = bm.relabel(tree, method="pivot")
    assert out.posterior["posterior"]["mu"].dims == tree["posterior"]["mu"].dims
    if run == "A":
        assert (out.posterior["posterior"]["mu"].std(("chain", "draw")) < 1).all()
    turned = tree.copy()
    turned["posterior"] = tree["posterior"].to_dataset().isel(chain=[2, 0, 3, 1], component=[1, 2, 0])
    turned["log_likelihood"] = tree["log_likelihood"].to_dataset().isel(chain=[2, 0, 3, 1])
    turned["sample_stats"] = tree["sample_stats"].to_dataset().isel(chain=[2, 0, 3, 1])
    assert bm.diagnose_draws(turned).verdict == verdict

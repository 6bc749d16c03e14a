"""Gradients stay finite where a chain may stray: weights of zero, far and coinciding components, walls, labels."""

import numpy as np
import pytest
from pymc.blocking import RaveledVars

import bayesmix as bm
import cases
from bayesmix.em.kernel import Problem
from bayesmix.mcmc.starts import disperse

EXTRAS = {c.id: c for c in cases.extras()}


def gradient(case, mode="FAST_COMPILE"):
    """(a point of unconstrained coordinates, u -> (log posterior, gradient)) of a model."""
    model = case.model.to_pymc(case.data)
    start = model.initial_point()
    info = tuple((v.name, start[v.name].shape, start[v.name].size, start[v.name].dtype) for v in model.value_vars)
    function = model.logp_dlogp_function(ravel_inputs=True, mode=mode)

    def at(point):
        u = np.concatenate([np.ravel(point[v.name]) for v in model.value_vars]).astype(float)
        with np.errstate(all="ignore"):
            return function(RaveledVars(u, info))

    return {name: np.asarray(value, dtype=float) for name, value in start.items()}, at


def edges(start, away):
    """Named points: the weights and each field in turn far out by `away`, the rest near zero."""
    rng = np.random.default_rng(0)
    inside = {name: 0.3 * rng.normal(size=value.shape) for name, value in start.items()}
    yield "inside", inside
    for name, value in inside.items():
        if name.startswith("weight"):  # every weight but the last is zero; the last is zero; the first is
            yield "weights of zero", {**inside, name: np.full(value.shape, -800.0)}
            yield "the last weight zero", {**inside, name: np.full(value.shape, 800.0)}
            first = np.array(value)
            first.flat[0] = -800.0
            yield "the first weight zero", {**inside, name: first}
        elif value.ndim and len(value) > 1:
            far, same = np.array(value), np.array(value)
            far[-1] += away
            same[:] = same[:1]
            yield f"{name} of one component far from the data", {**inside, name: far}
            yield f"{name} the same in all components", {**inside, name: same}


def all_finite(case, mode="FAST_COMPILE"):
    start, at = gradient(case, mode)
    ordered = any(c.enforce == "transform" and c.field != "weight" for c in case.model.constraints)
    away = 3.0 if ordered else 12.0  # an ordered coordinate is the logarithm of a gap, maybe between logarithms
    seen = 0
    for what, point in edges(start, away):
        value, slope = at(point)
        assert np.isfinite(value), f"{what}: log posterior {value}"
        assert np.isfinite(slope).all(), f"{what}: gradient {slope}"
        seen += 1
    assert seen >= 4
    return start, at


def hard(kind):
    """One case of a family: some rows labelled, an order by a transform, a floor under the weights."""
    return cases.make(kind, 2, labels="some", order="transform", floor="transform")


def plain(kind):
    """The same without constraints and with probabilities of labels: weights can be zero."""
    return cases.make(kind, 2, labels="soft")


@pytest.mark.parametrize("case", [hard("mvgaussian"), EXTRAS["zero_inflated"]], ids=cases.name)
def test_finite_at_the_edges(case):
    all_finite(case)


@pytest.mark.certify
@pytest.mark.parametrize("kind", cases.KINDS)
@pytest.mark.parametrize("make", [hard, plain], ids=["constrained", "plain"])
def test_finite_at_the_edges_for_every_family(make, kind):
    all_finite(make(kind))


@pytest.mark.certify
@pytest.mark.parametrize(
    "name", ["zero_inflated", "noise_component", "mixed_types", "unlike_members", "unlike_products", "ordered_df"]
)
def test_finite_at_the_edges_for_composites(name):
    all_finite(EXTRAS[name])


@pytest.mark.certify
@pytest.mark.parametrize("make", [hard, plain], ids=["constrained", "plain"])
def test_finite_at_the_edges_in_the_mode_that_samples(make):
    all_finite(make("mvgaussian"), mode=None)


@pytest.mark.certify
@pytest.mark.parametrize("order", ["weights", "soft"])
def test_finite_at_the_edges_of_other_constraints(order):
    all_finite(cases.make("gaussian_sd", 2, order=order, floor="soft"))


def test_at_the_floor_the_density_is_the_jacobians_and_what_is_not_finite_is_seen():
    """Weights at the floor no longer move; log |dw/du| goes on falling by 6 per unit of u = (-t, -t), K = 3."""
    start, at = gradient(cases.make("gaussian_var", 1, floor="transform"))
    weight, mean = (next(n for n in start if n.startswith(field)) for field in ("weight", "mean"))
    one, two = (at({**start, weight: np.array([-t, -t])}) for t in (700.0, 800.0))
    assert two[0] - one[0] == pytest.approx(-600.0, rel=1e-9)
    value, slope = at({**start, mean: np.full(start[mean].shape, np.inf)})  # negative control
    assert not (np.isfinite(value) and np.isfinite(slope).all())


@pytest.mark.parametrize(
    "family,x",
    [
        (bm.Categorical(prob=bm.Dirichlet(1.0)), [[0], [0], [2], [3], [3], [3]]),
        (bm.Bernoulli(prob=bm.Beta(1, 1)), [[0, 0, 1], [0, 0, 1], [1, 1, 1], [1, 1, 1]]),
        (bm.Poisson(rate=bm.Gamma(1, 1)), [[0, 0], [0, 0], [0, 5], [0, 6]]),
    ],
    ids=["a category that no row has", "a feature that is always one", "a count that is always zero"],
)
def test_chains_start_inside_where_the_map_lies_on_an_edge(family, x):
    data = bm.Data(np.array(x, dtype=float))
    em = bm.fit_em(bm.Mixture(family, 2), data, restarts=3, seed=1)
    model, problem = em.mixture, Problem.of(em.mixture, data)
    start = disperse(problem, em.optima[0], np.random.default_rng(1))
    assert np.isfinite(sum(model.log_posterior(data, start).values()))
    for name in model.family.parameters:
        assert model.parameters[name].support.contains(start[name])

"""The lecture's own models (AM207, lecture 13), written by hand in PyMC and by our specification: term by term equal.

p ~ U(0, 1), weights (p, 1 - p); sds ~ U(0, 100); centers ~ N([130, 170], 20);
potentials: no weight below .1, centers in increasing order; x_i ~ N(centers[z_i], sds[z_i])
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pymc.initial_point import make_initial_point_fn
from pymc.model.transform.conditioning import remove_value_transforms

import bayesmix as bm
from bayesmix.mcmc.certificate import pymc_terms

FLOOR, WIDTH, FLOOR_WIDTH = 0.1, 2.0, 0.02
CENTERS = {"lecture": [130.0, 170.0], "davis heights": [165.0, 178.0]}
X = np.array([161.0, 182.0, 157.0, 177.0, 166.0, 170.0, 168.0, 175.0])
Z = np.array([0, 1, 0, 1, 0, 1, 1, 0])


def by_hand(centers, enforce, labelled, potentials=True):
    """The lecture's code with today's names; the first `labelled` rows have their assignment observed."""
    with pm.Model() as model:
        p1 = pm.Uniform("p", 0, 1)
        p = pt.stack([p1, 1 - p1])
        sds = pm.Uniform("sds", 0, np.float64(100), shape=2)  # PyTensor keeps a literal 100 as int8
        c = pm.Normal("centers", mu=np.array(centers), sigma=np.array([20.0, 20.0]), shape=2)
        if potentials and enforce == "soft":
            pm.Potential("min", pt.log(pt.sigmoid((p - FLOOR) / FLOOR_WIDTH)).sum())
            pm.Potential("order", pt.log(pt.sigmoid((c[1] - c[0]) / WIDTH)))
        elif potentials:
            pm.Potential("min", pt.switch(pt.min(p) < FLOOR, -np.inf, 0))
            pm.Potential("order", pt.switch(c[1] - c[0] < 0, -np.inf, 0))
        if labelled:
            z = pm.Categorical("assignment_tr", p, observed=Z[:labelled])
            pm.Normal("obs_tr", mu=c[z], sigma=sds[z], observed=X[:labelled])
        if labelled < len(X):
            rest = pm.Categorical("assignment_rest_tr", p, shape=len(X) - labelled)
            pm.Normal("obs_rest_tr", mu=c[rest], sigma=sds[rest], observed=X[labelled:])
    return model


def ours(centers, enforce, labelled, potentials=True):
    """The same by the specification: p ~ U(0, 1) is Dirichlet(1) for two components."""
    soft = enforce == "soft"
    constraints = (
        bm.Order("mean", enforce=enforce, width=WIDTH if soft else None),
        bm.MinWeight(FLOOR, enforce=enforce, width=FLOOR_WIDTH if soft else None),
    )
    family = bm.Gaussian(mean=bm.Normal(centers, 20), sd=bm.Uniform(0, 100))
    model = bm.Mixture(family, 2, weight=bm.Dirichlet(1.0), constraints=constraints if potentials else ())
    return model, bm.Data(X, label=np.where(np.arange(len(X)) < labelled, Z, -1), names=["height"])


def terms_by_hand(model, thetas, rest):
    """{name: (number of theta,)} in natural coordinates, which have no Jacobian."""
    model = remove_value_transforms(model)
    variables = [*model.free_RVs, *model.observed_RVs, *model.potentials]
    found = model.logp(vars=variables, sum=False)
    evaluate = model.compile_fn([v.sum() for v in found], inputs=model.value_vars, mode="FAST_COMPILE")
    out = []
    for t in thetas:
        point = {"p": t["weight"][0], "sds": t["sd"][:, 0], "centers": t["mean"][:, 0]}
        if len(rest):
            point["assignment_rest_tr"] = rest
        out.append(evaluate({v.name: point[v.name] for v in model.value_vars}))
    return dict(zip([v.name for v in variables], np.array(out, dtype=float).T, strict=True))


def same(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-10)


def prior_points(model, data, enforce, count=20):
    """Prior draws; of the potentials also such as they forbid."""
    rng = np.random.default_rng(3)
    draw = model.draw_prior if enforce == "transform" else model.draw_unconstrained
    return [draw(rng, data.d) for _ in range(count)]


CERTIFY = pytest.mark.certify


@pytest.mark.parametrize(
    ("centers", "enforce"),
    [
        ("davis heights", "potential"),
        pytest.param("davis heights", "transform", marks=CERTIFY),
        pytest.param("davis heights", "soft", marks=CERTIFY),
        pytest.param("lecture", "potential", marks=CERTIFY),
        pytest.param("lecture", "transform", marks=CERTIFY),
        pytest.param("lecture", "soft", marks=CERTIFY),
    ],
)
def test_supervised(centers, enforce):
    spec, data = ours(CENTERS[centers], enforce, len(X))
    spec = spec.resolve(data)
    thetas = prior_points(spec, data, enforce)
    hand = terms_by_hand(by_hand(CENTERS[centers], enforce, len(X)), thetas, ())
    terms, by_dist = pymc_terms(spec, data, thetas)
    same(terms["weight"], hand["p"])
    assert (terms["weight"] == 0).all()  # p ~ U(0, 1) is Dirichlet(1): the density is 1
    same(terms["sd"], hand["sds"])
    same(terms["mean"], hand["centers"])
    same(terms["x"], hand["assignment_tr"] + hand["obs_tr"])
    same(by_dist, terms["x"])
    if enforce != "transform":
        same(terms["order_mean_0"], hand["order"])
        same(terms["min_weight"], hand["min"])
        forbidden = np.isneginf(hand["order"]) | np.isneginf(hand["min"])
        assert forbidden.any() == (enforce == "potential") and not forbidden.all()


@pytest.mark.parametrize(
    ("labelled", "enforce", "potentials"),
    [
        (3, "potential", True),
        pytest.param(0, "potential", False, marks=CERTIFY),  # as on the slide: no potentials
        pytest.param(3, "transform", True, marks=CERTIFY),
        pytest.param(3, "soft", True, marks=CERTIFY),
    ],
)
def test_semi_supervised_and_unsupervised_with_explicit_assignments(labelled, enforce, potentials):
    spec, data = ours(CENTERS["lecture"], enforce, labelled, potentials)
    theta = spec.resolve(data).draw_prior(np.random.default_rng(5), 1)
    model = spec.to_pymc(data, latent="explicit")
    variables = [*model.free_RVs, *model.observed_RVs, *model.potentials]
    found = model.logp(vars=variables, jacobian=False, sum=False)
    evaluate = model.compile_fn([v.sum() for v in found], inputs=model.value_vars, mode="FAST_COMPILE")
    values = {n: theta[n] for n in ("weight", "mean", "sd")} | {"z": Z[labelled:]}
    point = make_initial_point_fn(model=model, overrides=values, jitter_rvs=set(), return_transformed=True)(0)
    terms = dict(zip([v.name for v in variables], map(float, evaluate(point)), strict=True))
    hand = terms_by_hand(by_hand(CENTERS["lecture"], enforce, labelled, potentials), [theta], Z[labelled:])
    same(terms["weight"], hand["p"])
    same(terms["sd"], hand["sds"])
    same(terms["mean"], hand["centers"])
    same(terms["z"], hand["assignment_rest_tr"])
    same(terms.get("z_labelled", 0.0), hand.get("assignment_tr", 0.0))
    same(terms["x"], hand["obs_rest_tr"] + hand.get("obs_tr", 0.0))
    if potentials and enforce != "transform":
        same(terms["order_mean_0"], hand["order"])
        same(terms["min_weight"], hand["min"])

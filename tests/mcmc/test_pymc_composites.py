"""The PyMC model of families made of members (their densities are in test_certificate.py, by `cases.extras`)."""

import numpy as np
import pytest

import bayesmix as bm
import cases
from bayesmix.em.kernel import Problem
from bayesmix.mcmc.certificate import certificate
from bayesmix.mcmc.pack import Relabel
from bayesmix.mcmc.pymc_model import _row_random
from bayesmix.mcmc.samplers import unconstrained_start
from newcomers import Laplace

CASES = {c.id: c for c in cases.extras()}
NAMES = ("zero_inflated", "noise_component", "mixed_types", "unlike_members", "unlike_products")


@pytest.mark.parametrize("name", NAMES)
def test_finite_where_a_chain_starts(name):
    """logp at the unconstrained start of a chain, Jacobians left out, is the log posterior of its theta."""
    case = CASES[name]
    spec = case.model.resolve(case.data)
    theta = spec.draw_prior(np.random.default_rng(0), case.data.d)
    model = case.model.to_pymc(case.data)
    u, at, point = unconstrained_start(model, theta), 0, {}
    shapes = model.eval_rv_shapes()
    for v in model.value_vars:
        size = int(np.prod(shapes[v.name]))
        point[v.name] = u[at : at + size].reshape(shapes[v.name])
        at += size
    assert at == len(u) == spec.df(case.data.d)
    logp = model.compile_fn(model.logp(jacobian=False), inputs=model.value_vars, mode="FAST_COMPILE")
    assert logp(point) == pytest.approx(sum(spec.log_posterior(case.data, theta).values()), rel=1e-9)


def test_random_variables_have_the_fields_names_and_axes():
    model = CASES["mixed_types"].model.to_pymc(CASES["mixed_types"].data)
    assert {rv.name for rv in model.free_RVs} == {"weight", "a.mean", "a.sd", "b.rate", "c.prob"}
    assert model.named_vars_to_dims["a.mean"] == ("component", "feature_a")
    assert list(model.coords["feature_a"]) == ["x0", "x1"]
    noise = CASES["noise_component"].model.to_pymc(CASES["noise_component"].data)
    assert {rv.name for rv in noise.free_RVs} == {"weight", "mean", "cov"}  # the bounds are constants
    assert noise.named_vars_to_dims["cov"] == ("component_mvgaussian", "feature", "feature2")
    assert list(noise.coords["component_mvgaussian"]) == [0, 1]


def test_a_family_that_is_not_exponential_uses_pymcs_distributions():
    x = np.array([0.1, 0.5, 3.0, 4.5, 3.9, 0.9])
    laplace = Laplace(center=bm.Normal(0, 3), width=bm.InverseGamma(3.0, 2.0))
    for family in (
        bm.Components(bm.UniformComponent(0, 1), laplace),
        bm.Components((laplace, 2), bm.Gaussian(mean=bm.Normal(0, 3), sd=bm.HalfNormal(2))),
    ):
        found = certificate(bm.Mixture(family), bm.Data(x), draws=50, seed=1)
        assert found.ok and set(found.terms) >= {"x", "weight", "center", "width"}, found.summary()
    counts = np.column_stack([x, np.array([0, 0, 2, 5, 1, 0])])
    atom = bm.Product(a=(laplace, [0]), b=(bm.PointMass(0), [1]))
    inflated = bm.Components(atom, bm.Product(a=(laplace, [0]), b=(bm.Poisson(bm.Gamma(2, 1)), [1])))
    found = certificate(bm.Mixture(inflated), bm.Data(counts), draws=50, seed=1)
    assert found.ok, found.summary()


def test_new_rows_are_drawn_without_the_mask():
    """A row that was seen to be positive may be zero when it is drawn anew; labels still bind."""
    case = CASES["zero_inflated"]
    x = case.data.x[:, 0]
    label = np.where(np.arange(len(x)) == 2, 1, -1)
    for data, free in ((case.data, True), (bm.Data(x, label=label), False)):
        model = case.model.resolve(data)
        problem = Problem.of(model, data)
        random = _row_random(model, data)
        args = (np.array([0.7, 0.3]), np.array([[4.0]]), problem.features, problem.base,
                np.maximum(problem.log_label.T, -1e30))  # fmt: skip
        rng = np.random.default_rng(0)
        rows = np.stack([random(*args, np.ones(len(x)), problem.origin, rng=rng)[:, 0] for _ in range(2000)])
        zero = (rows == 0).mean(axis=0)
        p = np.full(len(x), 0.7 + 0.3 * np.exp(-4.0))
        if not free:
            p[2] = np.exp(-4.0)
        assert (np.abs(zero - p) <= 5 * np.sqrt(p * (1 - p) / 2000)).all()


def test_draws_are_relabelled_within_the_members_that_no_order_holds():
    family = bm.Components((bm.Poisson(rate=bm.Gamma(2, 0.3)), 2), (bm.Poisson(rate=bm.Gamma(2, 0.3)), 2))
    data = bm.Data(np.r_[np.zeros(5), np.full(5, 8.0), np.full(5, 30.0), np.full(5, 90.0)])
    model = bm.Mixture(family, constraints=bm.Order("poisson1.rate", enforce="potential")).resolve(data)
    problem = Problem.of(model, data)
    reference = {
        "weight": np.full(4, 0.25),
        "poisson1.rate": np.array([[0.5], [8.0]]),
        "poisson2.rate": np.array([[30.0], [90.0]]),
    }
    other = {
        **reference,
        "poisson1.rate": reference["poisson1.rate"][::-1],
        "poisson2.rate": np.array([[90.0], [30.0]]),
    }
    relabel = Relabel(problem, reference, 2)
    r = np.stack([problem.responsibilities(theta)[0].T for theta in (reference, other)])
    relabel.see(slice(0, 2), r)
    np.testing.assert_array_equal(relabel.permutation, [[0, 1, 2, 3], [0, 1, 3, 2]])
    np.testing.assert_allclose(relabel.total, r[0].T + r[1, [0, 1, 3, 2]].T, rtol=1e-12)

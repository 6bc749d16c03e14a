"""Laws of EM on models, stiffnesses, labels and data that hypothesis makes up."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import bayesmix as bm
import cases
from bayesmix.em import engine, starts
from bayesmix.em.kernel import Problem

QUICK = settings(
    max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
STIFFNESS = st.sampled_from([0.3, 1.0, 2.5, np.inf])
SEED = st.integers(0, 10_000)


def rises(trace):
    """Whether no step falls by more than the rounding of its sum."""
    f = trace[:, 0]
    return (np.diff(f) >= -1e-11 * np.maximum(1.0, np.abs(f[1:]))).all()


@st.composite
def made(draw):
    """A case of the product of kinds, pools, labels and constraints."""
    levels = {name: draw(st.sampled_from(values)) for name, values in cases.FACTORS.items()}
    assume(cases._valid(**levels))
    return cases.make(**levels)


def climb(model, data, stiffness, seed, start="rows", iterations=6):
    problem = Problem.of(model.resolve(data), data)
    theta = starts.draw(start, problem, np.random.default_rng(seed))
    return problem, engine.run(problem, theta, stiffness=stiffness, max_iter=iterations)


@QUICK
@given(made(), STIFFNESS, SEED, st.sampled_from(["rows", "random", "prior", "clumps"]))
def test_the_objective_never_falls(case, stiffness, seed, start):
    """F_beta rises over family x stiffness x constraint x labels x start, and constraints hold at every theta."""
    try:
        problem, run = climb(case.model, case.data, stiffness, seed, start)
    except bm.InputError:
        assume(False)  # labels that contradict an order
    assert run.status != engine.FALL and rises(run.trace)
    assert np.isfinite(sum(problem.mixture.log_prior(problem.inward(run.theta)).values()))
    assert run.theta["weight"].sum() == pytest.approx(1, abs=1e-12)


def plain_families():
    """Every imported family that has defaults for all its parameters."""
    out = []
    for name, cls in bm.families().items():
        try:
            cls()
        except (TypeError, bm.InputError):
            continue
        out.append(name)
    return out


@QUICK
@given(st.sampled_from(plain_families()), STIFFNESS, st.integers(1, 3), st.integers(1, 2), SEED)
def test_every_family_climbs(name, stiffness, K, d, seed):
    """Any imported family under its default priors, on rows drawn from itself."""
    rng = np.random.default_rng(seed)
    zero_one = (rng.random((30, d)) < 0.5).astype(float)
    zero_one[:2] = [[0.0], [1.0]]
    family = bm.families()[name]()
    try:
        family.check(zero_one, [f"x{j}" for j in range(d)])
    except bm.InputError:
        zero_one += 1  # zero is outside its sample space
    try:
        family = family.resolve(zero_one)
    except bm.InputError:
        assume(False)  # it takes another number of columns
    x = family.draw(np.arange(30) % K, rng, **family.draw_prior(rng, K, d))
    assume(np.isfinite(x).all())
    _, run = climb(bm.Mixture(family, K), bm.Data(x), stiffness, seed, iterations=6)
    assert run.status != engine.FALL and rises(run.trace)


@QUICK
@given(st.sampled_from(cases.KINDS), SEED, st.integers(2, 3))
def test_whole_weights_are_copies(kind, seed, K):
    """Row weights 0, 1, 2, 3 climb through the same thetas as that many copies of each row."""
    rng = np.random.default_rng(seed)
    x, _ = cases.rows(kind, 2, K)
    weight = rng.integers(0, 4, size=len(x))
    assume((weight > 0).sum() > K)
    model = bm.Mixture(cases.family(kind, 2), K)
    start = model.resolve(bm.Data(x)).draw_prior(rng, 2)
    runs = []
    for data in (bm.Data(x, weight=weight.astype(float)), bm.Data(np.repeat(x, weight, axis=0))):
        problem = Problem.of(model.resolve(data), data)
        runs.append(engine.run(problem, start, max_iter=10))
    np.testing.assert_allclose(runs[0].trace, runs[1].trace, rtol=1e-9)
    for name, value in runs[0].theta.items():
        np.testing.assert_allclose(value, runs[1].theta[name], rtol=1e-6, atol=1e-9)


@QUICK
@given(st.sampled_from(cases.KINDS), SEED, STIFFNESS)
def test_relabelling_the_start_relabels_the_run(kind, seed, stiffness):
    rng = np.random.default_rng(seed)
    x, _ = cases.rows(kind, 2, 3)
    data, model = bm.Data(x), bm.Mixture(cases.family(kind, 2), 3)
    problem = Problem.of(model.resolve(data), data)
    theta, perm = problem.outward(problem.mixture.draw_prior(rng, 2)), rng.permutation(3)
    a = engine.run(problem, theta, stiffness=stiffness, max_iter=8)
    b = engine.run(problem, model.permute(theta, perm), stiffness=stiffness, max_iter=8)
    assert a.status == b.status
    if a.status == engine.COLLAPSED:  # the last point is where rounding took over
        np.testing.assert_allclose(a.trace[:-1], b.trace[:-1], rtol=1e-9)
        return
    np.testing.assert_allclose(a.trace, b.trace, rtol=1e-9)
    for name, value in model.permute(a.theta, perm).items():
        np.testing.assert_allclose(value, b.theta[name], rtol=1e-6, atol=1e-9)


@QUICK
@given(st.sampled_from(cases.KINDS), SEED)
def test_gradient_and_hessian_are_those_of_plain_differences(kind, seed):
    """Louis' Hessian on all components at once, at a random point, with and without the Jacobian."""
    from bayesmix.em.surface import Surface

    rng = np.random.default_rng(seed)
    x, z = cases.rows(kind, 2, 2)
    data = bm.Data(x, label=np.where(np.arange(len(x)) < 3, z, -1), weight=rng.uniform(0.5, 2, len(x)))
    problem = Problem.of(bm.Mixture(cases.family(kind, 2), 2).resolve(data), data)
    theta = problem.mixture.draw_prior(rng, 2)
    for jacobian in (False, True):
        surface = Surface(problem, theta, jacobian=jacobian)
        u = surface.u(theta)
        e = 1e-5 * np.eye(len(u))
        plain = np.array([(surface.value(u + h) - surface.value(u - h)) / 2e-5 for h in e])
        size = max(1.0, np.abs(plain).max(), abs(surface.value(u)))
        np.testing.assert_allclose(surface.gradient(u), plain, rtol=0, atol=1e-6 * size)
        second = np.array([(surface.gradient(u + h) - surface.gradient(u - h)) / 2e-5 for h in e])
        np.testing.assert_allclose(surface.hessian(u), second, rtol=0, atol=1e-4 * max(1.0, np.abs(second).max()))

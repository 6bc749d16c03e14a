"""The M-step under walls: Newton's method and the gradient by parts, against a search that knows neither."""

import numpy as np
import pytest
from scipy.optimize import minimize

import bayesmix as bm
from bayesmix.em import starts, walls
from bayesmix.em.engine import expected, m_step
from bayesmix.em.kernel import Problem
from bayesmix.spec.climb import gradient

RNG = np.random.default_rng(3)
REAL = np.concatenate([RNG.normal(-1, 1, (40, 2)), RNG.normal(1, 1, (30, 2))])
COUNTS = np.concatenate([RNG.poisson(3, (40, 1)), RNG.poisson(6, (30, 1))]).astype(float)
SOFT = {
    "order": (bm.MvGaussian(), REAL, (bm.Order("mean", by=0, enforce="soft", width=0.5),)),
    "weights": (bm.Gaussian(), REAL, (bm.MinWeight(0.2, enforce="soft", width=0.05),)),
    "both": (bm.Poisson(), COUNTS, (bm.Order("rate", enforce="soft"), bm.MinWeight(0.1, enforce="soft"))),
    "not exponential": (bm.StudentT(), REAL[:, :1], (bm.Order("mean", enforce="soft"),)),
}


def step_of(family, x, constraints):
    """A problem, an E-step and the theta at which it was taken."""
    data = bm.Data(x)
    problem = Problem.of(bm.Mixture(family, 2, constraints=constraints).resolve(data), data)
    theta = problem.inward(starts.draw("rows", problem, np.random.default_rng(1)))
    return problem, problem.e_step(theta), theta


@pytest.mark.parametrize("name", SOFT)
def test_newton_ends_at_the_maximum_of_q(name):
    problem, here, theta = step_of(*SOFT[name])
    top = walls.ascend(problem, here, theta)
    best, units, like = expected(problem, here, top), problem.units, problem.mixture

    def downhill(v):
        value = expected(problem, here, like.from_vector(v * units, theta))
        return -value if np.isfinite(value) else 1e50

    found = minimize(downhill, like.vector(theta) / units, jac=lambda v: gradient(downhill, v), method="BFGS")
    assert best >= -found.fun - 1e-9 * abs(found.fun)
    assert best == pytest.approx(-found.fun, rel=1e-7)
    assert expected(problem, here, theta) < best - 1e-3  # negative control: the step had somewhere to go
    if problem.exponential:
        new = m_step(problem, here, theta)
        assert expected(problem, here, new) == pytest.approx(best, rel=1e-11)


@pytest.mark.parametrize("name", SOFT)
def test_the_gradient_by_parts_is_that_of_q(name):
    problem, here, theta = step_of(*SOFT[name])
    surface = walls.split(problem, theta)[0]
    u = surface.u(theta) + 0.05
    plain = gradient(lambda v: expected(problem, here, surface.theta(v)), u)
    np.testing.assert_allclose(walls.slope(problem, here, theta)(u), plain, rtol=1e-6, atol=1e-5)


def test_priors_of_unlike_components_are_told_apart():
    """A prior per component is no batch of M K components: the derivatives are still those of Q."""
    family = bm.Gaussian(mean=bm.Normal([[-3.0], [3.0]], 0.5), sd=bm.HalfNormal(2.0))
    problem, here, theta = step_of(family, REAL[:, :1], (bm.Order("mean", enforce="soft"),))
    surface = walls.split(problem, theta)[0]
    u = surface.u(theta)
    plain = gradient(lambda v: expected(problem, here, surface.theta(v)), u)
    np.testing.assert_allclose(walls.slope(problem, here, theta)(u), plain, rtol=1e-6, atol=1e-5)

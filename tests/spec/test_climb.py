"""One-dimensional M-steps: Newton's method in a bracket against the bracketing search; slopes against differences."""

import numpy as np
import pytest

import bayesmix as bm
from bayesmix.spec.climb import log_slope, log_slopes, newton_root, root

PRIORS = [
    bm.Gamma(2.0, 0.3),
    bm.InverseGamma(3.0, 2.0),
    bm.HalfNormal(1.5),
    bm.LogNormal(0.4, 0.7),
    bm.Exponential(0.2),
    bm.Uniform(0.01, 40.0),
]
U = np.array([[-1.3, 0.2, 1.7]])


@pytest.mark.parametrize("prior", PRIORS, ids=lambda p: type(p).__name__)
def test_slopes_are_the_derivatives_of_the_prior(prior):
    """d log p / d log v by central differences of log p itself, and once more of the slope."""
    slopes, h = log_slopes(prior, U.shape), 1e-5
    first, second = slopes(U)
    rise = prior.logp(np.exp(U + h), {}) - prior.logp(np.exp(U - h), {})
    np.testing.assert_allclose(first, rise / (2 * h), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(first, log_slope(prior, np.exp(U), {}), rtol=1e-12, atol=1e-10)
    bend = (slopes(U + h)[0] - slopes(U - h)[0]) / (2 * h)
    np.testing.assert_allclose(second, bend, rtol=1e-5, atol=1e-5)


CURVES = {
    "straight": (lambda u: 2.0 - u, lambda u: -np.ones_like(u), 2.0),
    "tail": (lambda u: np.exp(-u) - 1e-6, lambda u: -np.exp(-u), 6 * np.log(10)),
    "step": (lambda u: -np.tanh(30 * (u - 1)), lambda u: -30 / np.cosh(np.minimum(30 * np.abs(u - 1), 300)) ** 2, 1.0),
    "always up": (np.ones_like, np.zeros_like, 80.0),
    "always down": (lambda u: -np.exp(u), lambda u: -np.exp(u), -80.0),
    "wrong bend": (lambda u: 3.0 - u, np.ones_like, 3.0),
}


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("start", [-20.0, 0.0, 0.9, 50.0])
def test_newton_finds_what_the_bracketing_search_finds(name, start):
    """A good derivative, one that is all but zero, and one of the wrong sign, from near and far."""
    slope, bend, top = CURVES[name]
    u = np.full((2, 1), start)
    found = newton_root(lambda v: (slope(v), bend(v)), u)
    np.testing.assert_allclose(found, top, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(root(slope, u), top, rtol=1e-9, atol=1e-9)
    assert u.tolist() == [[start]] * 2


def test_the_edge_of_a_support_stops_newton():
    """Where the slope is infinite beside an edge, the root lies on the near side of it."""
    prior = bm.Uniform(0.5, 4.0)
    slopes = log_slopes(prior, (1,))
    for pull, edge in ((5.0, 4.0), (-5.0, 0.5)):
        found = newton_root(lambda u, pull=pull: (pull + slopes(u)[0], slopes(u)[1]), np.zeros(1))
        assert np.clip(np.exp(found), *prior.interval) == pytest.approx(edge)

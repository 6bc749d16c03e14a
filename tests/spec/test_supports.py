"""The bijections to unconstrained coordinates: there and back, and the Jacobian by a numeric determinant."""

import numpy as np
import pytest

from bayesmix.spec import supports
from bayesmix.spec.climb import climb, gradient

RNG = np.random.default_rng(9)
FACTOR = RNG.normal(size=(2, 3, 3))
VALUES = {
    "real": RNG.normal(size=(3, 2)),
    "positive": RNG.gamma(2.0, size=(3, 2)),
    "unit": RNG.beta(0.5, 0.5, size=(3, 2)),
    "simplex": RNG.dirichlet(np.ones(4)),
    "positive definite": FACTOR @ np.swapaxes(FACTOR, 1, 2) + 0.1 * np.eye(3),
}


def distinct(name, value):
    """The distinct coordinates of a value: all but the last weight, the lower triangle of a matrix."""
    if name == "simplex":
        return value[..., :-1].ravel()
    if name == "positive definite":
        i, j = np.tril_indices(value.shape[-1])
        return value[..., i, j].ravel()
    return value.ravel()


def test_every_support_is_tried():
    assert set(VALUES) == set(supports.SUPPORTS)


@pytest.mark.parametrize("name", VALUES)
def test_there_and_back(name):
    s, value = supports.SUPPORTS[name], VALUES[name]
    u = s.to_real(value)
    assert u.shape == s.free(value.shape)
    np.testing.assert_allclose(s.from_real(u, value.shape), value, rtol=1e-12, atol=1e-14)
    assert s.contains(value)
    far = s.from_real(RNG.normal(size=u.shape) * 3, value.shape)
    assert s.contains(far)
    np.testing.assert_allclose(s.from_real(s.to_real(far), value.shape), far, rtol=1e-9)


@pytest.mark.parametrize("name", VALUES)
def test_off_the_edge_is_inside_and_near(name):
    s, edges = supports.SUPPORTS[name], {"positive": [0.0, 5.0], "unit": [0.0, 1.0, 0.3], "simplex": [0.0, 0.25, 0.75]}
    np.testing.assert_array_equal(s.off_edge(VALUES[name]), VALUES[name])
    if name in edges:
        value = np.array(edges[name])
        moved = s.off_edge(value)
        assert s.contains(moved) and np.abs(moved - value).max() <= 0.01 * value.max()
        assert s.contains(s.off_edge(np.zeros(2))) or name == "simplex"


@pytest.mark.parametrize("name", VALUES)
def test_log_jacobian(name):
    s, value = supports.SUPPORTS[name], VALUES[name]
    u = np.array(s.to_real(value))
    J = []
    for j in range(u.size):
        e = np.zeros(u.size)
        e[j] = 1e-6
        up, down = (s.from_real(u + (sign * e).reshape(u.shape), value.shape) for sign in (1, -1))
        J.append((distinct(name, up) - distinct(name, down)) / 2e-6)
    exact = np.linalg.slogdet(np.array(J))[1]
    assert s.log_jacobian(u, value.shape) == pytest.approx(exact, abs=1e-7)


@pytest.mark.parametrize("name", VALUES)
def test_curvature_of_the_log_jacobian(name):
    """Second differences, with step 1e-4 known to 1e-7 and to rounding, 4 eps s / 1e-8."""
    s, value = supports.SUPPORTS[name], VALUES[name]
    u, shape = np.array(s.to_real(value)), value.shape
    blocks, at = s.curvature(u, shape), 0
    curve = np.zeros((u.size, u.size))
    for block in blocks:
        curve[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    assert at == u.size
    e = 1e-4 * np.eye(u.size).reshape(u.size, *u.shape)
    f = [[s.log_jacobian(u + a + b, shape) + s.log_jacobian(u - a - b, shape) for b in e] for a in e]
    g = [[s.log_jacobian(u + a - b, shape) + s.log_jacobian(u - a + b, shape) for b in e] for a in e]
    np.testing.assert_allclose(curve, (np.array(f) - g) / 4e-8, atol=1e-5)


@pytest.mark.parametrize(
    "name,outside",
    [
        ("real", [[np.nan]]),
        ("real", [[np.inf]]),
        ("positive", [[0.0]]),
        ("positive", [[-1.0]]),
        ("unit", [[0.0]]),
        ("unit", [[1.0]]),
        ("simplex", [0.5, 0.4]),
        ("simplex", [1.0, 0.0]),
        ("positive definite", [[[1.0, 2.0], [2.0, 1.0]]]),
        ("positive definite", [[[np.nan, 0.0], [0.0, 1.0]]]),
    ],
)
def test_what_is_not_inside(name, outside):
    assert not supports.SUPPORTS[name].contains(np.array(outside))


def test_names_and_pymc_transforms():
    for name, s in supports.SUPPORTS.items():
        assert repr(s) == name
        assert (s.transform(VALUES[name].shape) is None) == (name == "real")


# ---- the numeric ascent that uses them ---------------------------------------------------------------------


def test_gradient_is_second_order():
    u = np.array([0.3, -1.2, 40.0])
    exact = np.array([np.cos(0.3), 3 * 1.2**2, 1 / 40.0])
    np.testing.assert_allclose(gradient(lambda v: np.sin(v[0]) + v[1] ** 3 + np.log(v[2]), u), exact, rtol=1e-8)


def test_climb_finds_the_top_and_never_returns_a_lower_point():
    top = np.array([1.0, -2.0])
    found = climb(lambda v: -np.sum((v - top) ** 2 * [1, 50]), np.zeros(2))
    np.testing.assert_allclose(found, top, atol=1e-5)
    assert climb(lambda v: -np.sum((v - top) ** 2), top) is None  # nothing is higher
    assert climb(lambda v: -np.inf, np.zeros(2)) is None  # nowhere to start from
    assert climb(lambda v: 0.0, np.empty(0)) is None

"""The Ops on small positive definite matrices: values against NumPy, slopes against differences, both linkers."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.gradient import NullTypeGradError, verify_grad

from bayesmix.spec.matrix_ops import CovarianceOfFactor, Precision

MODES = ["FAST_COMPILE", pytest.param("NUMBA", marks=pytest.mark.xdist_group("numba"))]


def matrices(d, K=2, seed=1):
    a = np.random.default_rng(seed).normal(size=(K, d, d + 2))
    return a @ np.swapaxes(a, 1, 2)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("d", [1, 2, 4])
def test_precision(d, mode):
    V = pt.tensor3("V")
    P, log_det = pytensor.function([V], Precision()(V), mode=mode)(matrices(d))
    np.testing.assert_allclose(P, np.linalg.inv(matrices(d)), rtol=1e-10)
    np.testing.assert_allclose(log_det, np.linalg.slogdet(matrices(d))[1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_not_positive_definite_is_not_a_number(mode):
    V = pt.tensor3("V")
    bad = np.array([[[1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 1.0]]])
    P, log_det = pytensor.function([V], Precision()(V), mode=mode)(bad)
    assert np.isnan(P).any() and np.isnan(log_det).all()


@pytest.mark.parametrize("d", [1, 3])
def test_covariance_of_factor(d):
    u = pt.matrix("u")
    value = np.random.default_rng(2).normal(size=(2, d * (d + 1) // 2))
    L = np.zeros((2, d, d))
    for k in range(2):
        at = 0
        for i in range(d):
            for j in range(i + 1):
                L[k, i, j] = np.exp(value[k, at]) if i == j else value[k, at]
                at += 1
    for mode in ("FAST_COMPILE", "NUMBA"):
        V = pytensor.function([u], CovarianceOfFactor(d)(u), mode=mode)(value)
        np.testing.assert_allclose(V, L @ np.swapaxes(L, 1, 2), rtol=1e-13)


def weighted(d, seed=3):
    """u -> V -> (P, log|V|), each output weighted at random."""
    rng = np.random.default_rng(seed)
    g, h, c = rng.normal(size=(2, d, d)), rng.normal(size=2), rng.normal(size=(2, d, d))

    def value(u):
        V = CovarianceOfFactor(d)(u)
        P, log_det = Precision()(V)
        return (g * P).sum() + (h * log_det).sum() + (c * V).sum()

    return value, 0.5 * rng.normal(size=(2, d * (d + 1) // 2))


@pytest.mark.parametrize("d", [1, 3])
def test_slopes_against_differences(d):
    value, u = weighted(d)
    verify_grad(value, [u], rng=np.random.default_rng(0), mode="FAST_COMPILE")


def test_numba_gives_the_same_slopes():
    value, at = weighted(3)
    u = pt.matrix("u")
    both = [pytensor.function([u], pytensor.grad(value(u), u), mode=mode)(at) for mode in ("FAST_COMPILE", "NUMBA")]
    np.testing.assert_allclose(*both, rtol=1e-11)


def test_one_output_alone_has_a_slope():
    V = pt.tensor3("V")
    slope = pytensor.function([V], pytensor.grad(Precision()(V)[1].sum(), V), mode="FAST_COMPILE")(matrices(3))
    np.testing.assert_allclose(slope, np.linalg.inv(matrices(3)), rtol=1e-10)


def test_second_derivatives_are_refused():
    V = pt.tensor3("V")
    slope = pytensor.grad(Precision()(V)[1].sum(), V)
    with pytest.raises((NotImplementedError, NullTypeGradError)):
        pytensor.grad(slope.sum(), V)

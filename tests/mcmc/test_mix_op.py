"""The fused rows of an exponential family: against NumPy, slopes against differences, one pass for the sum."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.gradient import NullTypeGradError, verify_grad
from scipy.special import logsumexp

import bayesmix as bm
from bayesmix.mcmc.mix_op import MixRows, MixSum, mix_rows

MODES = ["FAST_COMPILE", "NUMBA"]
SHAPES = [(1, 1, 3), (3, 6, 300), (2, 4, 128)]  # components, features, rows: below, across and at the block


def inputs(K, F, n, seed=0):
    rng = np.random.default_rng(seed)
    features = np.vstack([np.ones(n), rng.normal(size=(F - 1, n))])
    label = np.where(rng.random((K, n)) < 0.2, -1e30, 0.0)
    label[0] = 0.0
    return features, 3 * rng.normal(size=(K, F)), label, rng.normal(size=n), rng.uniform(0, 3, n)


def rows(features, W, label, base, weight):
    return weight * (logsumexp(W @ features + label, axis=0) + base)


def symbols():
    return [pt.matrix("features"), pt.matrix("W"), pt.matrix("log_label"), pt.vector("base"), pt.vector("weight")]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", SHAPES)
def test_rows_and_their_sum(shape, mode):
    v = symbols()
    f = pytensor.function(v, [mix_rows(*v), *MixSum()(*v)], mode=mode)
    got, total, slope = f(*inputs(*shape))
    want = rows(*inputs(*shape))
    np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(total, want.sum(), rtol=1e-12)
    features, W, label, _, weight = inputs(*shape)
    joint = W @ features + label
    r = np.exp(joint - logsumexp(joint, axis=0)) * weight
    np.testing.assert_allclose(slope, r @ features.T, rtol=1e-12, atol=1e-12)


def test_slopes_of_rows_under_any_cotangent():
    features, W, label, base, weight = inputs(3, 4, 40)
    g = np.random.default_rng(1).normal(size=40)
    verify_grad(
        lambda w: (g * mix_rows(features, w, label, base, weight)).sum(),
        [W], rng=np.random.default_rng(2), mode="FAST_COMPILE",
    )  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_far_components_leave_no_trace_and_no_nan(mode):
    """Scores 1e30 apart, as labels make them, and a zero weight."""
    v = symbols()
    f = pytensor.function(v, MixSum()(*v), mode=mode)
    features, W = np.ones((1, 2)), np.array([[0.0], [-1e30]])
    total, slope = f(features, W, np.zeros((2, 2)), np.zeros(2), np.array([1.0, 0.0]))
    assert total == 0.0 and slope[0, 0] == 1.0 and 0 <= slope[1, 0] < 1e-250


def test_the_models_sum_is_one_pass():
    """The compiled gradient of a model holds one MixSum and no MixRows."""
    data = bm.Data(np.random.default_rng(0).poisson(3, 30).astype(float))
    model = bm.Mixture(bm.Poisson(rate=bm.Gamma(2, 1)), 2).to_pymc(data)
    f = model.logp_dlogp_function(ravel_inputs=True, mode="FAST_COMPILE")
    ops = [node.op for node in f._pytensor_function.maker.fgraph.toposort()]
    assert sum(isinstance(op, MixSum) for op in ops) == 1
    assert not any(isinstance(op, MixRows) for op in ops)


def test_second_derivatives_are_refused():
    v = symbols()
    slope = pytensor.grad(mix_rows(*v).sum(), v[1])
    with pytest.raises((NotImplementedError, NullTypeGradError)):
        pytensor.grad(slope.sum(), v[1])

"""The model of `to_pymc` is a `pm.Model` like any other: one goes on writing it in a `with` block."""

import numpy as np
import pymc as pm
import pytest
from scipy.stats import norm

import bayesmix as bm
from bayesmix.mcmc.samplers import unconstrained_function

MODEL = bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 3), sd=bm.HalfNormal(2)), 2, constraints=bm.Order("mean")).resolve(
    bm.Data([0.0, 1.0])
)


def test_what_is_added_in_a_with_block_adds_its_terms():
    """A new parameter, a second set of data that reads the mixture's means, and a potential between the two."""
    model, y = MODEL.to_pymc(bm.Data([-2.0, -1.5, 1.0, 2.5])), np.array([0.3, -0.2])
    theta = {"weight": np.array([0.4, 0.6]), "mean": np.array([[-1.7], [1.6]]), "sd": np.array([[0.5], [0.8]])}
    gap, shift = 3.3, 0.4
    point = unconstrained_function(model)(theta)
    before = model.compile_logp(mode="FAST_COMPILE")(point)
    with model:
        new = pm.Normal("shift", 0.0, 1.0)
        apart = pm.Deterministic("gap", model["mean"][1, 0] - model["mean"][0, 0])
        pm.Normal("y", apart + new, np.float64(1.5), observed=y)  # PyTensor takes the logarithm of 1.5 as a float32
        pm.Potential("near", -0.5 * new**2 * apart)
    after = model.compile_logp(mode="FAST_COMPILE")(point | {"shift": np.array(shift)})
    added = norm.logpdf(shift) + norm.logpdf(y, gap + shift, 1.5).sum() - 0.5 * shift**2 * gap
    assert after - before == pytest.approx(added, rel=1e-10)
    assert {rv.name for rv in model.observed_RVs} == {"x", "y"}

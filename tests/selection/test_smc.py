"""The evidence by sequential Monte Carlo, against exact values."""

import numpy as np
import pytest

import bayesmix as bm
from bayesmix.diagnostics.bridge import LogEvidence
from bayesmix.selection import smc
from bayesmix.selection.by_mcmc import quarrel
from tests.diagnostics.test_bridge import model_of, zero_inflated
from tests.hierarchy import Hierarchy

Y = np.array([-1.9, -1.6, -1.1, 0.4, 2.2, 2.9, 3.3, 5.0])


def agrees(found, exact, largest=0.1):
    assert found.ok and 0 < found.se < largest, found
    assert abs(found.value - exact) < 4 * found.se, (found, exact)


def test_a1(golden):
    model, data, c = model_of(golden, "A1")
    found = bm.smc_evidence(model, data, particles=300, runs=4, seed=2)
    agrees(found, c["log_marginal_likelihood"], 0.3)  # coarse for its price; the certification looks closer
    with pytest.raises(AssertionError):  # negative control
        agrees(found, c["log_marginal_likelihood"] + 1.5, 0.3)
    a, b = (bm.smc_evidence(model, data, particles=100, runs=2, seed=2) for _ in range(2))
    assert a == b


@pytest.mark.certify
@pytest.mark.parametrize("name", ["A1", "B1", "C1", "D1", "S1"])
def test_exact_cases(golden, name):
    model, data, c = model_of(golden, name)
    found = bm.smc_evidence(model, data, particles=2000, runs=8, seed=5)
    agrees(found, c.get("log_marginal_likelihood", c.get("log_p_y_and_labels")))


@pytest.mark.certify
def test_zero_inflated_poisson(golden):
    model, data, exact = zero_inflated(golden)
    agrees(bm.smc_evidence(model, data, particles=2000, seed=3), exact)


@pytest.mark.certify
@pytest.mark.parametrize("K", [1, 2])
def test_with_an_unknown_hyperparameter(K):
    truth = Hierarchy()
    found = bm.smc_evidence(truth.model(K), bm.Data(Y), particles=2000, runs=8, seed=6)
    agrees(found, truth.exact(Y, K)["log_evidence"])


@pytest.mark.certify
def test_constraints_condition(golden):
    """An order on A1 leaves log p(data | it holds) the evidence, for the components are exchangeable."""
    model, data, c = model_of(golden, "A1", (bm.Order("mean"),))
    agrees(bm.smc_evidence(model, data, particles=2000, runs=8, seed=7), c["log_marginal_likelihood"])


def test_the_next_power():
    """As far as leaves nine tenths of the effective size, and no further than what is left."""
    likelihood = np.repeat([0.0, -4.0], [95, 5])
    assert smc.next_step(likelihood, 0.3) == 0.3  # nineteen in twenty particles always remain
    likelihood = np.repeat([0.0, -4.0], [20, 80])
    step = smc.next_step(likelihood, 1.0)
    w = np.exp(step * likelihood)
    assert 0 < step < 1 and w.sum() ** 2 / (w @ w) == pytest.approx(90)


def test_components_are_kept_in_order(golden):
    model, data, _ = model_of(golden, "A1")
    target = smc.Target.of(model.resolve(data), data)
    u = target.draw(50, np.random.default_rng(0))
    theta = [model.from_vector(v, target.like) for v in u]
    assert all(np.diff(t["mean"][:, 0]) > 0 for t in theta)
    prior, likelihood = target.densities(u)
    for v, t, a, b in zip(u[:5], theta, prior, likelihood, strict=False):
        terms = model.log_posterior(data, t)
        assert b == pytest.approx(terms.pop("x"))
        assert a == pytest.approx(sum(terms.values()) + model.log_jacobian(v, target.like))
    swapped = np.array([model.vector(model.permute(t, [1, 0])) for t in theta])
    assert (target.densities(swapped)[0] == -np.inf).all()


@pytest.mark.parametrize(
    "options,match", [({"particles": 30}, "multiple"), ({"runs": 1}, "at least 2"), ({"flat": True}, "Flat")]
)
def test_what_is_refused(options, match):
    flat = options.pop("flat", False)
    mean = bm.Flat() if flat else bm.Normal(0, 1)
    with pytest.raises(bm.InputError, match=match):
        bm.smc_evidence(bm.Mixture(bm.Gaussian(mean=mean, sd=bm.Fixed(1)), 2), bm.Data(Y), **options)


def test_a_bridge_that_is_contradicted_is_greyed():
    """By more than five of the errors together, and only by a run that knows its answer."""
    bridge = LogEvidence(-40.0, 0.03, True)
    assert quarrel(bridge, None) == "" == quarrel(bridge, "A prior is Flat.")
    assert quarrel(bridge, LogEvidence(-40.24, 0.04, True)) == ""  # 4.8 errors of .05
    assert "5.2 standard errors from the -40.00 of the bridge" in quarrel(bridge, LogEvidence(-40.26, 0.04, True))
    assert quarrel(bridge, LogEvidence(-50.0, 0.04, False, "They differ.")) == ""

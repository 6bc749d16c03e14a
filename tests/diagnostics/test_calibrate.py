"""Simulation-based calibration: exact p-values, a calibrated sampler, and a wrong prior that must be found."""

import numpy as np
import pytest

import bayesmix as bm
from bayesmix.diagnostics.calibrate import Calibration, rank, uniformity

FAMILY = bm.Gaussian(mean=bm.Normal(0, 3), var=bm.InverseGamma(3, 2))
SHAPE = bm.Data(np.arange(30.0))
OPTIONS = {"replicates": 80, "draws": 49, "thin": 5, "tune": 100, "seed": 1}


def test_gibbs_is_calibrated():
    found = bm.calibrate(bm.Mixture(FAMILY, 2), SHAPE, **OPTIONS)
    assert found.ok, found.summary()
    assert found.ranks.shape == (80, len(found.quantities)) and 0 <= found.ranks.min() <= found.ranks.max() <= 49
    assert "No departure" in found.summary()
    again = bm.calibrate(bm.Mixture(FAMILY, 2), SHAPE, **OPTIONS | {"replicates": 3})
    np.testing.assert_array_equal(again.ranks, found.ranks[:3])


def test_a_wrong_prior_is_found():
    """Means from N(0, 3^2), believed to come from N(0, 1.5^2)."""
    wrong = bm.Gaussian(mean=bm.Normal(0, 1.5), var=bm.InverseGamma(3, 2))
    found = bm.calibrate(bm.Mixture(wrong, 2), SHAPE, truth=bm.Mixture(FAMILY, 2), **OPTIONS)
    assert not found.ok and "Not calibrated" in found.summary()


def test_labels_gaps_and_constraints_go_along():
    x = np.arange(24.0).reshape(12, 2)
    x[3, 1] = np.nan
    label = np.array([0, 1] + [-1] * 10)
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 3), var=bm.InverseGamma(3, 2)), 2, constraints=bm.MinWeight(0.1))
    found = bm.calibrate(model, bm.Data(x, label=label), replicates=2, draws=9, thin=1, tune=2, seed=0)
    assert found.ranks.shape[0] == 2
    assert found.settings["n"] == 12


def test_p_values_are_uniform_under_uniform_ranks_and_small_under_others():
    rng = np.random.default_rng(5)
    p = np.array([uniformity(rng.integers(0, 100, size=100), 99) for _ in range(200)])
    for column in p.T:  # P(p <= a) = a up to ties: a binomial count, within 5 sd
        for a in (0.1, 0.5):
            assert (column <= a).sum() <= 200 * a + 5 * np.sqrt(200 * a * (1 - a))
    assert max(uniformity(rng.binomial(99, 0.5, size=100), 99)) < 1e-3  # too narrow
    assert max(uniformity((99 * rng.beta(2, 1, size=100)).astype(int), 99)) < 1e-2  # biased


def test_a_single_replicate_has_its_exact_p_values():
    """One rank: chi2 is the same for all, and gamma is 2 (r + 1) / (L + 1) up to symmetry."""
    chi2, ecdf = uniformity(np.array([0]), 9)
    assert chi2 == 1.0
    assert abs(ecdf - 0.2) < 5 * np.sqrt(0.2 * 0.8 / 20_000)  # ranks 0 and 9 are equally extreme


def test_ranks_break_ties_at_random():
    rng = np.random.default_rng(0)
    assert rank(2.0, np.array([1.0, 3.0, 4.0]), rng) == 1
    assert {rank(1.0, np.ones(3), rng) for _ in range(100)} == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"replicates": 0}, "whole number"),
        ({"data": bm.Data([1.0, 2.0], weight=[1, 2])}, "weights"),
        ({"model": bm.Mixture(bm.Gaussian(mean=bm.Flat()), 1)}, "Flat"),
    ],
)
def test_what_calibrate_refuses(change, says):
    arguments = {"model": bm.Mixture(FAMILY, 2), "data": SHAPE} | change
    with pytest.raises(bm.InputError, match=says):
        bm.calibrate(**arguments)


def test_the_table_names_the_quantity_at_fault():
    ranks = np.stack([np.arange(100), np.full(100, 99)], axis=1)
    found = Calibration(ranks, ("good", "bad"), 99, {})
    assert "`bad`" in found.summary() and not found.ok
    assert found.table.loc["good", "chi2 p"] > 0.9

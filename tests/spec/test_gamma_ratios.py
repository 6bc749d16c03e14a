"""Sums of digamma differences and few gamma functions, against SciPy."""

import numpy as np
import pytest
import scipy.special

from bayesmix.spec import gamma_ratios
from bayesmix.spec.gamma_ratios import DigammaSums
from bayesmix.spec.special import gammaln, multigammaln


@pytest.mark.parametrize("terms", [10_000, 0], ids=["sums of fractions", "gamma functions"])
def test_digamma_sums(terms, monkeypatch):
    monkeypatch.setattr(gamma_ratios, "MOST_TERMS", terms)
    values, rng = np.array([0.0, 1.0, 2.0, 7.0, 30.0]), np.random.default_rng(0)
    weights, a = rng.random((3, 5)), np.array([0.02, 3.0, 40.0])
    each = scipy.special.digamma(a[:, None] + values) - scipy.special.digamma(a[:, None])
    bend = scipy.special.polygamma(1, a[:, None] + values) - scipy.special.polygamma(1, a[:, None])
    total, slope = DigammaSums(values, weights)(a)
    np.testing.assert_allclose(total, (weights * each).sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(slope, (weights * bend).sum(axis=1), rtol=1e-11)


def test_few_gamma_functions_are_those_of_many():
    x = np.geomspace(1e-6, 1e8, 90).reshape(9, 10)
    many = scipy.special.gammaln(x)
    np.testing.assert_allclose(gammaln(x), many, rtol=0, atol=1e-14 * np.maximum(1, np.abs(many)).max())
    np.testing.assert_allclose(gammaln(x), many, rtol=1e-13, atol=1e-14)
    assert isinstance(gammaln(2.5), float) and gammaln(np.array([0.0, 1.0])).tolist() == [np.inf, 0.0]
    a = np.array([2.2, 7.0])
    np.testing.assert_allclose(multigammaln(a, 4), scipy.special.multigammaln(a, 4), rtol=1e-14)

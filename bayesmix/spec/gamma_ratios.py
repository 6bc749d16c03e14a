"""Differences of gamma functions that stay accurate where their arguments are large."""

import numpy as np

from bayesmix.spec.special import digamma, gammaln, polygamma

LARGE = 100.0  # from here on Stirling's series with three terms is exact to rounding
MOST_TERMS = 10_000  # counts up to which sums of fractions are faster than gamma functions


def log_gamma_ratio(a, m):
    """log Gamma(a + m) - log Gamma(a) for a > 0, m >= 0, without cancellation at large a."""
    a, m = np.broadcast_arrays(np.asarray(a, dtype=np.float64), m)
    big = np.maximum(a, LARGE)
    series = (big - 0.5) * np.log1p(m / big) + m * np.log(big + m) - m + _tail(big + m) - _tail(big)
    small = np.minimum(a, LARGE)
    return np.where(a < LARGE, gammaln(small + m) - gammaln(small), series)


def digamma_difference(a, m):
    """digamma(a + m) - digamma(a) for a > 0, m >= 0, without cancellation at large a."""
    a, m = np.broadcast_arrays(np.asarray(a, dtype=np.float64), m)
    big = np.maximum(a, LARGE)
    series = np.log1p(m / big) + 0.5 * m / (big * (big + m)) + _slope(big + m) - _slope(big)
    small = np.minimum(a, LARGE)
    return np.where(a < LARGE, digamma(small + m) - digamma(small), series)


class DigammaSums:
    """sum_v weight_v (digamma(a + v) - digamma(a)) over whole numbers v, and its derivative, for each a > 0.

    digamma(a + v) - digamma(a) = sum_(j<v) 1 / (a + j), so the sum is sum_j S_j / (a + j) with S_j the weight of all
    v > j: nothing cancels, and no gamma function is called. values: (V,), ascending; weights: (K, V).
    """

    def __init__(self, values, weights):
        self.values, self.weights = values, weights
        top = int(values[-1]) if len(values) else 0
        self.tails = None
        if top <= MOST_TERMS:
            at = np.searchsorted(values, np.arange(top), side="right")
            beyond = np.cumsum(weights[:, ::-1], axis=1)[:, ::-1]
            self.tails, self.steps = beyond[:, at], np.arange(top)

    def __call__(self, a):
        """(K,) sums and derivatives at a (K,)."""
        a = a[:, None]
        if self.tails is None:
            gain = (self.weights * digamma_difference(a, self.values)).sum(axis=1)
            return gain, (self.weights * (polygamma(1, a + self.values) - polygamma(1, a))).sum(axis=1)
        part = 1 / (a + self.steps)
        terms = self.tails * part
        return terms.sum(axis=1), -(terms * part).sum(axis=1)


def _tail(z):
    """The series of log Gamma(z) after (z - 1/2) log z - z + log(2 pi) / 2."""
    return (1 / 12 - (1 / 360 - 1 / (1260 * z**2)) / z**2) / z


def _slope(z):
    """The series of digamma(z) after log z - 1 / (2 z)."""
    return -(1 / 12 - (1 / 120 - 1 / (252 * z**2)) / z**2) / z**2

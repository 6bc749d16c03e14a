"""Differences of gamma functions that stay accurate where their arguments are large."""

import numpy as np

from bayesmix.spec.special import digamma, gammaln

LARGE = 100.0  # from here on Stirling's series with three terms is exact to rounding


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


def _tail(z):
    """The series of log Gamma(z) after (z - 1/2) log z - z + log(2 pi) / 2."""
    return (1 / 12 - (1 / 360 - 1 / (1260 * z**2)) / z**2) / z


def _slope(z):
    """The series of digamma(z) after log z - 1 / (2 z)."""
    return -(1 / 12 - (1 / 120 - 1 / (252 * z**2)) / z**2) / z**2

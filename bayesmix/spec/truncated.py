"""Draws from the distributions of conjugate Gibbs steps, inside hard bounds where a prior has them.

Inverse-CDF sampling: u is uniform between the bounds' probabilities, in the nearer tail.

References: Devroye (1986), Non-Uniform Random Variate Generation, section II.2.
"""

import numpy as np

from bayesmix.spec.special import betainc, betaincinv, gammainc, gammaincc, gammainccinv, gammaincinv, ndtr, ndtri


def bounded(interval):
    """Whether a pair of bounds (lower, upper) excludes anything beyond the support itself."""
    lower, upper = interval
    return bool(np.isfinite(upper).any() or (np.isfinite(lower) & (np.asarray(lower) != 0)).any())


def draw_normal(rng, mean, sd, interval=(-np.inf, np.inf)):
    """N(mean, sd^2) inside the interval."""
    if not bounded(interval) and not np.isfinite(interval[0]).any():
        return rng.normal(mean, sd)
    low, high = ((np.asarray(b) - mean) / sd for b in interval)
    flip = low > 0  # work in the lower tail, where ndtr keeps its digits
    a, b = np.where(flip, -high, low), np.where(flip, -low, high)
    z = ndtri(_between(rng, ndtr(a), ndtr(b)))
    z = np.clip(z, a, b)
    return mean + sd * np.where(flip, -z, z)


def draw_gamma(rng, shape, rate, interval=(0.0, np.inf)):
    """Gamma(shape, rate) inside the interval."""
    shape, rate = np.broadcast_arrays(shape, rate)
    if not bounded(interval):
        return rng.gamma(shape, 1 / rate)
    low, high = (np.asarray(b) * rate for b in interval)
    upper = low > shape  # beyond the mean: count probabilities from above
    below = gammaincinv(shape, _between(rng, gammainc(shape, low), gammainc(shape, high)))
    above = gammainccinv(shape, _between(rng, gammaincc(shape, high), gammaincc(shape, low)))
    return np.clip(np.where(upper, above, below), low, high) / rate


def draw_inverse_gamma(rng, shape, scale, interval=(0.0, np.inf)):
    """v = 1 / g, g ~ Gamma(shape, scale), inside the interval."""
    lower, upper = (np.asarray(b, dtype=float) for b in interval)
    with np.errstate(divide="ignore"):
        inverse = (1 / upper, np.where(lower > 0, 1 / np.where(lower > 0, lower, 1.0), np.inf))
    return 1 / draw_gamma(rng, shape, scale, inverse)


def draw_beta(rng, a, b, interval=(0.0, 1.0)):
    """Beta(a, b) inside the interval."""
    low, high = (np.clip(v, 0.0, 1.0) for v in interval)
    if (low <= 0).all() and (high >= 1).all():
        return rng.beta(a, b)
    return np.clip(betaincinv(a, b, _between(rng, betainc(a, b, low), betainc(a, b, high))), low, high)


def _between(rng, p, q):
    """Uniform between p and q."""
    p, q = np.broadcast_arrays(p, q)
    return p + (q - p) * rng.random(p.shape)

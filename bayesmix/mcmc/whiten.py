"""Laplace whitening: coordinates in which the posterior near an optimum is round.

    u = mode + C z,     C C^T = (-H)^-1,     H the Hessian of the log density in u at its mode

NUTS in z needs no metric to be learned, however correlated the parameters are. The change is affine, so the draws
are exact whatever C is: only the speed depends on it.

References: Betancourt & Girolami (2015), "Hamiltonian Monte Carlo for hierarchical models", section 3, on affine
changes as metrics; Nocedal & Wright (2006), Numerical Optimization, section 3.4, on Newton's method with a modified
Hessian.
"""

import numpy as np

STEPS = 30  # of Newton, at most
DIFFERENCE = 1e-3  # step of the central differences, in standard deviations of each coordinate
CLOSE = 1e-3  # a Newton decrement below which the mode is found: nats
LEAST = 1e-3  # least eigenvalue of -H, relative to their median


def whitening(evaluate, points):
    """(mode, C) for each point u: the mode of the density that Newton climbs to from it.

    evaluate: u -> (log density, gradient). Chains that start near one optimum share its pair.
    """
    known, out = {}, []
    for point in points:
        key = point.tobytes()
        if key not in known:
            known[key] = laplace(evaluate, point)
        out.append(known[key])
    return out


def laplace(evaluate, u):
    """(mode, C), by Newton's method from u, with differences of the gradient for the Hessian."""
    value, slope = evaluate(u)
    unit = units(evaluate, u)
    for _ in range(STEPS):
        factor = curvature_factor(evaluate, u, unit)
        step = factor @ (factor.T @ slope)
        decrement = slope @ step
        if decrement < CLOSE:
            break
        for t in 0.5 ** np.arange(30):
            new_value, new_slope = evaluate(u + t * step)
            if np.isfinite(new_value) and new_value >= value + 1e-4 * t * decrement:
                break
        else:
            break  # rounding: this is as high as it gets
        u, value, slope = u + t * step, new_value, new_slope
    return u, factor


def units(evaluate, u, tries=8):
    """The conditional standard deviation of each coordinate, (p,): the scale of the differences."""
    unit = np.ones(len(u))
    for j in range(len(u)):
        for _ in range(tries):
            step = np.zeros(len(u))
            step[j] = DIFFERENCE * unit[j]
            curvature = abs(evaluate(u + step)[1][j] - evaluate(u - step)[1][j]) / (2 * step[j])
            better = 1 / np.sqrt(curvature) if 0 < curvature < np.inf else 0.1 * unit[j]
            done = 0.3 < better / unit[j] < 3
            unit[j] = better
            if done:
                break
    return unit


def curvature_factor(evaluate, u, unit):
    """C with C C^T = (-H)^-1 made positive: eigenvalues in absolute value, none below LEAST times their median."""
    p = len(u)
    H = np.empty((p, p))  # in units of each coordinate
    for j in range(p):
        step = np.zeros(p)
        step[j] = DIFFERENCE * unit[j]
        H[j] = (evaluate(u + step)[1] - evaluate(u - step)[1]) * unit / (2 * DIFFERENCE)
    if not np.isfinite(H).all():
        raise ArithmeticError("the density has no finite curvature near this optimum")
    values, vectors = np.linalg.eigh(-(H + H.T) / 2)
    values = np.abs(values)
    values = np.maximum(values, LEAST * np.median(values))
    return unit[:, None] * vectors / np.sqrt(values)

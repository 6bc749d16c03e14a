"""A numeric ascent for the M-steps and modes that have no closed form."""

import numpy as np


def gradient(f, u, step=6e-6):
    """Central differences of f at u: error O(step^2), step scaled to each coordinate."""
    g = np.empty(len(u))
    for j in range(len(u)):
        h = step * max(1.0, abs(u[j]))
        up, down = u.copy(), u.copy()
        up[j] += h
        down[j] -= h
        g[j] = (f(up) - f(down)) / (up[j] - down[j])
    return g


def forward_gradient(f, u, step=1e-5):
    """One-sided differences of f at u: half the cost, error O(step); enough to be differenced once more."""
    here, g = f(u), np.empty(len(u))
    for j in range(len(u)):
        up = u.copy()
        up[j] += step * max(1.0, abs(u[j]))
        g[j] = (f(up) - here) / (up[j] - u[j])
    return g


def climb(f, u, max_iter=200):
    """The highest point found by BFGS from u, or None if f did not rise."""
    from scipy.optimize import minimize

    def downhill(v):
        with np.errstate(all="ignore"):
            try:
                value = f(v)
            except np.linalg.LinAlgError:
                return 1e300
        return -value if np.isfinite(value) else 1e300

    at_start = downhill(u)
    if len(u) == 0 or at_start >= 1e300:
        return None
    found = minimize(downhill, u, jac=lambda v: gradient(downhill, v), method="L-BFGS-B", options={"maxiter": max_iter})
    return found.x if found.fun < at_start else None

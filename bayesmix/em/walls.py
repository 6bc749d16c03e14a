"""M-steps without closed form, under walls: the derivatives of Q are cheap since it splits over the components.

References: Lange (1995), JRSS B 57:425-437 (Newton's method within EM).
"""

import numpy as np

from bayesmix.em.engine import expected
from bayesmix.em.layout import Layout
from bayesmix.em.surface import Surface, uphill
from bayesmix.em.tiles import Batch
from bayesmix.errors import InputError
from bayesmix.spec.climb import gradient

STEPS = 30
SETTLED = 1e-13  # relative rise of Q that is left at its maximum


FAILS = (ValueError, IndexError, TypeError, InputError, np.linalg.LinAlgError)  # arrays that are tied to K components


def split(problem, theta):
    """The surface through theta, and what its derivatives are taken by if Q splits over the components."""
    surface, own = Surface(problem, theta), problem.mixture.own(theta)
    at = surface.u(theta)[surface.head :]
    return surface, (Layout.of(problem.mixture, own), Batch.of(problem, own, surface.natural_units, at, divided=True))


def slope(problem, here, theta):
    """The gradient of Q(.; here) as a function of u in natural units, by its parts if they tell the truth at theta."""
    surface, known = split(problem, theta)

    def q(u):
        return expected(problem, here, surface.theta(u))

    def by_parts(u):
        with np.errstate(all="ignore"):
            return surface.slope(u, surface.theta(u), here, *known)

    u = surface.u(theta)
    way = np.cos(1.0 + np.arange(len(u)))  # any direction that no symmetry singles out
    try:
        g = by_parts(u) if here.origin is None else np.full(len(u), np.nan)
    except FAILS:
        g = np.full(len(u), np.nan)
    straight = (q(u + 6e-6 * way) - q(u - 6e-6 * way)) / 1.2e-5
    true = abs(g @ way - straight) <= 1e-4 * (np.abs(g * way).sum() + 1.0) + 1e-9 * abs(q(u))
    return by_parts if true else lambda u: gradient(q, u)


def ascend(problem, here, theta):
    """The theta that maximises Q(.; here), soft walls included, near theta; None where Newton's method does not climb.

    That Q splits over the components is assumed: where it does not, it does not rise as its derivatives promise.
    """
    if here.origin is not None:
        return None
    try:
        surface, known = split(problem, theta)
        u, value = surface.u(theta), expected(problem, here, theta)
        for _ in range(STEPS):
            with np.errstate(all="ignore"):
                g = surface.slope(u, theta, here, *known)
                step = uphill(surface.bend(u, theta, here, *known), g)
            gain = float(g @ step)
            if not np.isfinite(gain):
                return None
            if gain <= SETTLED * max(1.0, abs(value)):
                return theta
            for scale in 0.5 ** np.arange(12):
                there = surface.theta(u + scale * step)
                new = expected(problem, here, there)
                if new > value + 1e-4 * scale * gain:
                    break
            else:
                return None
            u, value, theta = u + scale * step, new, there
    except FAILS:
        return None
    return theta

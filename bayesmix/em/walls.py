"""The M-step under soft walls: Newton's method on Q, whose derivatives are cheap since Q splits over the components.

References: Lange (1995), JRSS B 57:425-437 (Newton's method within EM).
"""

import numpy as np

from bayesmix.em.engine import expected
from bayesmix.em.layout import Layout
from bayesmix.em.surface import Surface, uphill
from bayesmix.em.tiles import Batch

STEPS = 30
SETTLED = 1e-13  # relative rise of Q that is left at its maximum


def ascend(problem, here, theta):
    """The theta that maximises Q(.; here), soft walls included, near theta; None where Newton's method does not climb.

    That a family takes its components alike is assumed: where it does not, Q does not rise as its derivatives promise.
    """
    if here.origin is not None:
        return None
    model, surface = problem.mixture, Surface(problem, theta)
    own = model.own(theta)
    try:
        known = Layout.of(model, own), Batch(problem, own, surface.natural_units, True, True, True)
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
    except (ValueError, IndexError, TypeError, np.linalg.LinAlgError):
        return None  # its arrays are tied to K components
    return theta

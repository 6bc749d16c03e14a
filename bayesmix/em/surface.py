"""The log posterior as a function of unconstrained coordinates u, with its derivatives.

The gradient of the log posterior at u is the gradient of the expected complete-data log posterior
Q(.; r(u)) there (Fisher's identity), so one E-step gives it and only Q is differenced, at a cost
that does not depend on n.

References: McLachlan & Krishnan (2008), The EM Algorithm and Extensions, section 3.7.
"""

from dataclasses import dataclass

import numpy as np

from bayesmix.em.engine import expected
from bayesmix.em.kernel import Problem
from bayesmix.spec.climb import gradient


FAR = 0.3  # a move in u after which a Newton step asks for a new Hessian
NEAR = 1e-3  # a move in u below which the old one is still that of the mode


@dataclass(frozen=True)
class Surface:
    """log posterior(theta(u)), plus log |d theta / d u| when `jacobian`: the density of u itself."""

    problem: Problem
    like: dict  # a theta (centred) that gives shapes and Fixed fields
    jacobian: bool = False

    def value(self, u):
        model = self.problem.mixture
        theta = model.from_vector(u, self.like)
        with np.errstate(all="ignore"):
            v = self.problem.e_step(theta).objective + sum(model.log_prior(theta).values())
        return self._finite(v + (model.log_jacobian(u, self.like) if self.jacobian else 0.0))

    def gradient(self, u):
        """(p,), central differences of Q."""
        model = self.problem.mixture
        with np.errstate(all="ignore"):
            here = self.problem.e_step(model.from_vector(u, self.like))

        def q(v):
            value = expected(self.problem, here, model.from_vector(v, self.like))
            return value + (model.log_jacobian(v, self.like) if self.jacobian else 0.0)

        return gradient(q, u)

    def hessian(self, u, step=1e-4):
        """(p, p), central differences of the gradient, symmetrised."""
        p = len(u)
        h = np.empty((p, p))
        for j in range(p):
            e = np.zeros(p)
            e[j] = step
            h[j] = (self.gradient(u + e) - self.gradient(u - e)) / (2 * step)
        return 0.5 * (h + h.T)

    def newton(self, u, hessian=None, steps=30):
        """u after damped Newton steps that never go down, its value and the Hessian there.

        The Hessian is the costly part: a given one, or the first, serves every step until u has
        moved by more than FAR (five times at most), and only the last one is exact.
        """
        value = self.value(u)
        exact = hessian is None
        hessian = self.hessian(u) if exact else hessian
        moved, budget = 0.0, 5
        for _ in range(steps):
            g = self.gradient(u)
            direction = ascent(hessian, g)
            if not g @ direction >= 1e-10:
                break
            for scale in (1.0, 0.5, 0.25, 0.1, 0.02):
                new = self.value(u + scale * direction)
                if new > value:
                    break
            else:
                break
            u, value = u + scale * direction, new
            moved += scale * np.abs(direction).max()
            exact = False
            if moved > FAR or not definite(hessian):
                budget -= 1
                if budget == 0:
                    break
                hessian, moved, exact = self.hessian(u), 0.0, True
        if not exact and (moved > NEAR or not definite(hessian) or self.jacobian):
            hessian = self.hessian(u)
        return u, value, hessian

    @staticmethod
    def _finite(v):
        return v if np.isfinite(v) else -np.inf


def definite(hessian):
    """Whether a Hessian is negative definite, beyond the error of its differences."""
    if not np.isfinite(hessian).all():
        return False
    scale = np.sqrt(np.maximum(np.abs(np.diag(hessian)), 1e-300))
    return bool(np.linalg.eigvalsh(hessian / np.outer(scale, scale)).max(initial=-1.0) < -1e-7)


def ascent(hessian, g):
    """Newton's direction with every curvature taken as negative: uphill even at a saddle."""
    value, vector = np.linalg.eigh(-hessian)
    size = np.maximum(np.abs(value), 1e-8 * np.abs(value).max(initial=1e-300))
    return vector @ ((vector.T @ g) / size)

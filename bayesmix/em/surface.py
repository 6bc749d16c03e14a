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
from bayesmix.spec.climb import forward_gradient, gradient

FAR = 0.3  # a move in u after which a Newton step asks for a new Hessian
NEAR = 1e-3  # a move in u below which the old one is still that of the mode


@dataclass(frozen=True)
class Surface:
    """log posterior(theta(u)), plus log |d theta / d u| when `jacobian`: the density of u itself.

    Here u counts in the natural units of each coordinate (`Problem.units`), so that numeric steps,
    gradients and curvatures do not depend on the units of the data.
    """

    problem: Problem
    like: dict  # a theta (centred) that gives shapes and Fixed fields
    jacobian: bool = False

    def u(self, theta):
        """The coordinates of a theta."""
        return self.problem.mixture.vector(theta) / self.problem.units

    def theta(self, u):
        """The theta at u."""
        return self.problem.mixture.from_vector(u * self.problem.units, self.like)

    def value(self, u):
        model, theta = self.problem.mixture, self.theta(u)
        with np.errstate(all="ignore"):
            v = self.problem.e_step(theta).objective + sum(model.log_prior(theta).values())
        return self._finite(v + self._log_jacobian(u))

    def _log_jacobian(self, u):
        if not self.jacobian:
            return 0.0
        units = self.problem.units
        return self.problem.mixture.log_jacobian(u * units, self.like) + np.log(units).sum()

    def gradient(self, u, difference=gradient):
        """(p,), differences of Q, central ones unless told."""
        with np.errstate(all="ignore"):
            here = self.problem.e_step(self.theta(u))

        def q(v):
            return expected(self.problem, here, self.theta(v)) + self._log_jacobian(v)

        return difference(q, u)

    def hessian(self, u, step=1e-4):
        """(p, p), central differences of the gradient, symmetrised."""
        p = len(u)
        h = np.empty((p, p))
        for j in range(p):
            e = np.zeros(p)
            e[j] = step
            h[j] = (self.gradient(u + e, forward_gradient) - self.gradient(u - e, forward_gradient)) / (2 * step)
        return 0.5 * (h + h.T)

    def newton(self, u, hessian=None):
        """u after damped Newton steps that never go down, its value and the Hessian there.

        The Hessian is the costly part: a given one, or the first, serves every step while it is
        negative definite and u stays near; a longer way is walked by L-BFGS, and only the last
        Hessian is exact.
        """
        hessian = self.hessian(u) if hessian is None else hessian
        start = u
        u, value = self._steps(u, hessian) if definite(hessian) else self._walk(u)
        far = np.abs(u - start).max(initial=0.0)
        if far > FAR and definite(hessian):
            u, value = self._walk(u)
        if far > NEAR or self.jacobian or not definite(hessian):
            hessian = self.hessian(u)
            if definite(hessian):
                u, value = self._steps(u, hessian)
        return u, value, hessian

    def _steps(self, u, hessian, count=30):
        """Newton steps with one Hessian."""
        value = self.value(u)
        for _ in range(count):
            g = self.gradient(u)
            direction = np.linalg.solve(-hessian, g)
            if not g @ direction >= 1e-10:
                break
            for scale in (1.0, 0.5, 0.25, 0.1, 0.02):
                new = self.value(u + scale * direction)
                if new > value:
                    break
            else:
                break
            u, value = u + scale * direction, new
        return u, value

    def _walk(self, u):
        """L-BFGS from u."""
        from scipy.optimize import minimize

        found = minimize(
            lambda v: min(-self.value(v), 1e300), u, jac=lambda v: -self.gradient(v), method="L-BFGS-B",
            options={"maxiter": 40, "ftol": 1e-15, "gtol": 1e-6},
        )  # fmt: skip
        return found.x, -found.fun

    @staticmethod
    def _finite(v):
        return v if np.isfinite(v) else -np.inf


def definite(hessian):
    """Whether a Hessian is negative definite, beyond the error of its differences."""
    if not np.isfinite(hessian).all():
        return False
    scale = np.sqrt(np.maximum(np.abs(np.diag(hessian)), 1e-300))
    return bool(np.linalg.eigvalsh(hessian / np.outer(scale, scale)).max(initial=-1.0) < -1e-7)

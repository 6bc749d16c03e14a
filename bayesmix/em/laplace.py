"""Uncertainty at the mode: standard deviations of Laplace's approximation, in natural coordinates.

At the mode of the log posterior in natural coordinates its gradient vanishes, so the covariance there is
J (-H_u)^-1 J' with J = d theta / d u, whatever the coordinates u: the inverse of the observed information
when every prior is Flat.

References: Louis (1982), JRSS B 44:226-233; Tierney & Kadane (1986), JASA 81:82-86.
"""

import warnings

import numpy as np

from bayesmix.em import modes
from bayesmix.em.kernel import Problem
from bayesmix.em.surface import Surface, definite
from bayesmix.spec.priors import Flat

STEP = 1e-5  # of the central differences for J


def standard_deviations(fit, functions):
    """(name -> sd, reason): the sd of every scalar that functions(theta) -> name -> number returns, at `fit.best`.

    All are NaN, and the reason says why, where the approximation does not exist.
    """
    problem = Problem.of(fit.mixture, fit.data)
    inner = problem.inward(fit.best)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        cov, surface, u, reason = _covariance(problem, inner)
        if reason:
            return dict.fromkeys(functions(fit.best), np.nan), reason
        rows = []
        for j in range(len(u)):
            h = np.zeros(len(u))
            h[j] = STEP * max(1.0, abs(u[j]))
            up, down = (functions(problem.outward(surface.theta(v))) for v in (u + h, u - h))
            rows.append([(up[name] - down[name]) / (2 * h[j]) for name in up])
    names = list(functions(fit.best))
    jacobian = np.array(rows).reshape(len(u), len(names))
    variance = np.einsum("pn,pq,qn->n", jacobian, cov, jacobian)
    return dict(zip(names, np.sqrt(np.maximum(variance, 0.0)), strict=True)), ""


def _covariance(problem, theta):
    """(-H_u^-1, surface, u, reason) at a theta (centred) that is the mode."""
    counts = problem.e_step(theta).counts
    kind, p = modes.kind_of(problem, theta, counts), len(problem.mixture.vector(theta)) if counts.min() > 0 else 0
    if kind not in ("interior", "twin components") or counts.min() <= 0:
        return None, None, None, f"the optimum is not an interior one ({kind})"
    if p > modes.LARGEST_HESSIAN:
        return None, None, None, f"{p} parameters are too many for the numeric Hessian"
    surface = Surface(problem, theta)
    u = surface.u(theta)
    hessian = surface.hessian(u) if p else np.empty((0, 0))
    if not definite(hessian):
        return None, None, None, "the Hessian is not negative definite"
    return np.linalg.inv(-hessian), surface, u, ""


def is_maximum_likelihood(mixture):
    """Whether every free parameter has a Flat prior: then these are standard errors."""
    free = [n for n in mixture.parameters if not mixture.is_constant(n)]
    return all(isinstance(mixture.parameters[n].prior, Flat) for n in free) and all(c.hard for c in mixture.constraints)

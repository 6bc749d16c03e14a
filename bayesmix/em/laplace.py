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
from bayesmix.em.kinds import kind_of
from bayesmix.em.polish import at_edge
from bayesmix.em.surface import Surface, definite
from bayesmix.spec.priors import Flat

STEP = 1e-5  # of the central differences for J
NEAR = 1e-4  # squared distance from the maximum, in standard deviations, that is still at it


def standard_deviations(fit, functions):
    """(name -> sd, reason): the sd of every scalar that functions(theta) -> name -> number returns, at `fit.best`.

    NaN, and the reason says why, where the approximation does not exist: for all, or for those on an edge alone.
    """
    problem = Problem.of(fit.mixture, fit.data)
    inner, at = problem.inward(fit.best), functions(fit.best)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        surface = Surface(problem, inner, held=at_edge(problem, inner))
        cov, reason = _covariance(problem, inner, surface)
        if cov is None:
            return dict.fromkeys(at, np.nan), reason
        u, rows = surface.u(inner), []
        for j in range(len(u)):
            h = np.zeros(len(u))
            h[j] = STEP * max(1.0, abs(u[j]))
            up, down = (functions(problem.outward(surface.theta(v))) for v in (u + h, u - h))
            rows.append([(up[name] - down[name]) / (2 * h[j]) for name in at])
    jacobian = np.array(rows).reshape(len(u), len(at))
    sd = np.sqrt(np.maximum(np.einsum("pn,pq,qn->n", jacobian, cov, jacobian), 0.0))
    if surface.held:
        sd[(jacobian == 0).all(axis=0)] = np.nan
    return dict(zip(at, sd, strict=True)), reason


def _covariance(problem, theta, surface):
    """(-H_u^-1, reason) at a theta (centred) that is the mode; None with the reason where there is none."""
    kind, p = kind_of(problem, theta, problem.e_step(theta).counts), len(surface.held)
    if kind not in ("interior", "twin components"):
        return None, f"the optimum is not an interior one ({kind})"
    u = surface.u(theta)
    if len(u) > modes.LARGEST_HESSIAN:
        return None, f"{len(u)} parameters are too many for the numeric Hessian"
    if len(u) == 0:
        return np.empty((0, 0)), ""
    hessian, slope = surface.hessian(u), surface.gradient(u)
    if not definite(hessian):
        return None, "the Hessian is not negative definite"
    cov = np.linalg.inv(-hessian)
    if slope @ cov @ slope > NEAR:
        return None, "the fit is not at a maximum of the log posterior"
    return cov, f"{p} parameters lie on an edge of their support and have none" if p else ""


def is_maximum_likelihood(mixture):
    """Whether every free parameter has a Flat prior: then these are standard errors."""
    free = [n for n in mixture.parameters if not mixture.is_constant(n)]
    return all(isinstance(mixture.parameters[n].prior, Flat) for n in free) and all(c.hard for c in mixture.constraints)

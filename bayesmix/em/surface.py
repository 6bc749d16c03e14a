"""The log posterior as a function of unconstrained coordinates u, with its derivatives and Newton's climb.

The gradient of the log posterior at u is the gradient of the expected complete-data log posterior
Q(.; r(u)) there (Fisher's identity), so one E-step gives it; Louis' identity gives the Hessian from one
more pass over the rows (`derivatives.py`).

References: McLachlan & Krishnan (2008), The EM Algorithm and Extensions, sections 3.7 and 4.2;
Nocedal & Wright (2006), Numerical Optimization, section 3.4, for Newton with a modified Hessian.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayesmix.em import derivatives
from bayesmix.em.engine import expected
from bayesmix.em.kernel import Problem
from bayesmix.em.layout import Layout
from bayesmix.spec.climb import forward_gradient, gradient

STEPS = 60  # Newton steps
LONGEST = 2.0  # the longest step in any coordinate of u, in its natural unit
FARTHEST = {"unit": 30.0, "positive": 700.0}  # |u| that stands for an edge: 1e-13, and 1e-304
FLAT = 1e-9  # a curvature below this, relative to the largest, is walked along as if it were this


@dataclass(frozen=True)
class Surface:
    """log posterior(theta(u)), plus log |d theta / d u| when `jacobian`: the density of u itself.

    Here u counts in the natural units of each coordinate (`Problem.units`), so that numeric steps,
    gradients and curvatures do not depend on the units of the data.

    empty: components held at weight exactly zero, their own parameters held where they are. The
    weights' coordinates are then the log ratios of the others, and u is shorter.
    held: positions among the family's coordinates that stay where they are, at an edge of their support.
    """

    problem: Problem
    like: dict  # a theta (centred) that gives shapes, Fixed fields and the empty components' parameters
    jacobian: bool = False
    empty: tuple = ()
    held: tuple = ()

    # ---- coordinates ------------------------------------------------------------------------

    @cached_property
    def active(self):
        """Components with positive weight."""
        return [k for k in range(self.problem.mixture.components) if k not in self.empty]

    @cached_property
    def head(self):
        """Number of weight coordinates."""
        return 0 if self.problem.mixture.is_constant("weight") else len(self.active) - 1

    @cached_property
    def natural_units(self):
        """Those of the family's coordinates."""
        model = self.problem.mixture
        return self.problem.units[0 if model.is_constant("weight") else model.components - 1 :]

    @cached_property
    def _base(self):
        model = self.problem.mixture
        with np.errstate(all="ignore"):
            v = model.family.vector(model.own(self.like)) / self.natural_units
        if self.held:  # an edge of the support, where u is infinite
            free = [p for p in model.family.parameters.values() if p.free]
            far = [np.full(p.support.free(self.like[p.name].shape), FARTHEST.get(p.support.name, np.inf)) for p in free]
            far = np.concatenate([np.ravel(f) for f in far])[list(self.held)]
            v[list(self.held)] = np.clip(v[list(self.held)], -far, far)
        return v

    @cached_property
    def _free(self):
        """Positions of the family's coordinates that may move."""
        held = [np.array(self.held, dtype=int)]
        held += [Layout.of(self.problem.mixture, self.like).own(k) for k in self.empty]
        return np.setdiff1d(np.arange(len(self.natural_units)), np.concatenate(held))

    def u(self, theta):
        """The coordinates of a theta."""
        model = self.problem.mixture
        weight = theta["weight"][self.active]
        head = np.log(weight[:-1] / weight[-1]) if self.head else np.empty(0)
        with np.errstate(all="ignore"):
            v = model.family.vector(model.own(theta)) / self.natural_units
        return np.concatenate([head, v[self._free]])

    def theta(self, u):
        """The theta at u."""
        return {"weight": self._weight(u), **self._own(u)}

    def _weight(self, u):
        if not self.head:
            return self.like["weight"]
        log_w = np.append(u[: self.head], 0.0)
        e = np.exp(log_w - log_w.max())
        weight = np.zeros(len(self.like["weight"]))
        weight[self.active] = e / e.sum()
        return weight

    def _own(self, u):
        model = self.problem.mixture
        return model.family.from_vector(self._all(u) * self.natural_units, model.own(self.like))

    # ---- values and derivatives -------------------------------------------------------------

    def value(self, u):
        model, theta = self.problem.mixture, self.theta(u)
        with np.errstate(all="ignore"):
            try:
                v = self.problem.e_step(theta).objective + sum(model.log_prior(theta).values())
            except np.linalg.LinAlgError:
                return -np.inf  # rounding left no positive definite matrix
        v = v + self._rest(u)
        return v if np.isfinite(v) else -np.inf

    def _rest(self, u):
        """The log Jacobian, when it counts."""
        if not self.jacobian:
            return 0.0
        units = self.problem.units
        return self.problem.mixture.log_jacobian(u * units, self.like) + np.log(units).sum()

    @cached_property
    def _soft(self):
        return [c for c in self.problem.mixture.constraints if not c.hard]

    @cached_property
    def _walled(self):
        """The fields that soft constraints read, and the positions in u that move them."""
        model, fields = self.problem.mixture, {c.field for c in self._soft}
        read, at = np.zeros(len(self.natural_units), dtype=bool), 0
        for name, p in model.family.parameters.items():
            if p.free:
                size = int(np.prod(p.support.free(self.like[name].shape)))
                read[at : at + size], at = name in fields, at + size
        head = np.arange(self.head if "weight" in fields else 0)
        return fields, np.concatenate([head, self.head + np.flatnonzero(read[self._free])])

    def _soft_walls(self, u):
        """The soft constraints' terms; no other field is made."""
        if not self._soft:
            return 0.0
        fields, _ = self._walled
        model, theta = self.problem.mixture, {}
        if "weight" in fields:
            theta["weight"] = self._weight(u)
        if fields != {"weight"}:
            theta |= model.family.from_vector(self._all(u) * self.natural_units, model.own(self.like), fields)
        return sum(c.logp(theta) for c in self._soft)

    def _extra_slope(self, u):
        """The gradient of what is neither in Q nor linear in u: soft constraints, and the curved log Jacobians."""
        out = np.zeros(len(u))
        if self._soft:
            read = self._walled[1]
            out[read] = gradient(lambda v: self._soft_walls(_put(u, read, v)), u[read])
        if self.jacobian and self._linear is None:
            out += gradient(lambda v: self._log_jacobian(self._all(v)), u)
        return out

    def _extra_hessian(self, u):
        """The Hessian of the same, by differences in the coordinates that soft constraints read."""
        out = np.zeros((len(u), len(u)))
        if self._soft:
            read = self._walled[1]
            out[np.ix_(read, read)] = _plain_hessian(lambda v: self._soft_walls(_put(u, read, v)), u[read])
        if self.jacobian and self._linear is None:
            model = self.problem.mixture
            own = model.family.jacobian_curvature(self._all(u) * self.natural_units, model.own(self.like))
            own = own * np.outer(self.natural_units, self.natural_units)
            out[self.head :, self.head :] += own[np.ix_(self._free, self._free)]
        return out

    def _log_jacobian(self, v):
        model = self.problem.mixture
        return model.family.log_jacobian(v * self.natural_units, model.own(self.like))

    @cached_property
    def _linear(self):
        """The gradient of the family's log Jacobian where that is a constant, else None."""
        supports = {p.support.name for p in self.problem.mixture.family.parameters.values() if p.free}
        if not supports <= {"real", "positive", "positive definite"}:
            return None
        return gradient(self._log_jacobian, np.zeros(len(self._base)), step=1.0)

    @cached_property
    def _has_extra(self):
        return bool(self._soft) or (self.jacobian and self._linear is None)

    def _weights(self, here, theta):
        """c_k = n_k + a_k - 1 (+ 1 for the Jacobian) and w_k of the active components."""
        model = self.problem.mixture
        (a,) = model.weight.conjugate("dirichlet", theta["weight"].shape)
        return (here.counts + a + float(self.jacobian))[self.active], theta["weight"][self.active]

    def _all(self, u):
        """All of the family's coordinates at u, those held included."""
        full = self._base.copy()
        full[self._free] = u[self.head :]
        return full

    @cached_property
    def _structure(self):
        """The structure of the family's coordinates, found and checked once."""
        with np.errstate(all="ignore"):
            here, own = self.problem.e_step(self.like, about_zero=True), self.problem.mixture.own(self.like)
            return derivatives.structure(self.problem, here, own, self.natural_units, self._base)

    @cached_property
    def _whole(self):
        """Whether every row is there and complete, so that rows have scores of their own."""
        return self.problem.stream is None and not np.isnan(self.problem.x).any()

    def _by_expected(self, u, difference=gradient):
        """The gradient by differences of Q in every coordinate."""
        with np.errstate(all="ignore"):
            here = self.problem.e_step(self.theta(u), about_zero=True)
            return difference(lambda v: expected(self.problem, here, self.theta(v)) + self._rest(v), u)

    def gradient(self, u):
        """(p,), by differences of Q (exact in the weights)."""
        if not self._whole:
            return self._by_expected(u)
        with np.errstate(all="ignore"):
            theta = self.theta(u)
            return self.slope(u, theta, self.problem.e_step(theta, about_zero=True), *self._structure)

    def slope(self, u, theta, here, layout, batch):
        """(p,): the gradient of Q(.; here), of what a surface adds to it too, at u and its theta."""
        g = derivatives.first(lambda v: batch.parts(v, here.stats), self._all(u), layout)
        if self.jacobian and self._linear is not None:
            g = g + self._linear
        g = g[self._free]
        if self.head:
            c, w = self._weights(here, theta)
            g = np.concatenate([(c - c.sum() * w)[:-1], g])
        return g + self._extra_slope(u) if self._has_extra else g

    def hessian(self, u):
        """(p, p), by Louis' identity; with missing cells by central differences of the gradient."""
        if not self._whole:
            step = 1e-4 * np.eye(len(u))
            rows = [
                self._by_expected(u + e, forward_gradient) - self._by_expected(u - e, forward_gradient) for e in step
            ]
            return 0.5 * (np.array(rows) + np.array(rows).T) / 2e-4
        layout, batch = self._structure
        with np.errstate(all="ignore"):
            theta = self.theta(u)
            here = self.problem.e_step(theta, about_zero=True)
            covariance = derivatives.score_covariance(self.problem, theta, batch, self._all(u), layout, self.active)
            return self.bend(u, theta, here, layout, batch) + self._kept(covariance)

    def bend(self, u, theta, here, layout, batch):
        """(p, p): the Hessian of Q(.; here), of what a surface adds to it too, at u and its theta."""
        at, h = self._all(u), self.head
        out = np.zeros((h + len(at), h + len(at)))
        out[h:, h:] = derivatives.second(lambda v: batch.parts(v, here.stats), at, layout)
        if h:
            c, w = self._weights(here, theta)
            w = w[:-1]
            out[:h, :h] = -c.sum() * (np.diag(w) - np.outer(w, w))
        out = self._kept(out)
        return out + self._extra_hessian(u) if self._has_extra else out

    def _kept(self, matrix):
        """The rows and columns of the coordinates that may move."""
        keep = np.concatenate([np.arange(self.head), self.head + self._free])
        return matrix[np.ix_(keep, keep)]

    # ---- climbing ---------------------------------------------------------------------------

    def newton(self, u):
        """u at the top of the hill, its value, gradient and Hessian there.

        Newton steps with the curvature's absolute value, so that a saddle repels, cut to a bounded
        length and halved until the value rises; at the end steps of rounding size that shrink the
        gradient are still taken.
        """
        value, g = self.value(u), self.gradient(u)
        hessian, fresh = None, False
        for _ in range(STEPS):
            if not np.isfinite(g).all():
                break
            if not fresh:
                hessian, fresh = self.hessian(u), True
            if not np.isfinite(hessian).all():
                break
            step = uphill(hessian, g)
            gain = float(g @ step)
            rounding = 1e-13 * max(1.0, abs(value))
            if not gain > 1e-3 * rounding:
                break
            for scale in 0.5 ** np.arange(12):
                there = u + scale * step
                new = self.value(there)
                if new > value + 1e-4 * scale * gain or (gain < 1e3 * rounding and new > value - 10 * rounding):
                    break
            else:
                break
            slope = self.gradient(there)
            if gain < 1e3 * rounding and not np.abs(slope).max() < 0.9 * np.abs(g).max():
                break  # only rounding is left
            moved = np.abs(there - u).max()
            u, value, g, fresh = there, new, slope, moved < 1e-7
        if hessian is None or not fresh:
            hessian = self.hessian(u)
        return u, value, g, hessian


def uphill(hessian, g):
    """The step |H|^-1 g in scaled coordinates, each eigenvalue by its absolute value, at most LONGEST long."""
    scale = np.sqrt(np.maximum(np.abs(np.diag(hessian)), 1e-300))
    scale = np.where(scale > 1e-150, scale, 1.0)
    value, vector = np.linalg.eigh(hessian / np.outer(scale, scale))
    size = np.maximum(np.abs(value), FLAT * np.abs(value).max(initial=1e-300))
    step = (vector @ ((vector.T @ (g / scale)) / size)) / scale
    longest = np.abs(step).max(initial=0.0)
    return step if longest <= LONGEST else step * (LONGEST / longest)


def _put(u, at, v):
    """u with v at these positions."""
    out = u.copy()
    out[at] = v
    return out


def _plain_hessian(f, u, step=3e-4):
    """Second differences of a cheap function."""
    p = len(u)
    at, out = f(u), np.zeros((p, p))
    e = step * np.eye(p)
    ahead, behind = [f(u + d) for d in e], [f(u - d) for d in e]
    for i in range(p):
        out[i, i] = (ahead[i] - 2 * at + behind[i]) / step**2
        for j in range(i):
            both = f(u + e[i] + e[j]) + f(u - e[i] - e[j])
            out[i, j] = out[j, i] = (both - ahead[i] - behind[i] - ahead[j] - behind[j] + 2 * at) / (2 * step**2)
    return out


def curvatures(hessian):
    """Eigenvalues of a Hessian scaled to unit diagonal, ascending, and its directions in u (columns)."""
    scale = np.sqrt(np.maximum(np.abs(np.diag(hessian)), 1e-300))
    value, vector = np.linalg.eigh(hessian / np.outer(scale, scale))
    return value, vector / scale[:, None]


def definite(hessian):
    """Whether a Hessian is negative definite, beyond the error of its differences."""
    if not np.isfinite(hessian).all():
        return False
    return bool(curvatures(hessian)[0].max(initial=-1.0) < -1e-7)

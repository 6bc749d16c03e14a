"""The unconstrained coordinates u of a family's free parameters, and the numeric ascent in them."""

import numpy as np

from bayesmix.spec.climb import climb
from bayesmix.spec.priors import spread


class Coordinates:
    """The part of `Family` that writes its free parameters as one flat array without bounds."""

    def vector(self, theta):
        """Unconstrained coordinates u of the free parameters, one flat array."""
        free = [p for p in self.parameters.values() if p.free]
        return np.concatenate([np.ravel(p.support.to_real(theta[p.name])) for p in free] or [np.empty(0)])

    def from_vector(self, u, like, names=None):
        """theta at u; Fixed fields and shapes, and those not in `names`, are taken from the theta `like`."""
        theta, at = dict(like), 0
        for p in self.parameters.values():
            if p.free:
                shape = like[p.name].shape
                size = int(np.prod(p.support.free(shape)))
                if names is None or p.name in names:
                    value = p.support.from_real(u[at : at + size].reshape(p.support.free(shape)), shape)
                    theta[p.name] = on_bounds(value, p.prior) if bounded(p.prior) else value
                at += size
        return theta

    def log_jacobian(self, u, like):
        """log |d theta / d u|."""
        total, at = 0.0, 0
        for p in self.parameters.values():
            if p.free:
                shape = like[p.name].shape
                size = int(np.prod(p.support.free(shape)))
                total += p.support.log_jacobian(u[at : at + size].reshape(p.support.free(shape)), shape)
                at += size
        return total

    def jacobian_curvature(self, u, like):
        """The second derivatives of `log_jacobian`, (p, p)."""
        out, at = np.zeros((len(u), len(u))), 0
        for p in self.parameters.values():
            if p.free:
                shape = like[p.name].shape
                size = int(np.prod(p.support.free(shape)))
                for block in p.support.curvature(u[at : at + size].reshape(p.support.free(shape)), shape):
                    to = at + len(block)
                    out[at:to, at:to], at = block, to
        return out

    def maximise(self, objective, theta):
        """theta after a numeric ascent of objective(theta), or the old theta if it failed to rise."""
        u = self.vector(theta)
        best = climb(lambda v: objective(self.from_vector(v, theta)), u, **self._bounds(theta))
        return theta if best is None else self.from_vector(best, theta)

    def _bounds(self, theta):
        """low and high of u where a prior has hard bounds, as `climb` takes them."""
        free = [p for p in self.parameters.values() if p.free]
        if not any(bounded(p.prior) for p in free):
            return {}
        ends = []
        for end in (0, 1):
            parts = []
            for p in free:
                shape, without = theta[p.name].shape, (-np.inf, np.inf)[end]
                at = np.full(p.support.free(shape), without)
                if bounded(p.prior):
                    with np.errstate(divide="ignore"):
                        at = p.support.to_real(np.array(spread(p.prior.interval[end], shape)))
                parts.append(np.ravel(at))
            ends.append(np.concatenate(parts))
        return {"low": ends[0], "high": ends[1]}


def bounded(prior):
    """Whether a prior has hard bounds, beyond which its density is zero."""
    return bool(np.isfinite(prior.interval).any())


def on_bounds(value, prior):
    """The value, put on a bound of its prior where only rounding is between them."""
    for bound in (spread(b, value.shape) for b in prior.interval):
        value = np.where(np.abs(value - bound) <= 4 * np.spacing(np.abs(bound)), bound, value)
    return value

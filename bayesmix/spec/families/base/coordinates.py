"""The unconstrained coordinates u of a family's free parameters, and the numeric ascent in them."""

import numpy as np

from bayesmix.spec.climb import climb


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
                    theta[p.name] = p.support.from_real(u[at : at + size].reshape(p.support.free(shape)), shape)
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
        best = climb(lambda v: objective(self.from_vector(v, theta)), u)
        return theta if best is None else self.from_vector(best, theta)

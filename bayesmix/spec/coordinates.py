"""The unconstrained coordinates u of a mixture: weights first, then the family's free parameters."""

import numpy as np

from bayesmix.spec.supports import simplex


class Coordinates:
    """The part of `Mixture` that writes theta as one flat array without bounds."""

    def vector(self, theta):
        """Unconstrained coordinates u (df,) of theta, weights first."""
        head = np.empty(0) if self.is_constant("weight") else simplex.to_real(theta["weight"])
        return np.concatenate([head, self.family.vector(self.own(theta))])

    def from_vector(self, u, like):
        """theta at u; Fixed fields and shapes come from the theta `like`."""
        at = 0 if self.is_constant("weight") else self.components - 1
        weight = simplex.from_real(u[:at], (self.components,)) if at else like["weight"]
        return {"weight": weight, **self.family.from_vector(u[at:], self.own(like))}

    def log_jacobian(self, u, like):
        """log |d theta / d u|."""
        at = 0 if self.is_constant("weight") else self.components - 1
        head = simplex.log_jacobian(u[:at], (self.components,)) if at else 0.0
        return head + self.family.log_jacobian(u[at:], self.own(like))

    def units(self, theta, sd):
        """The natural size of each coordinate of u: the columns' sd (d,) for what is in units of x, else 1.

        In units of x are the family's location field and the off-diagonal of a covariance's factor;
        logarithms, logits and weights have no unit.
        """
        ones = np.ones(0 if self.is_constant("weight") else self.components - 1)
        parts = [ones]
        for name, p in self.family.parameters.items():
            if p.free:
                shape, own = theta[name].shape, sd[p.features(len(sd))]
                if p.moves:
                    parts.append(np.broadcast_to(own, shape).ravel())
                else:
                    parts.append(p.support.units(shape, own).ravel())
        return np.concatenate(parts)

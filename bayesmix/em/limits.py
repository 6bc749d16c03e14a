"""The hard constraints that an M-step meets in closed form: a floor under the weights, an order that sorting restores.

Climbs that run together (`em/batch.py`, `em/together.py`) know these two. An order on components that may not change
places is only looked at: as long as it holds it is not active, and a climb that meets it goes on by itself, with the
constrained M-step of `engine.constrain`.
"""

from dataclasses import dataclass

import numpy as np

from bayesmix.spec.constraints import MinWeight, Order, water_fill


@dataclass(frozen=True)
class Limits:
    """The constraints of a problem."""

    floor: float = 0.0
    order: Order | None = None
    sorts: bool = False  # whether the components may change places to obey it

    @classmethod
    def of(cls, problem):
        """Those of a problem, or None if it has others."""
        model = problem.mixture
        floors = [c.floor for c in model.constraints if isinstance(c, MinWeight) and c.hard]
        orders = [c for c in model.constraints if isinstance(c, Order) and c.hard]
        if len(floors) + len(orders) < len(model.constraints) or len(orders) > 1:
            return None
        order = orders[0] if orders else None
        if order is not None and len(model.parameters[order.field].covers(model.components)) < model.components:
            return None  # the order of some members alone
        return cls(max(floors, default=0.0), order, order is not None and problem.exchangeable)

    def weights(self, c):
        """The weights of M climbs, (M, K), that maximise sum_k c_k log w_k above the floor."""
        total = c.sum(axis=1, keepdims=True)
        w = c / np.where(total > 0, total, 1.0)
        low = np.flatnonzero(~(w >= self.floor).all(axis=1) | (total[:, 0] <= 0))
        w[low] = [water_fill(c[i], self.floor) for i in low] if len(low) else w[low]
        return w

    def arrange(self, theta):
        """M thetas, (M, K, ...), in order, and for which of them the order holds, (M,)."""
        M, K = theta["weight"].shape
        if self.order is None:
            return theta, np.ones(M, dtype=bool)
        flat = {name: value.reshape(M * K, *value.shape[2:]) for name, value in theta.items()}
        at = self.order.coordinate(flat).reshape(M, K)
        if (at[:, 1:] >= at[:, :-1]).all():
            return theta, np.ones(M, dtype=bool)
        if not self.sorts:
            return theta, (at[:, 1:] >= at[:, :-1]).all(axis=1)
        perm = np.argsort(at, axis=1, kind="stable") + K * np.arange(M)[:, None]
        return {name: value[perm] for name, value in flat.items()}, np.ones(M, dtype=bool)

"""Many thetas evaluated at once: families treat the component axis as a batch, so M thetas are one of M K components.

Whether a family does is not assumed but checked (`Batch.of`); one that does not is evaluated theta by theta.
"""

from dataclasses import dataclass

import numpy as np

from bayesmix.em.engine import NOTHING
from bayesmix.em.layout import log_prior_parts
from bayesmix.errors import InputError

CELLS = 4_000_000  # numbers held at a time


@dataclass(frozen=True)
class Batch:
    """The family's part of M thetas, from their coordinates v (M, size) in natural units.

    density, prior: whether the densities and the prior may be evaluated for all M at once.
    divided: whether the prior splits over the components.
    """

    problem: object
    own: dict  # gives shapes and Fixed fields
    units: np.ndarray
    density: bool = False
    prior: bool = False
    divided: bool = False

    @classmethod
    def of(cls, problem, own, units, at, divided):
        """The fastest way of evaluation that agrees with the plain one near `at`."""
        slow = cls(problem, own, units, divided=divided)
        probe = at + 0.01 * np.cos(np.arange(2 * len(at))).reshape(2, len(at))
        stats = np.cos(np.arange(slow.stats_shape[0] * slow.stats_shape[1])).reshape(slow.stats_shape)
        ways = {}
        for name in ("density", "prior"):
            fast = cls(problem, own, units, divided=divided, **{name: True})
            try:
                a, b = (getattr(way, f"_{name}")(probe, stats) for way in (slow, fast))
            except (ValueError, IndexError, TypeError, np.linalg.LinAlgError, InputError):
                continue  # its arrays are tied to K components: one theta at a time
            size = np.abs(a).max(initial=1.0)
            ways[name] = bool(a.shape == b.shape and np.abs(a - b).max(initial=0.0) <= 1e-10 * size)
        return cls(problem, own, units, divided=divided, **ways)

    @property
    def stats_shape(self):
        """Shape of the statistics of an E-step."""
        K = self.problem.mixture.components
        if not self.problem.exponential:
            return len(self.problem.x), K
        return K, self.problem.mixture.family.natural(np, **self.own).shape[1]

    def each(self, v):
        """own for each row of v."""
        for row in v:
            yield self.problem.mixture.family.from_vector(row * self.units, self.own)

    def together(self, v):
        """own with M K components, shared fields repeated; and the shared fields as they are, (M, ...)."""
        model = self.problem.mixture
        M, K, at, out, single = len(v), model.components, 0, {}, {}
        v = v * self.units
        for name, p in model.family.parameters.items():
            like = self.own[name]
            if len(like) not in (1, K):
                raise ValueError(f"{name} has {len(like)} components")
            if p.free:
                free = p.support.free(like.shape)
                size = int(np.prod(free))
                block = v[:, at : at + size].reshape(M * free[0], *free[1:])
                value = p.support.from_real(block, (M * len(like), *like.shape[1:]))
                at += size
            else:
                value = np.tile(like, (M,) + (1,) * (like.ndim - 1))
            if len(like) == 1 < K:
                single[name] = value
                value = np.repeat(value, K, axis=0)
            out[name] = value
        return out, single

    def parts(self, v, stats):
        """(M, K): Q's terms <stats_k, W_k> (or sum_i r_ik log f_k) + log prior, split over the components."""
        if v.shape[1] == 0:
            return np.zeros((len(v), self.problem.mixture.components))  # nothing moves
        cells = self.problem.mixture.components * stats.shape[1 if self.problem.exponential else 0]
        step = max(1, CELLS // max(cells, 1))
        blocks = [v[i : i + step] for i in range(0, len(v), step)]
        return np.concatenate([self._density(b, stats) + self._prior(b) for b in blocks])

    def _density(self, v, stats):
        model, M = self.problem.mixture, len(v)
        family, x, K = model.family, self.problem.x, model.components
        if self.problem.exponential:
            return (stats * self.natural(v)).sum(axis=2)
        if self.density:
            log_f = family.logpdf(x, **self.together(v)[0]).reshape(len(x), M, K)
        else:
            log_f = np.stack([family.logpdf(x, **own) for own in self.each(v)], axis=1)
        r = stats[:, None, :]
        seen = r > NOTHING  # less is the floor of a component that is excluded there
        return np.where(seen, r * np.where(seen, log_f, 0.0), 0.0).sum(axis=0)

    def natural(self, v):
        """W for each theta of an exponential family, (M, K, F)."""
        family = self.problem.mixture.family
        if self.density:
            return family.natural(np, **self.together(v)[0]).reshape(len(v), self.problem.mixture.components, -1)
        return np.stack([family.natural(np, **own) for own in self.each(v)])

    def _prior(self, v, stats=None):
        model, M, K = self.problem.mixture, len(v), self.problem.mixture.components
        out = np.zeros((M, K))
        if not self.divided:
            out[:, 0] = [sum(model.family.log_prior(own).values()) for own in self.each(v)]
        elif not self.prior:
            out[:] = [log_prior_parts(model, own) for own in self.each(v)]
        else:
            own, single = self.together(v)
            for name, p in model.family.parameters.items():
                if p.free and name in single:
                    out[:, 0] += (
                        np.asarray(p.prior.logp(single[name], model.family.scope(name, {**own, **single})))
                        .reshape(M, -1)
                        .sum(axis=1)
                    )
                elif p.free:
                    out += (
                        np.broadcast_to(p.prior.logp(own[name], model.family.scope(name, own)), _events(p, own[name]))
                        .reshape(M, K, -1)
                        .sum(axis=2)
                    )
        return out

    def log_f(self, x, v):
        """log f_k(x_i) for each theta, (M, n, K)."""
        model, M = self.problem.mixture, len(v)
        if not self.density:
            return np.stack([model.family.logpdf(x, **own) for own in self.each(v)])
        out = model.family.logpdf(x, **self.together(v)[0])
        return np.moveaxis(out.reshape(len(x), M, model.components), 1, 0)


def _events(parameter, value):
    """Shape of the log density of each event of a field."""
    return value.shape[: value.ndim - parameter.support.event_ndim]

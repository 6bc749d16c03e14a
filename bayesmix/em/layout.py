"""Which unconstrained coordinates belong to which component: the structure that makes derivatives cheap.

The density of component k reads the parameters of component k and the shared ones. So one evaluation
with the same coordinate of all K components moved yields K partial derivatives at once.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Layout:
    """Coordinates of the family's part of u, grouped: (K,) positions, one per component, or (1,) of a shared one.

    size: number of coordinates of the family's part.
    """

    groups: tuple
    size: int

    @classmethod
    def of(cls, mixture, like):
        """The layout of a mixture's family, for a theta that gives the shapes."""
        size, groups, at = len(mixture.family.vector(mixture.own(like))), [], 0
        for name, p in mixture.family.parameters.items():
            if not p.free:
                continue
            free = p.support.free(like[name].shape)
            lead, inner = free[0], int(np.prod(free[1:]))
            index = at + np.arange(lead * inner).reshape(lead, inner)
            groups += list(index.T) if lead == mixture.components else [np.array([i]) for i in index.ravel()]
            at += lead * inner
        return cls(tuple(groups), size) if at == size else cls.unknown(size)

    @classmethod
    def unknown(cls, size):
        """The layout that assumes nothing: each coordinate for itself."""
        return cls(tuple(np.array([i]) for i in range(size)), size)

    def own(self, k):
        """Positions that belong to component k alone."""
        return np.array([g[k] for g in self.groups if len(g) > 1], dtype=int)

    def read(self, k):
        """Positions that component k reads, one for each group."""
        return np.array([g[k] if len(g) > 1 else g[0] for g in self.groups], dtype=int)


def log_prior_parts(mixture, own):
    """log p(family fields) split over the components, (K,); what cannot be divided goes to component 0."""
    parts = np.zeros(mixture.components)
    for name, p in mixture.family.parameters.items():
        if p.free:
            term = np.asarray(p.prior.logp(own[name], mixture.family.scope(name, own)), dtype=np.float64)
            if term.ndim and len(term) == len(parts):
                parts += term.reshape(len(parts), -1).sum(axis=1)
            else:
                parts[0] += term.sum()
    return parts

"""Rows with missing cells read as rows of another exponential family that has none."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayesmix.spec.families.base import ExponentialFamily, Family


class _View:
    """What a reading of x through another family leaves to that family: `inner`."""

    def dist(self, **theta):
        return self.inner.dist(**theta)

    def draw(self, z, rng, **theta):
        return self.inner.draw(z, rng, **theta)

    @cached_property
    def parameters(self):
        return self.inner.parameters


@dataclass(frozen=True, eq=False)
class _Masked(_View, ExponentialFamily):
    """Independent features, x with NaN: each column carries its own constant, 0 where the cell is missing.

    Phi = [1, then for each column: observed?, its own statistics or 0s]; W = [0, then for each column
    the natural parameters of that column alone]. So any pattern of missing cells is one product.
    """

    inner: ExponentialFamily
    components: int
    d: int

    def _single(self, xp, theta):
        """theta of K d components in one dimension, component by component."""
        out, (K, d) = {}, (self.components, self.d)
        for name, p in self.inner.parameters.items():
            value = theta[name]
            if p.dims[:1] != ("feature",):
                value = value[:, None]
            extra = value.shape[2:] if xp is np else value.type.shape[2:]
            value = value + xp.zeros((K, d) + (1,) * len(extra))
            out[name] = value.reshape((K * d, 1, *extra) if p.dims[:1] == ("feature",) else (K * d, *extra))
        return out

    def sufficient(self, x):
        seen = ~np.isnan(x)
        q = self.inner.sufficient(np.ones((1, 1))).shape[1]
        cells = np.zeros((*x.shape, q))
        if seen.any():
            cells[seen] = self.inner.sufficient(x[seen][:, None])
        return np.concatenate([np.ones((len(x), 1)), cells.reshape(len(x), x.shape[1] * q)], axis=1)

    def natural(self, xp, **theta):
        W = self.inner.natural(xp, **self._single(xp, theta))
        width = self.d * self.inner.sufficient(np.ones((1, 1))).shape[1]
        return xp.concatenate([xp.zeros((self.components, 1)), W.reshape((self.components, width))], axis=1)

    def base(self, x):
        seen = ~np.isnan(x)
        out = np.zeros(x.shape)
        if seen.any():
            out[seen] = self.inner.base(x[seen][:, None])
        return out.sum(axis=1)

    def logpdf(self, x, **theta):
        return np.broadcast_to(self.inner.log_density(x, theta), (len(x), self.components))

    def whole(self, stats, theta, variance=True):
        """The expected statistics of complete rows for the inner family, as its `complete_stats` has them."""
        K, d = self.components, self.d
        single = self._single(np, theta)
        inner = self.inner
        mean = inner.expected_sufficient(single) if variance else inner.sufficient(inner.expected_row(single))
        n, cells = stats[:, :1], stats[:, 1:].reshape(K, d, -1)
        slots = self.inner.slots(d)
        out = np.empty((K, 1 + slots.size))
        out[:, :1] = n
        out[:, slots] = cells[..., 1:] + (n - cells[..., 0])[..., None] * mean.reshape(K, d, -1)[..., 1:]
        return out


@dataclass(frozen=True, eq=False)
class _Nothing(_View, ExponentialFamily):
    """Rows without an observed cell: density 1, statistic [1]."""

    inner: Family
    components: int

    def sufficient(self, x):
        return np.ones((len(x), 1))

    def natural(self, xp, **theta):
        return xp.zeros((self.components, 1))

    def logpdf(self, x, **theta):
        return np.zeros((len(x), self.components))


@dataclass(frozen=True, eq=False)
class _Observed(_View, Family):
    """The observed cells of a family that is not exponential: `logpdf` reads x with NaN."""

    inner: Family
    components: int

    def logpdf(self, x, **theta):
        return np.broadcast_to(self.inner.log_density(x, theta), (len(x), self.components))

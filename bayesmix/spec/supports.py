"""Where a parameter lives, and the smooth bijection to unconstrained coordinates u.

The numeric M-step, the gradient and Hessian at a mode and the Laplace mass work in u; the
density itself is always a density in the natural coordinate (no Jacobian, DESIGN section 5).
"""

from abc import ABC, abstractmethod

import numpy as np

EDGE = 1e-8  # this near to an edge a value lies on it, as a start of chains


class Support(ABC):
    """A parameter space whose last `event_ndim` axes form one event; earlier axes are a batch."""

    name: str
    event_ndim: int = 0

    @abstractmethod
    def free(self, shape):
        """Shape of u for a value of this shape."""

    @abstractmethod
    def to_real(self, value):
        """u of the value (batch axes kept, the event flattened)."""

    @abstractmethod
    def from_real(self, u, shape):
        """The value of this shape at u."""

    @abstractmethod
    def log_slopes(self, u, shape):
        """log |d event / d u| of each event."""

    def log_jacobian(self, u, shape):
        """log |d value / d u|, a float."""
        return float(np.sum(self.log_slopes(u, shape)))

    def curvature(self, u, shape):
        """Second derivatives of `log_jacobian`, one matrix per event: (events, m, m) for m coordinates of u."""
        m = int(np.prod(self.free(shape)[len(shape) - self.event_ndim :]))
        return np.zeros((u.size // max(m, 1), m, m))

    def off_edge(self, value):
        """The value, or where it lies on an edge of the support, one that lies a hundredth inside."""
        return value

    @abstractmethod
    def contains(self, value):
        """Whether every event lies strictly inside."""

    def units(self, shape, sd):
        """The natural size of each coordinate of u, for data with column standard deviations sd (d,)."""
        return np.ones(self.free(shape))

    def transform(self, shape):
        """The PyMC transform for a value of this shape (None for the real line)."""
        return None

    def __repr__(self):
        return self.name


class _Scalar(Support):
    def free(self, shape):
        return tuple(shape)


class Real(_Scalar):
    """The real line; u is the value."""

    name = "real"

    def to_real(self, value):
        return value

    def from_real(self, u, shape):
        return u

    def log_slopes(self, u, shape):
        return np.zeros(shape)

    def contains(self, value):
        return bool(np.isfinite(value).all())


class Positive(_Scalar):
    """The positive half line; u = log value."""

    name = "positive"

    def to_real(self, value):
        return np.log(value)

    def from_real(self, u, shape):
        return np.exp(u)

    def log_slopes(self, u, shape):
        return u

    def off_edge(self, value):
        size = np.max(value) or 1.0
        return np.where(value > EDGE * size, value, 0.01 * size)

    def contains(self, value):
        return bool(np.isfinite(value).all() and (value > 0).all())

    def transform(self, shape):
        from pymc.distributions.transforms import log

        return log


class Unit(_Scalar):
    """The open unit interval; u = logit value."""

    name = "unit"

    def to_real(self, value):
        return np.log(value) - np.log1p(-value)

    def from_real(self, u, shape):
        return 0.5 * (1 + np.tanh(0.5 * u))

    def log_slopes(self, u, shape):
        return -(np.logaddexp(0, u) + np.logaddexp(0, -u))

    def curvature(self, u, shape):
        return -0.5 / np.cosh(0.5 * np.clip(u.reshape(-1, 1, 1), -700, 700)) ** 2

    def off_edge(self, value):
        return np.where((value > EDGE) & (value < 1 - EDGE), value, 0.99 * value + 0.005)

    def contains(self, value):
        return bool(((value > 0) & (value < 1)).all())

    def transform(self, shape):
        from pymc.distributions.transforms import logodds

        return logodds


class Simplex(Support):
    """Vectors of positive entries that sum to one; u_k = log(w_k / w_K), k < K."""

    name = "simplex"
    event_ndim = 1

    def free(self, shape):
        return (*shape[:-1], shape[-1] - 1)

    def to_real(self, value):
        return np.log(value[..., :-1]) - np.log(value[..., -1:])

    def from_real(self, u, shape):
        full = np.concatenate([u, np.zeros((*shape[:-1], 1))], axis=-1)
        e = np.exp(full - full.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    def log_slopes(self, u, shape):
        return np.log(self.from_real(u, shape)).sum(axis=-1)

    def curvature(self, u, shape):
        w = self.from_real(u, shape).reshape(-1, shape[-1])[:, :-1]
        return -shape[-1] * (w[:, :, None] * np.eye(shape[-1] - 1) - w[:, :, None] * w[:, None, :])

    def off_edge(self, value):
        inside = (value > EDGE).all(axis=-1, keepdims=True)
        return np.where(inside, value, 0.99 * value + 0.01 / value.shape[-1])

    def contains(self, value):
        return bool((value > 0).all() and np.allclose(value.sum(axis=-1), 1, rtol=0, atol=1e-9))

    def transform(self, shape):
        from pymc.distributions.transforms import simplex

        return simplex


class PositiveDefinite(Support):
    """Symmetric positive definite d x d matrices; u = packed Cholesky factor, diagonal in logs."""

    name = "positive definite"
    event_ndim = 2

    def free(self, shape):
        d = shape[-1]
        return (*shape[:-2], d * (d + 1) // 2)

    def to_real(self, value):
        d = value.shape[-1]
        factor = np.linalg.cholesky(value)
        i = np.arange(d)
        factor[..., i, i] = np.log(factor[..., i, i])
        rows, cols = np.tril_indices(d)
        return factor[..., rows, cols]

    def from_real(self, u, shape):
        factor = self._factor(u, shape)
        return factor @ np.swapaxes(factor, -1, -2)

    def log_slopes(self, u, shape):
        d = shape[-1]
        rows, cols = np.tril_indices(d)
        diagonal = u[..., rows == cols]
        return d * np.log(2) + (diagonal * np.arange(d + 1, 1, -1)).sum(axis=-1)

    def units(self, shape, sd):
        rows, cols = np.tril_indices(shape[-1])
        return np.broadcast_to(np.where(rows == cols, 1.0, sd[rows]), self.free(shape))

    def contains(self, value):
        if not np.isfinite(value).all():
            return False
        try:
            np.linalg.cholesky(value)
        except np.linalg.LinAlgError:
            return False
        return True

    def transform(self, shape):
        from bayesmix.spec.transforms import LogCholesky

        return LogCholesky(shape[-1])

    @staticmethod
    def _factor(u, shape):
        d = shape[-1]
        factor = np.zeros(shape)
        rows, cols = np.tril_indices(d)
        factor[..., rows, cols] = u
        i = np.arange(d)
        factor[..., i, i] = np.exp(factor[..., i, i])
        return factor


real, positive, unit, simplex, positive_definite = Real(), Positive(), Unit(), Simplex(), PositiveDefinite()
SUPPORTS = {s.name: s for s in (real, positive, unit, simplex, positive_definite)}

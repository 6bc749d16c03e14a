"""Transforms by which a constraint holds by construction, so that NUTS never meets a wall."""

import numpy as np
import pytensor.tensor as pt
from pymc.distributions.transforms import simplex
from pymc.logprob.transforms import Transform

from bayesmix.spec.matrix_ops import CovarianceOfFactor

TINY = np.finfo(float).tiny  # what a weight is held at where exp(u) underflows: its logarithm stays finite


class FloorSimplex(Transform):
    """Weights on the simplex with every weight >= floor, in increasing order if asked.

    w = floor + (1 - K floor) A v with v on the simplex. A is the identity or, for ordered weights,
    A_kj = 1 / (K - j) for j <= k (j from 0): its columns are the corners of the ordered simplex, so
    the map is onto, and affine, so the Jacobian is constant. The density of w itself is untouched.
    """

    name = "floor_simplex"
    ndim_supp = 1

    def __init__(self, floor=0.0, ordered=False):
        self.floor = float(floor)
        self.ordered = ordered

    def forward(self, value, *inputs):
        K = value.shape[-1]
        v = (value - self.floor) / (1 - K * self.floor)
        if self.ordered:
            steps = pt.concatenate([v[..., :1], v[..., 1:] - v[..., :-1]], axis=-1)
            v = steps * (K - pt.arange(K))
        return simplex.forward(v, *inputs)

    def backward(self, value, *inputs):
        v = pt.maximum(simplex.backward(value, *inputs), TINY)
        K = v.shape[-1]
        if self.ordered:
            v = pt.cumsum(v / (K - pt.arange(K)), axis=-1)
        return self.floor + (1 - K * self.floor) * v

    def log_jac_det(self, value, *inputs):
        K = value.shape[-1] + 1
        constant = (K - 1) * pt.log1p(-K * self.floor)
        if self.ordered:
            constant = constant - pt.gammaln(K + 1.0)  # |A| on the simplex is the volume ratio 1 / K!
        return simplex.log_jac_det(value, *inputs) + constant


class OrderedColumn(Transform):
    """Increasing order of column `by` of a (K, d) field, or of a (K,) field, around the prior's own transform.

    u_0 = c_0 and u_k = log(c_k - c_{k-1}) for the column c = inner(value)[:, by]; the other columns
    stay as `inner` leaves them. `ndim_supp` is 2 because the whole field is one event.
    """

    name = "ordered"

    def __init__(self, inner, by):
        self.inner = inner
        self.by = () if by is None else (int(by),)
        self.ndim_supp = 1 + len(self.by)

    def forward(self, value, *inputs):
        y = value if self.inner is None else self.inner.forward(value, *inputs)
        c = y[:, *self.by]
        return pt.set_subtensor(y[1:, *self.by], pt.log(c[1:] - c[:-1]))

    def _inner_value(self, value):
        u = value[:, *self.by]
        return pt.set_subtensor(value[:, *self.by], pt.cumsum(pt.concatenate([u[:1], pt.exp(u[1:])])))

    def backward(self, value, *inputs):
        y = self._inner_value(value)
        return y if self.inner is None else self.inner.backward(y, *inputs)

    def log_jac_det(self, value, *inputs):
        total = value[1:, *self.by].sum()
        if self.inner is not None:
            total = total + self.inner.log_jac_det(self._inner_value(value), *inputs).sum()
        return total


class OrderedCorner(Transform):
    """Increasing order over the components of one probability p_k of a (K, ..., C) field of simplexes.

    `by` is the index of that probability after the component axis. With p = (p_c, (1 - p_c) q) and q on the
    simplex of the other categories, u is log(o_k - o_{k-1}) for the log odds o of p_c, beside q's own
    coordinates; the Jacobian of the step from (p_c, q) is (1 - p_c)^(C - 2). Simplexes at other features stay
    as the simplex transform leaves them.
    """

    name = "ordered_corner"

    def __init__(self, by):
        *self.row, self.at = (int(i) for i in by)
        self.ndim_supp = 2 + len(self.row)

    def forward(self, value, *inputs):
        u, p = simplex.forward(value), value[:, *self.row]
        c = p[:, self.at]
        odds = pt.log(c) - pt.log1p(-c)
        odds = pt.concatenate([odds[:1], pt.log(odds[1:] - odds[:-1])])
        others = pt.concatenate([p[:, : self.at], p[:, self.at + 1 :]], axis=1) / (1 - c)[:, None]
        return pt.set_subtensor(u[:, *self.row], pt.concatenate([odds[:, None], simplex.forward(others)], axis=1))

    def _odds(self, value):
        u = value[:, *self.row]
        return pt.cumsum(pt.concatenate([u[:1, 0], pt.exp(u[1:, 0])])), u[:, 1:]

    def backward(self, value, *inputs):
        odds, rest = self._odds(value)
        q = simplex.backward(rest) * pt.sigmoid(-odds)[:, None]
        p = pt.concatenate([q[:, : self.at], pt.sigmoid(odds)[:, None], q[:, self.at :]], axis=1)
        return pt.set_subtensor(simplex.backward(value)[:, *self.row], p)

    def log_jac_det(self, value, *inputs):
        odds, rest = self._odds(value)
        C = value.shape[-1] + 1
        total = value[1:, *self.row, 0].sum() - pt.softplus(-odds).sum() - (C - 1) * pt.softplus(odds).sum()
        total = total + simplex.log_jac_det(rest).sum()
        if self.row:  # the simplexes at other features
            each = simplex.log_jac_det(value)
            total = total + each.sum() - each[:, *self.row].sum()
        return total


class LogCholesky(Transform):
    """Positive definite V = L L' from the packed lower triangle of L, its diagonal in logs, (K, d, d) at a time.

    log |dV / du| = d log 2 + sum_i (d - i + 1) u_ii for i = 0..d-1, as in PyMC's
    CholeskyCovTransform, which this equals.
    """

    name = "log_cholesky"
    ndim_supp = 1

    def __init__(self, d):
        self.d = d
        self.pairs = [(i, j) for i in range(d) for j in range(i + 1)]

    def backward(self, value, *inputs):
        return CovarianceOfFactor(self.d)(value)

    def forward(self, value, *inputs):
        L = pt.linalg.cholesky(value)
        return pt.stack([pt.log(L[:, i, j]) if i == j else L[:, i, j] for i, j in self.pairs], axis=1)

    def log_jac_det(self, value, *inputs):
        d = self.d
        diagonal = [(i, k) for k, (i, j) in enumerate(self.pairs) if i == j]
        return d * np.log(2.0) + sum((d - i + 1) * value[:, k] for i, k in diagonal)

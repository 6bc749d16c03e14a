"""Batches of small positive definite matrices as PyTensor Ops, forward and backward by plain loops.

PyTensor's batched linear algebra compiles for a minute and written-out entries for longer the larger
d is; these compile once, in seconds, for every d.

References: Giles (2008), Collected matrix derivative results for forward and reverse mode
algorithmic differentiation, sections 2.2 and 2.3.
"""

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, grad_not_implemented
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from bayesmix.spec.matrices import precision_and_log_det

VERSION = 1  # part of PyTensor's cache key, which does not see the source: raise it with every change


def _once(op, inputs):
    """What an Op that is itself a derivative answers when it is differentiated again."""
    return [grad_not_implemented(op, i, v, "second derivatives are not written") for i, v in enumerate(inputs)]


class Precision(Op):
    """V (K, d, d) -> P = V^-1 and log|V| (K,); not-a-number where V is not positive definite."""

    __props__ = ()
    gufunc_signature = "(k,d,d)->(k,d,d),(k)"

    def make_node(self, cov):
        cov = pt.as_tensor(cov, dtype="float64")
        return Apply(self, [cov], [cov.type(), pt.vector(shape=cov.type.shape[:1], dtype="float64")])

    def perform(self, node, inputs, outputs):
        try:
            outputs[0][0], outputs[1][0] = precision_and_log_det(np, inputs[0])
        except np.linalg.LinAlgError:
            outputs[0][0], outputs[1][0] = np.full(inputs[0].shape, np.nan), np.full(len(inputs[0]), np.nan)

    def pullback(self, inputs, outputs, cotangents):
        P, log_det = outputs
        g, h = (
            v.zeros_like() if isinstance(c.type, DisconnectedType) else c
            for v, c in zip((P, log_det), cotangents, strict=True)
        )
        return [PrecisionSlope()(P, g, h)]


class PrecisionSlope(Op):
    """The pullback of `Precision`: -P G P + h P for symmetrised cotangents G of P, and h of log|V|."""

    __props__ = ()
    gufunc_signature = "(k,d,d),(k,d,d),(k)->(k,d,d)"

    def make_node(self, P, g, h):
        inputs = [pt.as_tensor(v, dtype="float64") for v in (P, g, h)]
        return Apply(self, inputs, [inputs[0].type()])

    def perform(self, node, inputs, outputs):
        P, g, h = inputs
        g = 0.5 * (g + np.swapaxes(g, -1, -2))
        outputs[0][0] = h[:, None, None] * P - P @ g @ P

    def pullback(self, inputs, outputs, cotangents):
        return _once(self, inputs)


class CovarianceOfFactor(Op):
    """u (K, d (d + 1) / 2) -> V = L L', L lower triangular with rows u, its diagonal in logs."""

    __props__ = ("d",)

    def __init__(self, d):
        self.d = d
        self.gufunc_signature = "(k,q)->(k,d,d)"

    def make_node(self, u):
        u = pt.as_tensor(u, dtype="float64")
        return Apply(self, [u], [pt.tensor(shape=(u.type.shape[0], self.d, self.d), dtype="float64")])

    def perform(self, node, inputs, outputs):
        L = factor(inputs[0], self.d)
        outputs[0][0] = L @ np.swapaxes(L, -1, -2)

    def pullback(self, inputs, outputs, cotangents):
        return [CovarianceOfFactorSlope(self.d)(inputs[0], cotangents[0])]


class CovarianceOfFactorSlope(Op):
    """The pullback of `CovarianceOfFactor`: the lower triangle of (G + G') L, its diagonal times L_ii."""

    __props__ = ("d",)

    def __init__(self, d):
        self.d = d
        self.gufunc_signature = "(k,q),(k,d,d)->(k,q)"

    def make_node(self, u, g):
        inputs = [pt.as_tensor(v, dtype="float64") for v in (u, g)]
        return Apply(self, inputs, [inputs[0].type()])

    def perform(self, node, inputs, outputs):
        u, g = inputs
        L = factor(u, self.d)
        slope = (g + np.swapaxes(g, -1, -2)) @ L
        i, j = np.tril_indices(self.d)
        outputs[0][0] = slope[:, i, j] * np.where(i == j, L[:, i, j], 1.0)

    def pullback(self, inputs, outputs, cotangents):
        return _once(self, inputs)


def factor(u, d):
    """L (K, d, d) from its packed lower triangle u, row by row, the diagonal in logs."""
    L = np.zeros((len(u), d, d))
    i, j = np.tril_indices(d)
    L[:, i, j] = np.where(i == j, np.exp(np.where(i == j, u, 0.0)), u)
    return L


@register_funcify_default_op_cache_key(Precision)
def precision_in_numba(op, node, **kwargs):
    @numba_njit
    def precision(V):
        K, d = V.shape[0], V.shape[1]
        P, log_det = np.empty((K, d, d)), np.empty(K)
        A = np.zeros((d, d))
        for k in range(K):
            L, total = np.zeros((d, d)), 0.0
            for i in range(d):
                for j in range(i + 1):
                    rest = V[k, i, j]
                    for m in range(j):
                        rest -= L[i, m] * L[j, m]
                    L[i, j] = np.sqrt(rest) if i == j else rest / L[j, j]
                total += 2 * np.log(L[i, i])
            for i in range(d):  # A = L^-1
                A[i, i] = 1 / L[i, i]
                for j in range(i):
                    rest = 0.0
                    for m in range(j, i):
                        rest -= L[i, m] * A[m, j]
                    A[i, j] = rest / L[i, i]
            for i in range(d):  # P = A' A
                for j in range(i + 1):
                    rest = 0.0
                    for m in range(i, d):
                        rest += A[m, i] * A[m, j]
                    P[k, i, j] = rest
                    P[k, j, i] = rest
            log_det[k] = total
        return P, log_det

    return precision, VERSION


@register_funcify_default_op_cache_key(PrecisionSlope)
def precision_slope_in_numba(op, node, **kwargs):
    @numba_njit
    def precision_slope(P, g, h):
        K, d = P.shape[0], P.shape[1]
        out, half = np.empty((K, d, d)), np.empty((d, d))
        for k in range(K):
            for i in range(d):
                for j in range(d):
                    total = 0.0
                    for m in range(d):
                        total += 0.5 * (g[k, i, m] + g[k, m, i]) * P[k, m, j]
                    half[i, j] = total
            for i in range(d):
                for j in range(d):
                    total = h[k] * P[k, i, j]
                    for m in range(d):
                        total -= P[k, i, m] * half[m, j]
                    out[k, i, j] = total
        return out

    return precision_slope, VERSION


@register_funcify_default_op_cache_key(CovarianceOfFactor)
def covariance_in_numba(op, node, **kwargs):
    d = op.d

    @numba_njit
    def covariance(u):
        V = np.empty((u.shape[0], d, d))
        L = np.zeros((d, d))
        for k in range(u.shape[0]):
            at = 0
            for i in range(d):
                for j in range(i + 1):
                    L[i, j] = np.exp(u[k, at]) if i == j else u[k, at]
                    at += 1
            for i in range(d):
                for j in range(i + 1):
                    total = 0.0
                    for m in range(j + 1):
                        total += L[i, m] * L[j, m]
                    V[k, i, j] = total
                    V[k, j, i] = total
        return V

    return covariance, VERSION


@register_funcify_default_op_cache_key(CovarianceOfFactorSlope)
def covariance_slope_in_numba(op, node, **kwargs):
    d = op.d

    @numba_njit
    def covariance_slope(u, g):
        out = np.empty(u.shape)
        L = np.zeros((d, d))
        for k in range(u.shape[0]):
            at = 0
            for i in range(d):
                for j in range(i + 1):
                    L[i, j] = np.exp(u[k, at]) if i == j else u[k, at]
                    at += 1
            at = 0
            for i in range(d):
                for j in range(i + 1):
                    total = 0.0
                    for m in range(j, d):
                        total += (g[k, i, m] + g[k, m, i]) * L[m, j]
                    out[k, at] = total * L[i, i] if i == j else total
                    at += 1
        return out

    return covariance_slope, VERSION

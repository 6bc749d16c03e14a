"""The rows of an exponential-family mixture as PyTensor Ops: the E-step that NUTS climbs.

    rows_i = weight_i ( log sum_k exp(W_k . Phi_i + label_ki) + base_i )

with log w_k in the constant column of W. `MixRows` returns the rows, `MixSum` their sum together with
its gradient in W, which is r^T Phi: the statistics of the M-step. A rewrite turns the sum of a
`MixRows` into a `MixSum`, so that the model one reads is sampled at one pass per gradient.
"""

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type, grad_not_implemented
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import node_rewriter
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key
from pytensor.tensor.math import Sum
from pytensor.tensor.rewriting.basic import register_canonicalize

from bayesmix.em.kernel import soften

BLOCK = 128  # rows at a time: the scores of a block stay in the first-level cache
VERSION = 1  # part of PyTensor's cache key, which does not see the source: raise it with every change


def mix_rows(features, W, log_label, base, weight):
    """The rows (n,) of features (F, n), W (K, F), log_label (K, n), base (n,) and row weights (n,)."""
    return MixRows()(features, W, log_label, base, weight)


class _Mix(Op):
    """What both Ops share. Only W is differentiated."""

    __props__ = ()

    def make_node(self, features, W, log_label, base, weight):
        inputs = [pt.as_tensor(v, dtype="float64") for v in (features, W, log_label, base, weight)]
        return Apply(self, inputs, self.outputs_of(inputs))

    def connection_pattern(self, node):
        return [[i == 1] * len(node.outputs) for i in range(5)]


class MixRows(_Mix):
    """The rows, (n,)."""

    gufunc_signature = "(f,n),(k,f),(k,n),(n),(n)->(n)"

    def outputs_of(self, inputs):
        return [pt.vector(shape=inputs[4].type.shape, dtype="float64")]

    def perform(self, node, inputs, outputs):
        features, W, log_label, base, weight = inputs
        outputs[0][0] = weight * (soften(W @ features + log_label, 1.0)[1] + base)

    def pullback(self, inputs, outputs, cotangents):
        features, W, log_label, base, weight = inputs
        slope = MixSum()(features, W, log_label, base, weight * cotangents[0])[1]
        return [disconnected_type(), slope, *(disconnected_type() for _ in range(3))]


class MixSum(_Mix):
    """The sum of the rows and its gradient in W, (K, F)."""

    gufunc_signature = "(f,n),(k,f),(k,n),(n),(n)->(),(k,f)"

    def outputs_of(self, inputs):
        return [pt.scalar(dtype="float64"), pt.matrix(shape=inputs[1].type.shape, dtype="float64")]

    def perform(self, node, inputs, outputs):
        features, W, log_label, base, weight = inputs
        r, rows, _ = soften(W @ features + log_label, 1.0)
        outputs[0][0] = np.asarray(weight @ (rows + base))
        outputs[1][0] = (r * weight) @ features.T

    def pullback(self, inputs, outputs, cotangents):
        curved = grad_not_implemented(self, 1, inputs[1], "second derivatives of the mixture's rows are not written")
        flat = isinstance(cotangents[1].type, DisconnectedType)
        slope = cotangents[0] * outputs[1] if flat else curved
        return [disconnected_type(), slope, *(disconnected_type() for _ in range(3))]


@register_canonicalize
@node_rewriter([Sum])
def sum_of_rows_in_one_pass(fgraph, node):
    """sum(MixRows(...)) -> MixSum(...)[0]; the rows are a vector, so the sum is over its only axis."""
    rows = node.inputs[0]
    if rows.owner is not None and isinstance(rows.owner.op, MixRows):
        return [MixSum()(*rows.owner.inputs)[0]]
    return None


@numba_njit
def exp_into(x):
    """exp of x <= 0 in place, to 2 ulp: 2^j times a polynomial; below -600, where it is nothing, exp(-600).

    Numba has no vectorised exp; results smaller than that would be denormal, and denormals are slow.
    """
    n = len(x)
    scale = np.empty(n, np.int64)
    for i in range(n):
        v = max(x[i], -600.0)
        j = np.floor(v * 1.4426950408889634 + 0.5)
        scale[i] = (np.int64(j) + 1023) << 52
        v = (v - j * 0.693147180369123816490) - j * 1.90821492927058770002e-10
        p = 1.0 / 6227020800.0
        p = p * v + 1.0 / 479001600.0
        p = p * v + 1.0 / 39916800.0
        p = p * v + 1.0 / 3628800.0
        p = p * v + 1.0 / 362880.0
        p = p * v + 1.0 / 40320.0
        p = p * v + 1.0 / 5040.0
        p = p * v + 1.0 / 720.0
        p = p * v + 1.0 / 120.0
        p = p * v + 1.0 / 24.0
        p = p * v + 1.0 / 6.0
        p = p * v + 0.5
        p = p * v + 1.0
        x[i] = p * v + 1.0
    power = scale.view(np.float64)
    for i in range(n):
        x[i] *= power[i]


@numba_njit
def soften_block(features, W, log_label, start, stop, s, top, total):
    """s[k, i] = exp(l_ki - top_i) with l_ki = W_k . Phi_i + label_ki; top (rows,) their maximum, total their sum.

    Loops run over contiguous slices, which is what the compiler vectorises.
    """
    m = stop - start
    top[:m] = -np.inf
    total[:m] = 0.0
    for k in range(W.shape[0]):
        row = s[k, :m]
        row[:] = log_label[k, start:stop]
        for f in range(W.shape[1]):
            a, phi = W[k, f], features[f, start:stop]
            for i in range(m):
                row[i] += a * phi[i]
        for i in range(m):
            top[i] = max(top[i], row[i])
    for k in range(W.shape[0]):
        row = s[k, :m]
        for i in range(m):
            row[i] -= top[i]
        exp_into(row)
        for i in range(m):
            total[i] += row[i]


@register_funcify_default_op_cache_key(MixRows)
def rows_in_numba(op, node, **kwargs):
    @numba_njit
    def mix_rows(features, W, log_label, base, weight):
        features, W = np.ascontiguousarray(features), np.ascontiguousarray(W)
        log_label = np.ascontiguousarray(log_label)
        n, K = features.shape[1], W.shape[0]
        rows, s, top, total = np.empty(n), np.empty((K, BLOCK)), np.empty(BLOCK), np.empty(BLOCK)
        for start in range(0, n, BLOCK):
            stop = min(start + BLOCK, n)
            soften_block(features, W, log_label, start, stop, s, top, total)
            for i in range(stop - start):
                rows[start + i] = weight[start + i] * (top[i] + np.log(total[i]) + base[start + i])
        return rows

    return mix_rows, VERSION


@register_funcify_default_op_cache_key(MixSum)
def sum_in_numba(op, node, **kwargs):
    @numba_njit(fastmath={"reassoc", "contract", "nsz"})
    def mix_sum(features, W, log_label, base, weight):
        features, W = np.ascontiguousarray(features), np.ascontiguousarray(W)
        log_label = np.ascontiguousarray(log_label)
        n, K, F = features.shape[1], W.shape[0], W.shape[1]
        value, slope = 0.0, np.zeros((K, F))
        s, top, total = np.empty((K, BLOCK)), np.empty(BLOCK), np.empty(BLOCK)
        for start in range(0, n, BLOCK):
            stop = min(start + BLOCK, n)
            m = stop - start
            soften_block(features, W, log_label, start, stop, s, top, total)
            for i in range(m):
                value += weight[start + i] * (top[i] + np.log(total[i]) + base[start + i])
                total[i] = weight[start + i] / total[i]
            for k in range(K):
                r = s[k, :m]
                for i in range(m):
                    r[i] *= total[i]
                for f in range(F):
                    phi, dot = features[f, start:stop], 0.0
                    for i in range(m):
                        dot += r[i] * phi[i]
                    slope[k, f] += dot
        return np.asarray(value), slope

    return mix_sum, VERSION

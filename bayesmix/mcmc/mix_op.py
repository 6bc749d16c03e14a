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

from bayesmix.em import kernel
from bayesmix.em.fused import collect, scores
from bayesmix.em.shares import ROWS, STRIDE
from bayesmix.em.vector import FAST, exp, get, put, up2, up4

TINY = -600.0  # exp of less counts as exp(-600): times a feature or a weight it would be denormal, and slow
VERSION = 4


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
        outputs[0][0] = weight * (kernel.soften(W @ features + log_label, 1.0)[1] + base)

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
        r, rows, _ = kernel.soften(W @ features + log_label, 1.0)
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


@numba_njit(fastmath=FAST, error_model="numpy")
def soften(joint, K, log_label, start, m, top, total):
    """joint[k, i] = exp(l_ki - top_i) of m rows, in place; top (ROWS,) their maximum, total (ROWS,) their sum.

    All arrays but log_label are flat, a line of ROWS every STRIDE.
    """
    for k in range(K):
        for i in range(m):
            put(joint, k * STRIDE + i, get(joint, k * STRIDE + i) + log_label[k, start + i])
    for i in range(ROWS):
        put(top, i, get(joint, i))
        put(total, i, 0.0)
    for k in range(1, K):
        for i in range(ROWS):
            v = get(joint, k * STRIDE + i)
            put(top, i, v if v > get(top, i) else get(top, i))
    for k in range(K):
        for i in range(ROWS):
            v = get(joint, k * STRIDE + i) - get(top, i)
            v = exp(v if v > TINY else TINY)
            put(joint, k * STRIDE + i, v)
            put(total, i, get(total, i) + v)


@numba_njit(fastmath=FAST, error_model="numpy")
def sum_logs(total, weight, start, m):
    """sum_i weight_i log total_i of m rows: one log for eight rows of equal weight, whose product is at most K^8."""
    out, i = 0.0, 0
    while i < m:
        stop, product, equal, first = min(i + 8, m), 1.0, True, weight[start + i]
        for j in range(i, stop):
            product *= get(total, j)
            equal &= weight[start + j] == first
        if equal:
            out += first * np.log(product)
        else:
            for j in range(i, stop):
                out += weight[start + j] * np.log(get(total, j))
        i = stop
    return out


@numba_njit(fastmath=FAST, error_model="numpy")
def fill(features, start, m, phi):
    """The features of m rows as a block of its own, flat (up4(F), STRIDE), zero beyond them."""
    if m < ROWS:
        phi[:] = 0.0
    for f in range(features.shape[0]):
        row = features[f]
        for i in range(m):
            put(phi, f * STRIDE + i, get(row, start + i))


@numba_njit
def padded(W):
    """W as the tiles of `em.fused` read it: flat (up2(K), up4(F)), zero beyond."""
    (K, F), wide = W.shape, up4(W.shape[1])
    out = np.zeros(up2(K) * wide)
    for k in range(K):
        for f in range(F):
            out[k * wide + f] = W[k, f]
    return out


@register_funcify_default_op_cache_key(MixRows)
def rows_in_numba(op, node, **kwargs):
    @numba_njit
    def mix_rows(features, W, log_label, base, weight):
        features, log_label = np.ascontiguousarray(features), np.ascontiguousarray(log_label)
        (K, F), n, tiles = W.shape, features.shape[1], padded(W)
        rows, wide = np.empty(n), up4(F)
        phi, joint = np.zeros(wide * STRIDE), np.empty(up2(K) * STRIDE)
        top, total = np.empty(ROWS), np.empty(ROWS)
        for start in range(0, n, ROWS):
            m = min(ROWS, n - start)
            fill(features, start, m, phi)
            scores(tiles, K, wide, wide, phi, joint, ROWS)
            soften(joint, K, log_label, start, m, top, total)
            for i in range(m):
                rows[start + i] = weight[start + i] * (top[i] + np.log(total[i]) + base[start + i])
        return rows

    return mix_rows, VERSION


@register_funcify_default_op_cache_key(MixSum)
def sum_in_numba(op, node, **kwargs):
    @numba_njit(fastmath=FAST, error_model="numpy")
    def mix_sum(features, W, log_label, base, weight):
        features, log_label = np.ascontiguousarray(features), np.ascontiguousarray(log_label)
        (K, F), n, tiles = W.shape, features.shape[1], padded(W)
        wide = up4(F)
        value, slope = 0.0, np.zeros(up2(K) * wide)
        phi, joint = np.zeros(wide * STRIDE), np.empty(up2(K) * STRIDE)
        top, total = np.empty(ROWS), np.empty(ROWS)
        for start in range(0, n, ROWS):
            m = min(ROWS, n - start)
            fill(features, start, m, phi)
            scores(tiles, K, wide, wide, phi, joint, ROWS)
            soften(joint, K, log_label, start, m, top, total)
            value += sum_logs(total, weight, start, m)
            for i in range(m):
                value += weight[start + i] * (top[i] + base[start + i])
                put(total, i, weight[start + i] / get(total, i))
            for i in range(m, ROWS):
                put(total, i, 0.0)
            for k in range(K):
                for i in range(ROWS):
                    put(joint, k * STRIDE + i, get(joint, k * STRIDE + i) * get(total, i))
            collect(K, wide, phi, joint, slope, ROWS)
        return np.asarray(value), slope.reshape(up2(K), wide)[:K, :F].copy()

    return mix_sum, VERSION

"""Scores become responsibilities, compiled: 128 rows at a time, between the two products of a pass (`em/fused.py`).

Scratch memory is flat: a line holds ROWS numbers, one for each row, and the next line begins STRIDE numbers after it.
Scores and responsibilities have a line for each component.
"""

import numpy as np

from bayesmix.em.vector import FAST, exp, get, part, put, up16

ROWS = 128  # rows per block; a constant, so that the compiler knows every stride
STRIDE = ROWS + 8  # from one line to the next: lines a power of two apart would share few cache sets
LOG_TINY = -700.0  # as in the kernel: below it exp is denormal, slow and nothing
EXCLUDED = -1e30  # log 0


@part(fastmath=FAST)
def sum_logs(total, weight, at, m):
    """sum_i weight_i log total_i of m rows, total from 1 to K: one log for 16 rows where they have no weights."""
    out = 0.0
    if weight.size:
        for i in range(m):
            out += get(weight, at + i) * np.log(get(total, i))
        return out
    for i in range(m, up16(m)):
        put(total, i, 1.0)
    for i in range(0, m, 16):
        product = 1.0
        for j in range(16):
            product *= get(total, i + j)
        out += np.log(product)
    return out


@part(fastmath=FAST)
def weighted(line, weight, at, m):
    """sum_i weight_i line_i of m rows."""
    out = 0.0
    for i in range(m):
        out += get(weight, at + i) * get(line, i) if weight.size else get(line, i)
    return out


@part(fastmath=FAST)
def label(joint, K, log_label, at, m):
    """Adds log_label (n, K) to the scores of m rows."""
    for k in range(K):
        for i in range(m):
            said = max(get(log_label, (at + i) * K + k), EXCLUDED)
            put(joint, k * STRIDE + i, get(joint, k * STRIDE + i) + said)


@part(fastmath=FAST)
def soften(joint, K, beta, weight, at, m, top, total):
    """Scores (K lines) of m rows become weighted responsibilities r ~ exp(beta l), in place.

    Returns the sums of weight_i (1/beta) log sum_k exp(beta l_ik) and of the same at beta = 1.
    """
    n = up16(m)
    for i in range(n):
        put(top, i, get(joint, i))
        put(total, i, 0.0)
    for k in range(1, K):
        for i in range(n):
            put(top, i, max(get(joint, k * STRIDE + i), get(top, i)))
    peak = weighted(top, weight, at, m)

    if beta != 1.0:
        for k in range(K):
            for i in range(n):
                v = get(joint, k * STRIDE + i) - get(top, i)
                put(total, i, get(total, i) + exp(max(v, LOG_TINY)))
    else:
        for k in range(K):
            for i in range(n):
                v = get(joint, k * STRIDE + i) - get(top, i)
                v = exp(max(v, LOG_TINY))
                put(joint, k * STRIDE + i, v)
                put(total, i, get(total, i) + v)
    soft = peak + sum_logs(total, weight, at, m)
    firm = soft
    if beta != 1.0:
        for i in range(n):
            put(total, i, 0.0)
        for k in range(K):
            for i in range(n):
                v = beta * (get(joint, k * STRIDE + i) - get(top, i))
                v = exp(max(v, LOG_TINY))
                put(joint, k * STRIDE + i, v)
                put(total, i, get(total, i) + v)
        firm = peak + sum_logs(total, weight, at, m) / beta
    for i in range(n):
        put(total, i, 1.0 / get(total, i))
    if weight.size:
        for i in range(m):
            put(total, i, get(total, i) * get(weight, at + i))
    for i in range(m, n):
        put(total, i, 0.0)
    for k in range(K):
        for i in range(n):
            put(joint, k * STRIDE + i, get(joint, k * STRIDE + i) * get(total, i))
    return firm, soft


@part(fastmath=FAST)
def soften_two(joint, weight, at, m, top, total):
    """`soften` at beta = 1 for two components, which one exp serves: the better one has exp(0)."""
    n = up16(m)
    for i in range(n):
        a, b = get(joint, i), get(joint, STRIDE + i)
        high = max(a, b)
        v = exp(max(min(a, b) - high, LOG_TINY))
        put(top, i, high)
        put(total, i, 1.0 + v)
        share = 1.0 / (1.0 + v)
        put(joint, i, share if a >= b else v * share)
        put(joint, STRIDE + i, v * share if a >= b else share)
    peak = weighted(top, weight, at, m)
    for i in range(m if weight.size else 0):
        put(joint, i, get(joint, i) * get(weight, at + i))
        put(joint, STRIDE + i, get(joint, STRIDE + i) * get(weight, at + i))
    for i in range(m, n):
        put(joint, i, 0.0)
        put(joint, STRIDE + i, 0.0)
    return peak + sum_logs(total, weight, at, m)


@part(fastmath=FAST)
def harden(joint, K, weight, at, m, top, owner):
    """The best component of each of m rows, of equal ones the first, into owner; returns sum_i weight_i max_k l_ik."""
    n = up16(m)
    for i in range(n):
        put(top, i, get(joint, i))
        put(owner, i, 0.0)
    for k in range(1, K):
        for i in range(n):
            v, best = get(joint, k * STRIDE + i), get(top, i)
            put(owner, i, float(k) if v > best else get(owner, i))
            put(top, i, max(v, best))
    return weighted(top, weight, at, m)

"""Missing cells in the PyMC model: the same parts of the rows as in `em/missing.py`, in the original order.

PyMC would turn NaN among the observed values into free variables, one dimension of NUTS per cell. Here the
gaps are summed out instead: `x` gets filler there, and which cells are real is part of the graph.
"""

from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt

from bayesmix.spec.missing import patterns


@dataclass(frozen=True)
class Block:
    """Columns start..stop of `features`: the rows that one family reads."""

    start: int
    stop: int
    count: int  # of features
    family: object
    columns: np.ndarray | None  # the observed columns, None for all with their gaps


@dataclass(frozen=True)
class Layout:
    """Phi^T (F, n) and base (n,), rows sorted by part, and the way back to the original order."""

    features: np.ndarray
    base: np.ndarray
    blocks: tuple
    order: np.ndarray  # (n,) original row of each column of `features`
    seen: np.ndarray | None = None  # (P, d) observed columns of each block, where one reading gives W of all


def rows_by_pattern(problem):
    """The layout of an exponential problem with missing cells."""
    n, parts = len(problem.x), problem.parts
    if problem.sorted is not None:
        rows, count = problem.sorted, [len(part.rows) for part in parts]
        ends = np.cumsum(count)
        blocks = [Block(int(b - c), int(b), len(rows.features), None, None) for b, c in zip(ends, count, strict=True)]
        return Layout(rows.features, rows.base, tuple(blocks), rows.order, rows.seen)
    rows = [np.arange(n)[part.rows] for part in parts]
    order, found = np.concatenate(rows), [part.problem.features for part in parts]
    features, blocks, at = np.zeros((max(len(f) for f in found), n)), [], 0
    for part, f in zip(parts, found, strict=True):
        features[: len(f), at : at + f.shape[1]] = f
        blocks.append(Block(at, at + f.shape[1], len(f), part.problem.mixture.family, part.columns))
        at += f.shape[1]
    return Layout(features, np.concatenate([part.problem.base for part in parts]), tuple(blocks), order)


def row_logp(layout, family, own, per_row, mix):
    """The row terms in the original order: (n,).

    own: the centred theta of `family`. per_row: (features, base, log_label, row_weight), the first two sorted
    by part. mix(W, features, base, log_label, row_weight): the terms of rows that one W serves.
    """
    features, base, log_label, row_weight = per_row
    terms, every = [], None
    if layout.seen is not None:
        every = family.pattern_weights(pt, layout.seen, **own)
    for p, b in enumerate(layout.blocks):
        at, rows = slice(b.start, b.stop), layout.order[b.start : b.stop]
        if every is not None:
            W = every[p]
        else:
            theta = own if b.columns is None or not len(b.columns) else restricted(family, own, b.columns)
            W = b.family.natural(pt, **theta)
        terms.append(mix(W, features[: b.count, at], base[at], log_label[:, rows], row_weight[rows]))
    return terms[0] if len(terms) == 1 else pt.concatenate(terms)[np.argsort(layout.order)]


def restricted(family, own, columns):
    """theta of some columns, with static shapes."""
    full = {name: value.type.shape for name, value in own.items()}
    out = family.restrict(own, columns)
    for name, value in out.items():
        p = family.parameters[name]
        dims = () if p.isotropic else p.dims
        count = len(columns) if p.columns is None else int(np.isin(p.columns, columns).sum())
        shape = [count if at and dims[at - 1 : at] == ("feature",) else s for at, s in enumerate(full[name])]
        out[name] = pt.specify_shape(value, shape)
    return out


def dist_logp(family, value, seen, own, K, single):
    """log f_k of the observed cells of each row by PyMC's own distributions: (n, K).

    value: (n, d), filler in its gaps. seen: (n, d), which cells are real. single(family, x, own): the reading
    of rows without gaps.
    """
    n, d = seen.shape
    if seen.all():
        return single(family, value, own)
    if family.independent:
        total = pt.zeros((n, K))
        for j in range(d):
            column = np.array([j])
            part = single(family.marginal(column), value[:, j : j + 1], restricted(family, own, column))
            total = total + part * seen[:, j : j + 1]
        return total
    found = patterns(np.where(seen, 0.0, np.nan))
    parts = []
    for rows, columns in found:
        if len(columns):
            x = value[rows][:, columns]
            parts.append(single(family.marginal(columns), x, restricted(family, own, columns)) + pt.zeros((1, K)))
        else:
            parts.append(pt.zeros((len(rows), K)))
    return pt.concatenate(parts)[np.argsort(np.concatenate([rows for rows, _ in found]))]

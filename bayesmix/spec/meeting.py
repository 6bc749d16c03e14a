"""When the specification meets the data: what was left out is made explicit, and what does not fit is refused."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from bayesmix.data.data import Data
from bayesmix.errors import InputError
from bayesmix.spec.missing import filled, observed
from bayesmix.spec.priors import Dirichlet, Flat


class Meeting:
    """The part of `Mixture` that looks at data: `resolve`, the labels, and warnings about unbounded posteriors."""

    def resolve(self, data):
        """The same model with every left-out choice made explicit from the data, and all checks done.

        Raises InputError with one sentence where model and data do not fit together.
        """
        data = data if isinstance(data, Data) else Data(data)
        self.check_missing(data)
        family = self.family.bind(data.names)
        if family.columns not in (None, data.d):
            raise InputError(f"{type(family).__name__}(): expected {family.columns} column(s), got {data.d}.")
        if data.d < family.least_columns:
            raise InputError(
                f"{type(family).__name__}(): expected at least {family.least_columns} columns, got {data.d}; "
                "choose a family for single columns."
            )
        family.check(filled(data.x), data.names)
        flat = [n for n, p in self.family.parameters.items() if isinstance(p.prior, Flat)]
        if flat and self.components > data.n:
            raise InputError(
                f"Mixture(components={self.components}): there are only {data.n} rows, and `{flat[0]}` has a Flat "
                "prior; use fewer components or proper priors."
            )
        weight = self.weight
        if isinstance(weight, Flat):
            weight = Flat("simplex", Dirichlet(1.0))
        full = replace(self, family=family.resolve(observed(data.x)), weight=weight)
        theta = full.draw_unconstrained(np.random.default_rng(0), data.d)
        for name, p in full.parameters.items():
            if not p.free and not p.support.contains(theta[name]):
                raise InputError(f"{name}=Fixed(...): expected {p.support} values, got {theta[name].tolist()}.")
        full = replace(full, constraints=tuple(c.resolve(full, data) for c in self.constraints))
        allowed = full.log_allowed(data)
        if allowed is not None and (allowed == -np.inf).all(axis=1).any():
            row = int((allowed == -np.inf).all(axis=1).argmax())
            raise InputError(
                f"Data(label=...): row {row}, {dict(zip(data.names, data.x[row].tolist(), strict=True))}, is labelled "
                "with a class whose components cannot produce it; correct the label or the family."
            )
        full._check_order_against_labels(data)
        return full

    def check_missing(self, data):
        """Raise InputError if x has missing cells and the family cannot sum over them, or a column has nothing else."""
        gaps = np.isnan(data.x)
        if gaps.any() and not self.family.marginalises:
            row = int(np.flatnonzero(gaps.any(axis=1))[0])
            raise InputError(
                f"Data(x=...): row {row} has a missing cell, and {type(self.family).__name__} does not support missing "
                "cells; drop or fill these rows."
            )
        if gaps.all(axis=0).any():
            raise InputError(
                f"Data(x=...): all cells of column {data.names[int(gaps.all(axis=0).argmax())]!r} are missing; "
                "leave that column out."
            )

    def _check_order_against_labels(self, data):
        """Labelled class means that contradict a hard order by more than 5 standard errors."""
        label = self.log_label(data)
        if label is None or data.label.ndim == 2:
            return
        for order in self.constraints:
            p = self.parameters[order.field]
            if order.symmetric or not order.hard or not p.expectation:
                continue
            means, j = [], p.features(data.d)[order.by]
            for k in p.covers(self.components):
                rows = np.flatnonzero(np.isfinite(label[:, k]) & (np.isinf(label).sum(axis=1) == self.components - 1))
                x = data.x[rows, j]
                x = x[~np.isnan(x)]
                if len(rows) > 1:
                    means.append((k, x.mean(), x.std(ddof=1) / np.sqrt(len(rows))))
            for (first, a, sa), (k, b, sb) in pairwise(means):
                if a - b > 5 * np.hypot(sa, sb):
                    raise InputError(
                        f"Order({order.field!r}): the labelled rows contradict the order, since class {first} has mean "
                        f"{a:.4g} and class {k} has mean {b:.4g} in {data.names[j]!r}; relabel the classes "
                        "or drop the constraint."
                    )

    def log_label(self, data):
        """log p(label_i | component k), (n, K): 0 where allowed, -inf where excluded; None when nothing is labelled."""
        label, classes = data.label, self.component_classes
        if label is None or not data.is_labelled:
            return None
        count = int(classes.max()) + 1
        if label.ndim == 2:
            if label.shape[1] != count:
                raise InputError(
                    f"Data(label=...): expected {count} columns, one per class, got {label.shape[1]}; "
                    "give p(reported label | component) for each."
                )
            with np.errstate(divide="ignore"):
                return np.log(label[:, classes])
        if label.max() >= count:
            row = int(np.argmax(label))
            raise InputError(
                f"Data(label=...): expected labels in 0..{count - 1} (or -1 for unknown), got {label[row]} in row "
                f"{row}; raise `components` or correct the label."
            )
        allowed = (label[:, None] == classes) | (label[:, None] < 0)
        return np.where(allowed, 0.0, -np.inf)

    def log_allowed(self, data):
        """`log_label` plus -inf where the family excludes a row whatever theta is (n, K); None if nothing is."""
        label, mask = self.log_label(data), self.family.mask(data.x, self.components)
        return mask if label is None else label if mask is None else label + mask

    def class_names(self, data):
        """Names of the classes: the recorded ones, then numbers for components nobody labelled."""
        count = int(self.component_classes.max()) + 1
        named = [str(c) for c in data.classes] if self.log_label(data) is not None else []
        return tuple(named[:count] + [str(c) for c in range(len(named), count)])

    def unbounded(self, data):
        """One sentence for each reason why this log posterior may have no maximum."""
        notes = []
        for name, p in self.parameters.items():
            if p.free and not p.prior.bounded:
                notes.append(
                    f"The prior of `{name}`, {p.prior!r}, is unbounded at its edge: EM reports interior optima only."
                )
            scale = p.own in ("var", "sd", "cov", "scale") and not self.is_constant(name)
            if scale and not p.prior.vanishes_at_zero and not (p.shared and data.n > data.d):
                notes.append(
                    f"The prior of `{name}`, {p.prior!r}, lets a component collapse onto one row, where the density "
                    "has no bound: EM reports interior optima only."
                )
            if name == "shape" and isinstance(p.prior, Flat) and not p.shared:
                notes.append(
                    "The prior of `shape` is Flat, which lets a component collapse onto one value, where the density "
                    "has no bound: EM reports interior optima only."
                )
        return notes

"""The ordering and mixing potentials: `Order` and `MinWeight`.

A constraint is a vector of slacks that must not be negative. `enforce` says how:

    "transform"  exact truncation by construction; NUTS sees no wall (default)
    "potential"  log 1(all slacks >= 0), the classic hard potential: the same posterior, at the cost of divergences
    "soft"       sum log sigmoid(slack / width): a smooth wall, hence another posterior
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace

import numpy as np

from bayesmix.errors import InputError

ENFORCE = ("transform", "potential", "soft")


@dataclass(frozen=True)
class Constraint(ABC):
    """A restriction on theta, written as slacks >= 0. Finals have `field` (what it restricts), `enforce`, `width`."""

    def __post_init__(self):
        if self.enforce not in ENFORCE:
            raise InputError(f"{type(self).__name__}(enforce=...): expected one of {ENFORCE}, got {self.enforce!r}.")
        if self.width is not None and not self.width > 0:
            raise InputError(f"{type(self).__name__}(width=...): expected a positive number, got {self.width!r}.")

    symmetric = True  # whether relabelling the components leaves it true

    @property
    @abstractmethod
    def name(self):
        """Its term in the log posterior."""

    @abstractmethod
    def value(self, theta, xp):
        """The slacks, one vector; `xp` is numpy or pytensor.tensor."""

    @abstractmethod
    def transform(self, inner):
        """The PyMC transform that makes it true, wrapped around the prior's own transform `inner`."""

    @abstractmethod
    def project(self, theta, counts):
        """The nearest theta that obeys it (exact where that is a closed form)."""

    @abstractmethod
    def resolve(self, mixture, data):
        """The same constraint with names and defaults replaced by numbers; raises InputError."""

    @property
    def hard(self):
        return self.enforce != "soft"

    def logp(self, theta):
        """0 or -inf when hard, sum log sigmoid(slack / width) when soft."""
        slack = self.value(theta, np)
        if self.hard:
            return 0.0 if (slack >= 0).all() else -np.inf
        return float(-np.logaddexp(0, -slack / self.width).sum())

    def potential(self, theta):
        """The same number as a PyTensor expression."""
        import pytensor.tensor as pt

        slack = self.value(theta, pt)
        if self.hard:
            return pt.switch(pt.all(slack >= 0), 0.0, -np.inf)
        return -pt.softplus(-slack / np.float64(self.width)).sum()


@dataclass(frozen=True)
class Order(Constraint):
    """Components in increasing order of one coordinate of a field.

    `by` is the feature's name or index, needed when there are several features; for the probabilities of a
    `Categorical` it is a pair (feature, category). The default `width` of the soft form is a twentieth of
    the prior's interquartile range over 1.349. `on`, the field's support, is filled in when the
    specification meets the data.
    """

    field: str
    by: str | int | tuple | None = None
    enforce: str = "transform"
    width: float | None = None
    on: str = field(default="", compare=False)

    symmetric = False

    def __post_init__(self):
        super().__post_init__()
        if isinstance(self.by, list):  # as read from JSON
            object.__setattr__(self, "by", tuple(self.by))

    @property
    def name(self):
        by = self.by if isinstance(self.by, tuple) else () if self.by is None else (self.by,)
        return "_".join(["order", self.field, *map(str, by)])

    def coordinate(self, theta):
        """The (K,) coordinate that is ordered."""
        value = theta[self.field]
        if value.ndim == 1:
            return value
        if isinstance(self.by, tuple):
            return value[:, *self.by]
        return value[:, self.by] if value.ndim == 2 else value[:, self.by, self.by]

    def value(self, theta, xp):
        c = self.coordinate(theta)
        return c[1:] - c[:-1]

    def transform(self, inner):
        from bayesmix.spec.transforms import FloorSimplex, OrderedColumn, OrderedCorner

        if self.field == "weight":
            return FloorSimplex(getattr(inner, "floor", 0.0), ordered=True)
        if self.on == "simplex":
            return OrderedCorner(self.by if isinstance(self.by, tuple) else (self.by,))
        return OrderedColumn(inner, self.by)

    def project(self, theta, counts):
        """The running maximum of the coordinate: removes what rounding left of a violation."""
        value = np.array(theta[self.field])
        old = self.coordinate(theta)
        c = np.maximum.accumulate(old)
        if self.field == "weight":
            value = c / c.sum()
        elif self.on == "simplex":
            *row, at = self.by if isinstance(self.by, tuple) else (self.by,)
            rest = (1 - c) / np.where(old < 1, 1 - old, 1.0)
            value[:, *row] *= np.where(c != old, rest, 1.0)[:, None]
            value[:, *row, at] = c
        elif value.ndim == 1:
            value = c
        elif value.ndim == 2:
            value[:, self.by] = c
        return {**theta, self.field: value}

    def resolve(self, mixture, data):
        shape, shared = mixture.field_shape(self.field, data.d), mixture.is_constant(self.field)
        p = mixture.parameters[self.field]
        if shared or (shape[0] == 1 and mixture.components > 1):
            why = "Fixed" if shared else "shared by all components" if p.shared else "that of a single component"
            raise InputError(
                f"Order({self.field!r}): the field is {why}, "
                "so there is nothing to order; order another field or drop the constraint."
            )
        names = [data.names[j] for j in p.features(data.d)]
        by, category = self.by, None
        if "category" in p.dims:
            by, category = self._category(by, shape[-1])
        elif isinstance(by, tuple):
            raise InputError(f"Order({self.field!r}, by={by!r}): expected one feature, its name or its index.")
        if len(shape) == 1:
            by = None
        elif by is None:
            if shape[1] > 1:
                raise InputError(
                    f"Order({self.field!r}, by=...): the data have {len(names)} features; say which one orders the "
                    f"components, one of {names}."
                )
            by = 0
        elif isinstance(by, str):
            if by not in names:
                raise InputError(f"Order({self.field!r}, by={by!r}): no such feature; there are {names}.")
            by = names.index(by)
        if by is not None and not 0 <= by < shape[1]:
            raise InputError(f"Order({self.field!r}, by={by!r}): expected an index in 0..{shape[1] - 1}.")
        if len(shape) == 3 and category is None and self.enforce == "transform":
            raise InputError(
                f"Order({self.field!r}): the diagonal of a matrix cannot be ordered by a transform; "
                'write enforce="potential" or "soft".'
            )
        by = by if category is None else (by, category)
        width = self.width
        if width is None and not self.hard:
            rng = np.random.default_rng(0)
            prior = [self.at(by).coordinate(mixture.draw_unconstrained(rng, data.d)) for _ in range(200)]
            width = float(0.05 * np.subtract(*np.quantile(np.concatenate(prior), [0.75, 0.25])) / 1.349)
        return Order(self.field, by, self.enforce, width, p.support.name)

    def _category(self, by, count):
        """(feature, category) that `by` says; the category may be left out where there are two."""
        feature, category = by if isinstance(by, tuple) and len(by) == 2 else (by, 1 if count == 2 else None)
        if isinstance(category, bool) or not isinstance(category, int | np.integer) or not 0 <= category < count:
            raise InputError(
                f"Order({self.field!r}, by={self.by!r}): expected a pair (feature, category) with the category in "
                f"0..{count - 1}."
            )
        return feature, int(category)

    def at(self, by):
        return replace(self, by=by)


@dataclass(frozen=True)
class MinWeight(Constraint):
    """Every mixing weight is at least `floor`. The default `width` of the soft form is floor / 5."""

    floor: float
    enforce: str = "transform"
    width: float | None = None

    field = "weight"
    name = "min_weight"

    def __post_init__(self):
        super().__post_init__()
        if not 0 < self.floor < 1:
            raise InputError(f"MinWeight(floor=...): expected a number between 0 and 1, got {self.floor!r}.")

    def value(self, theta, xp):
        return theta["weight"] - np.float64(self.floor)

    def transform(self, inner):
        from bayesmix.spec.transforms import FloorSimplex

        return FloorSimplex(self.floor, ordered=getattr(inner, "ordered", False))

    def project(self, theta, counts):
        return {**theta, "weight": water_fill(counts, self.floor)} if self.hard else theta

    def resolve(self, mixture, data):
        if mixture.components * self.floor >= 1:
            raise InputError(
                f"MinWeight({self.floor:g}): with {mixture.components} components the floor must be below "
                f"1/{mixture.components}; lower it or use fewer components."
            )
        if mixture.is_constant("weight"):
            smallest = float(np.min(mixture.weight.value))
            if smallest < self.floor:
                raise InputError(f"MinWeight({self.floor:g}): the weights are Fixed and the smallest is {smallest:g}.")
        return MinWeight(float(self.floor), self.enforce, self.width or (None if self.hard else self.floor / 5))


def water_fill(counts, floor=0.0):
    """The maximum of sum_k c_k log w_k over weights >= floor: w_k = max(floor, c_k / lam).

    `counts` (K,) are n_k + a_k - 1; negative ones act as zero. lam makes the weights sum to one.
    """
    c = np.maximum(counts, 0.0)
    if not c.sum() > 0:
        return np.full(len(c), 1 / len(c))
    low = np.zeros(len(c), dtype=bool)
    while True:
        room = 1 - floor * low.sum()
        w = np.where(low, floor, c * room / c[~low].sum())
        new = low | (w < floor)
        if (new == low).all():
            return w
        low = new


__all__ = ["Constraint", "MinWeight", "Order", "water_fill"]

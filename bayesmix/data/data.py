"""Observations, checked once: rows, labels, row weights and names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayesmix.errors import InputError

LARGEST = 1e150  # of a cell: its square is a number too


@dataclass(frozen=True, eq=False, repr=False)
class Data:
    """The observed rows with their labels, weights and names, immutable.

    Everything is copied, nothing passed in is changed, and the arrays cannot be written to.

    Args:
        x: `(n,)` or `(n, d)` numbers: an array, list, DataFrame or Series. NaN (or None) is a missing cell.
            Stored as float64 `(n, d)`.
        label: what was reported about each row's component; one of

            * None: nothing;
            * `(n,)` whole numbers: the component (or class) from 0, −1 or NaN where unknown;
            * `(n,)` names: blank, None or NaN where unknown; stored as codes into `classes`;
            * `(n, C)` numbers: p(reported label | component), each row with some positive entry.

            Stored as None, int64 `(n,)` with −1 for unknown, or float64 `(n, C)`.
        weight: `(n,)` non-negative numbers, not all zero: how often each row counts. None counts each once.
        names: the d feature names; left out, the DataFrame's columns, or `x0`, `x1`, ...
        classes: the class names behind the codes or columns of `label`, in order; left out, the sorted names
            found in `label`, the columns of a DataFrame of soft labels, or `()`.

    Raises:
        InputError: naming the argument, the row (counted from 0) and the column that cannot be used.

    >>> data = Data([[3.6, 79], [1.8, None]], label=["long", ""], names=["eruptions", "waiting"])
    >>> data
    Data(2 rows, 2 features: eruptions, waiting; labels: some; with missing cells)
    >>> data.label, data.classes
    (array([ 0, -1]), ('long',))
    """

    x: np.ndarray
    label: np.ndarray | None = None
    weight: np.ndarray | None = None
    names: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None

    def __post_init__(self):
        x, names = _features(self.x, self.names)
        label, classes = _labels(self.label, self.classes, len(x))
        weight = _weights(self.weight, len(x))
        for field, value in (("x", x), ("label", label), ("weight", weight)):
            if value is not None:
                value.flags.writeable = False
            object.__setattr__(self, field, value)
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "classes", classes)

    @property
    def n(self) -> int:
        """The number of rows."""
        return self.x.shape[0]

    @property
    def d(self) -> int:
        """The number of features."""
        return self.x.shape[1]

    @cached_property
    def missing(self) -> bool:
        """Whether any cell is missing."""
        return bool(np.isnan(self.x).any())

    @property
    def row_weight(self) -> np.ndarray:
        """The row weights `(n,)`, ones when none were given."""
        return np.ones(self.n) if self.weight is None else self.weight

    @cached_property
    def kind_of_labels(self) -> str:
        """`"none"`, `"some"`, `"all"` (rows with a known label) or `"soft"` (probabilities)."""
        if self.label is None:
            return "none"
        if self.label.ndim == 2:
            return "soft"
        known = self.label >= 0
        return "all" if known.all() else "some" if known.any() else "none"

    @property
    def is_labelled(self) -> bool:
        """Whether any row says something about its component."""
        return self.kind_of_labels != "none"

    def take(self, rows) -> Data:
        """The `Data` of these rows: integers (repeats allowed), a boolean mask or a slice."""
        rows = np.atleast_1d(np.arange(self.n)[rows])
        label, weight = (None if a is None else a[rows] for a in (self.label, self.weight))
        return Data(self.x[rows], label, weight, self.names, self.classes)

    def keep_labels(self, rows) -> Data:
        """The same rows with the labels of these alone (integers, a mask or a slice); the others become unknown.

        >>> Data([3.6, 1.8, 4.5], label=["long", "short", "long"]).keep_labels([0, 1]).label
        array([ 0,  1, -1])
        """
        if self.label is None:
            raise InputError("keep_labels(rows): these data have no labels to keep.")
        kept = np.zeros(self.n, dtype=bool)
        kept[rows] = True
        if not kept.any():
            return Data(self.x, None, self.weight, self.names)
        every = kept[:, None] if self.label.ndim == 2 else kept
        unknown = 1.0 if self.label.ndim == 2 else -1
        return Data(self.x, np.where(every, self.label, unknown), self.weight, self.names, self.classes)

    def standardised(self) -> Data:
        """The same rows with each column less its mean and divided by its standard deviation (divisor n).

        Missing cells stay missing and are left out of both; rows count by their weights.

        Raises:
            InputError: a column has one value only.

        >>> Data([1.0, 3.0]).standardised().x.ravel()
        array([-1.,  1.])
        """
        here, counts = ~np.isnan(self.x), self.row_weight[:, None] > 0
        low = np.where(here & counts, self.x, np.inf).min(axis=0)
        high = np.where(here & counts, self.x, -np.inf).max(axis=0)
        if not (low < high).all():
            name = self.names[int((low < high).argmin())]
            raise InputError(f'standardised(): column "{name}" has one value only and so no scale; leave it out.')
        share = self.row_weight[:, None] * here
        share = share / share.sum(axis=0)
        x = self.x - (share * np.where(here, self.x, 0.0)).sum(axis=0)
        sd = np.sqrt((share * np.where(here, x, 0.0) ** 2).sum(axis=0))
        return Data(x / sd, self.label, self.weight, self.names, self.classes)

    def to_frame(self):
        """A pandas DataFrame of the features alone, one column per name."""
        import pandas as pd

        return pd.DataFrame(self.x, columns=list(self.names), copy=True)

    @property
    def summary(self) -> str:
        """The numbers of rows and features, the features' names, and what else there is, in words."""
        shown = ", ".join(self.names[:6]) + (", ..." if self.d > 6 else "")
        rows = f"{self.n} row{'s' * (self.n > 1)}, {self.d} feature{'s' * (self.d > 1)}: {shown}"
        facts = [rows, f"labels: {self.kind_of_labels}"]
        facts += ["weighted"] * (self.weight is not None) + ["with missing cells"] * self.missing
        return "; ".join(facts)

    def __repr__(self):
        return f"Data({self.summary})"

    def __reduce__(self):  # NumPy forgets read-only flags in a pickle; the constructor sets them again
        return Data, (self.x, self.label, self.weight, self.names, self.classes)


def _features(x, names) -> tuple[np.ndarray, tuple[str, ...]]:
    """`x (n, d)` as a fresh float64 array, and the d names."""
    if hasattr(x, "columns"):
        found = tuple(str(c) for c in x.columns)
        _distinct(found, "the columns of x")  # before x[c], which would return both
        cells = [_array(x[c], f'column "{c}" of x') for c in x.columns]
        n = len(x)
    else:
        values = _array(x, "x")
        if values.ndim not in (1, 2):
            raise InputError(
                f"x must have one or two dimensions, (n,) or (n, d), but what came has {values.ndim}; "
                "reshape it, or use read_data to read a file."
            )
        name = getattr(x, "name", None)
        found = (name,) if values.ndim == 1 and isinstance(name, str) else None
        n, cells = len(values), (values[:, None] if values.ndim == 1 else values).T
    if n == 0 or len(cells) == 0:
        what = "rows" if n == 0 else "columns"
        raise InputError(f"x must hold at least one row and one column, but it has no {what}; give it some data.")

    names = _names(names, "names") or found or tuple(f"x{j}" for j in range(len(cells)))
    if len(names) != len(cells):
        raise InputError(
            f"names must hold one name for each of the {len(cells)} columns of x, but {len(names)} came; "
            "give as many names, or leave names out."
        )
    columns = [_numbers(c, f'column "{name}" of x') for c, name in zip(cells, names, strict=True)]
    x = np.column_stack(columns)

    wrong = np.abs(x) > LARGEST  # NaN is not
    if wrong.any():
        i, j = np.argwhere(wrong)[0]
        raise InputError(
            f'column "{names[j]}" of x must hold finite numbers (up to {LARGEST:g}, so that squares are finite), or '
            f"NaN where a cell is missing, but {_row(i)} holds {x[i, j]:g}; correct it, or write NaN."
        )
    return x, names


def _labels(label, classes, n) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """`label` as None, codes `(n,)` or probabilities `(n, C)`, fresh, and the class names."""
    classes = _names(classes, "classes")
    if label is None:
        return None, classes
    if hasattr(label, "columns"):
        classes = classes or _names(label.columns, "the columns of label")
        label = np.column_stack([_numbers(label[c], f'column "{c}" of label') for c in label.columns])
    values = _array(label, "label")
    if values.ndim not in (1, 2) or len(values) != n:
        raise InputError(
            f"label must be one value for each of the {n} rows, (n,), or their probabilities, (n, C), "
            f"but its shape is {values.shape}; give as many labels as rows, unknown ones as -1 or blank."
        )
    if values.ndim == 2:
        return _soft_labels(values, classes), classes
    if values.dtype.kind not in "biuf":
        values = values.astype(object)
        unknown = np.array([_is_blank(v) for v in values], dtype=bool)
        if all(isinstance(v, str) for v in values[~unknown]):
            return _named_labels(values, unknown, classes)
    return _coded_labels(_numbers(values, "label"), classes), classes


def _named_labels(values, unknown, classes) -> tuple[np.ndarray, tuple[str, ...]]:
    classes = classes or tuple(sorted({str(v) for v in values[~unknown]}))
    code = {name: k for k, name in enumerate(classes)}
    for i in np.flatnonzero(~unknown):
        if values[i] not in code:
            raise InputError(
                f'label must name one of the classes {_listed(classes)}, but {_row(i)} holds "{values[i]}"; '
                "correct it, or add it to classes."
            )
    codes = [-1 if u else code[v] for v, u in zip(values, unknown, strict=True)]
    return np.array(codes, dtype=np.int64), classes


def _coded_labels(values, classes) -> np.ndarray:
    values = np.where(np.isnan(values), -1.0, values)
    wrong = (values < -1) | (values != np.floor(values)) | (values > 2.0**53)
    if wrong.any():
        i = wrong.argmax()
        raise InputError(
            f"label must hold whole numbers from 0, with -1 where it is unknown, but {_row(i)} holds "
            f"{values[i]:g}; number the components from 0, or give class names."
        )
    if classes and values.max() >= len(classes):
        i = values.argmax()
        raise InputError(
            f"label must lie below {len(classes)}, the number of classes, but {_row(i)} holds {values[i]:g}; "
            "correct it, or name that class too."
        )
    return values.astype(np.int64)


def _soft_labels(values, classes) -> np.ndarray:
    columns = [_numbers(c, f"column {j} of label") for j, c in enumerate(values.T)]
    if not columns:
        raise InputError("label must have a column for each component, but it has none; leave it out instead.")
    values = np.column_stack(columns)
    wrong = ~(np.isfinite(values) & (values >= 0))
    if wrong.any():
        i, j = np.argwhere(wrong)[0]
        raise InputError(
            f"label as an (n, C) array must hold p(reported label | component), finite and not negative, "
            f"but {_row(i)}, column {j} holds {values[i, j]:g}; give an unlabelled row a one in every column."
        )
    excluded = ~(values > 0).any(axis=1)
    if excluded.any():
        raise InputError(
            f"label as an (n, C) array must leave every row some component, but {_row(excluded.argmax())} is "
            "all zero; give an unlabelled row a one in every column, or pass one label per row as (n,)."
        )
    if classes and len(classes) != values.shape[1]:
        raise InputError(
            f"classes must hold one name for each of the {values.shape[1]} columns of label, "
            f"but {len(classes)} came; give as many names, or leave classes out."
        )
    return values


def _weights(weight, n) -> np.ndarray | None:
    """`weight (n,)` as a fresh float64 array, or None."""
    if weight is None:
        return None
    values = _array(weight, "weight")
    if values.shape != (n,):
        raise InputError(
            f"weight must be one number for each of the {n} rows, but its shape is {values.shape}; "
            "give as many weights as rows, or leave it out to count every row once."
        )
    values = _numbers(values, "weight")
    wrong = ~(np.isfinite(values) & (values >= 0))
    if wrong.any():
        i = wrong.argmax()
        raise InputError(
            f"weight must hold finite numbers that are not negative, but {_row(i)} holds {values[i]:g}; "
            "correct it, or use 0 to leave the row out."
        )
    if not values.any():
        raise InputError("weight must be positive for some row, but all of it is zero; leave it out or correct it.")
    return values


def _array(values, what) -> np.ndarray:
    """`values` as an array, masked cells as missing."""
    if isinstance(values, np.ma.MaskedArray):
        numeric = values.dtype.kind in "biuf"
        return values.astype(float).filled(np.nan) if numeric else values.astype(object).filled(None)
    try:
        array = np.asarray(values)
        if array.dtype.kind == "U" and not hasattr(values, "dtype"):
            return np.asarray(values, dtype=object)  # in a list of words NumPy would turn NaN into "nan"
        return array
    except ValueError as error:
        raise InputError(f"{what} must be a table, but its rows differ in length; make them equally long.") from error


def _numbers(values, what) -> np.ndarray:
    """A column as a fresh float64 array `(n,)`; None and blanks become NaN."""
    values = _array(values, what)
    if values.dtype.kind in "biuf":
        return values.astype(np.float64)
    if values.dtype.kind in "cmMV":
        raise InputError(f"{what} must hold real numbers, but it holds {values.dtype}; convert it or leave it out.")
    numbers = np.empty(len(values))
    for i, value in enumerate(values):
        try:
            numbers[i] = np.nan if _is_blank(value) else float(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(
                f"{what} must hold numbers, but {_row(i)} holds {value!r}; "
                "correct it, leave it blank if it is missing, or leave that column out."
            ) from error
    return numbers


def _is_blank(value) -> bool:
    """Whether a cell says nothing: None, NaN, pandas' NA and NaT, or empty text."""
    if isinstance(value, (str, bytes)):
        return not value.strip()
    return value is None or type(value).__name__ in ("NAType", "NaTType") or bool(value != value)


def _names(names, what) -> tuple[str, ...]:
    if names is None:
        return ()
    names = (names,) if isinstance(names, str) else tuple(str(name) for name in names)
    _distinct(names, what)
    return names


def _distinct(names, what):
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f'{what} must all differ, but "{twice}" is there twice; rename one of them.')


def _listed(names) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _row(i) -> str:
    return f"row {int(i)} (counted from 0)"

"""Rows that do not fit into memory: read again and again, a chunk at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bayesmix.data.data import Data
from bayesmix.data.frames import from_frame
from bayesmix.data.readers import parquet_file, read_data
from bayesmix.errors import InputError

CELLS = 2**19  # numbers in a chunk that is cut here (4 MiB)
SAMPLE = 10_000  # rows that a fit keeps of data it cannot hold
OF_EACH_CLASS = 100  # labelled rows of each class that the sample holds at least, where there are as many


class Chunks:
    """A table in pieces, each a `Data`; every loop over it reads the source anew.

    Args:
        source: a list of tables (arrays `(m, d)`, DataFrames or `Data`); anything else that can be looped
            over more than once and yields tables; a function or class without arguments that returns such a
            loop; a memory-mapped array; or the path of a Parquet file.
        rows: the number of rows of a chunk, for arrays and Parquet files (others come in pieces already).
        columns: the features, by name, for DataFrames and Parquet files; left out, all that hold numbers
            except the label's and the weight's.
        label, weight: the names of these columns there. In `Data` chunks they are part of the chunk.

    Raises:
        InputError: the source can be read only once, or a chunk cannot be used; the message names the chunk,
            counted from 0, and within it the row.

    >>> chunks = Chunks([np.zeros((3, 2)), np.ones((2, 2))])
    >>> [chunk.n for chunk in chunks], [chunk.n for chunk in chunks]
    ([3, 2], [3, 2])
    """

    def __init__(self, source, rows=None, columns=None, label=None, weight=None):
        if hasattr(source, "__next__"):
            raise InputError(
                f"data: a {type(source).__name__} can be read only once, and fitting reads the rows many times; give a "
                "list of chunks, a function that returns a new iterator, or an object with __iter__."
            )
        if rows is not None and (isinstance(rows, bool) or not isinstance(rows, int | np.integer) or rows < 1):
            raise InputError(f"Chunks(rows=...): expected a whole number of at least 1, got {rows!r}.")
        if isinstance(source, str | Path) and not str(source).endswith(".parquet"):
            raise InputError(f"{source}: only Parquet files are read in chunks; use bm.read_data, or give the chunks.")
        self.source, self.rows, self.label, self.weight = source, rows, label, weight
        self.columns = [columns] if isinstance(columns, str) else columns

    def __iter__(self):
        first = None
        for i, table in enumerate(self._tables()):
            try:
                chunk = self._data(table)
            except InputError as error:
                raise InputError(f"chunk {i} (counted from 0): {error}") from error.__cause__
            first = first or chunk
            if chunk.names != first.names or chunk.d != first.d:
                raise InputError(
                    f"chunk {i} (counted from 0): expected the columns {list(first.names)} as in chunk 0, got "
                    f"{list(chunk.names)}; make all chunks alike."
                )
            yield chunk
        if first is None:
            raise InputError("data: expected at least one chunk, got none; give it some data.")

    def _tables(self):
        if isinstance(self.source, str | Path):
            yield from parquet_file(self.source, self.columns, self.label, self.weight, self.rows, CELLS)
        elif isinstance(self.source, np.ndarray):
            array = self.source if self.source.ndim == 2 else self.source[:, None]
            step = self.rows or max(1, CELLS // array.shape[1])
            for at in range(0, len(array), step):
                yield np.asarray(array[at : at + step])
        else:
            source = self.source() if callable(self.source) else self.source
            if not hasattr(source, "__iter__"):
                raise InputError(f"data: expected chunks to loop over, got {type(source).__name__}.")
            yield from source

    def _data(self, table):
        if isinstance(table, Data):
            return table
        if hasattr(table, "columns") and (self.columns or self.label or self.weight):
            others = [name for name in table.columns if name not in (self.label, self.weight)]
            return from_frame(table, self.columns or others, self.label, self.weight)
        return Data(table)


def opened(data):
    """What `fit_em` was given, as a `Data` (rows in memory) or as `Chunks`."""
    if isinstance(data, Data | Chunks):
        return data
    if isinstance(data, str | Path):
        return Chunks(data) if str(data).endswith(".parquet") else read_data(data)
    if isinstance(data, np.memmap) or hasattr(data, "__next__"):
        return Chunks(data)
    table = hasattr(data, "__array__") or hasattr(data, "columns")
    if isinstance(data, type) or (callable(data) and not table):
        return Chunks(data)
    if isinstance(data, list | tuple) and len(data) and all(map(_is_table, data)):
        return Chunks(data)
    if hasattr(data, "__iter__") and not table and not isinstance(data, Sequence | dict):
        return Chunks(data)
    return Data(data)


def _is_table(value):
    return isinstance(value, Data) or hasattr(value, "columns") or (isinstance(value, np.ndarray) and value.ndim == 2)


@dataclass(frozen=True)
class Moments:
    """Per column, of the observed cells: how many, mean, standard deviation, least, greatest, and of their logarithms.

    log_mean and log_sd are NaN for a column that is not positive throughout.
    """

    count: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    low: np.ndarray
    high: np.ndarray
    log_mean: np.ndarray
    log_sd: np.ndarray

    @classmethod
    def of(cls, x):
        """The moments of x (n, d)."""
        seen = ~np.isnan(x)
        count = seen.sum(axis=0)
        mean, sd = _mean_sd(x, seen, count)
        low = np.where(seen, x, np.inf).min(axis=0, initial=np.inf)
        high = np.where(seen, x, -np.inf).max(axis=0, initial=-np.inf)
        log = np.log(np.where(seen & (low > 0), x, 1.0))
        log_mean, log_sd = (np.where(low > 0, v, np.nan) for v in _mean_sd(log, seen, count))
        return cls(count, mean, sd, low, high, log_mean, log_sd)

    def join(self, other):
        """The moments of both sets of rows together (Chan, Golub & LeVeque 1983)."""
        n = self.count + other.count
        share = other.count / np.maximum(n, 1)
        means = []
        for a, b, sa, sb in (
            (self.mean, other.mean, self.sd, other.sd),
            (self.log_mean, other.log_mean, self.log_sd, other.log_sd),
        ):
            gap = np.where(self.count == 0, 0.0, np.where(other.count == 0, 0.0, b - a))
            a, b = np.where(self.count == 0, b, a), np.where(other.count == 0, a, b)
            sa, sb = np.where(self.count == 0, sb, sa), np.where(other.count == 0, sa, sb)
            spread = (1 - share) * sa**2 + share * sb**2 + share * (1 - share) * gap**2
            means += [a + share * gap, np.sqrt(spread)]
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        return Moments(n, means[0], means[1], low, high, means[2], means[3])


def _mean_sd(x, seen, count):
    n = np.maximum(count, 1)
    mean = np.where(seen, x, 0.0).sum(axis=0) / n
    return mean, np.sqrt((np.where(seen, x - mean, 0.0) ** 2).sum(axis=0) / n)


@dataclass(frozen=True)
class Survey:
    """What one pass over all rows tells of them.

    n: rows. weight: the sum of the row weights. origin: (d,) weighted column means. sample: a `Data` of at most
    SAMPLE rows drawn at random with a fixed seed, plus some labelled rows of each class; all rows, in order, where
    they are no more.
    """

    n: int
    weight: float
    origin: np.ndarray
    moments: Moments
    sample: Data
    classes: tuple

    @property
    def whole(self):
        """Whether the sample is all the data."""
        return self.n == self.sample.n


def survey(chunks, look=None):
    """The `Survey` of a `Chunks`; `look(chunk)` is called with every chunk on the way."""
    rng = np.random.default_rng(0)
    n, weight, moments, top, total, classes, weighted, kept = 0, 0.0, None, 0.0, 0.0, set(), False, Reservoir()
    for i, chunk in enumerate(chunks):
        if look is not None:
            try:
                look(chunk)
            except InputError as error:
                raise InputError(f"chunk {i} (counted from 0): {error}") from error.__cause__
        here, w = Moments.of(chunk.x), chunk.row_weight
        moments = here if moments is None else moments.join(here)
        seen = ~np.isnan(chunk.x)
        top, total = top + w @ np.where(seen, chunk.x, 0.0), total + w @ seen
        n, weight = n + chunk.n, weight + w.sum()
        weighted |= chunk.weight is not None
        classes |= set(chunk.classes)
        kept.see(chunk, n - chunk.n, rng.random(chunk.n))
    sample = kept.data(tuple(sorted(classes)), weighted)
    origin = np.where(total > 0, top / np.where(total > 0, total, 1.0), 0.0)
    return Survey(n, float(weight), origin, moments, sample, tuple(sorted(classes)))


class Reservoir:
    """The rows with the smallest of their random numbers, whatever the chunks they came in."""

    def __init__(self):
        self.kept = []  # (ticket (m,), index (m,), Data)

    def see(self, chunk, at, ticket):
        """Take in a chunk whose first row is row `at`, with one uniform number for each row."""
        self.kept.append((ticket, at + np.arange(chunk.n), chunk))
        if sum(len(t) for t, _, _ in self.kept) > 2 * SAMPLE:
            self._prune()

    def _prune(self):
        ticket, name = np.concatenate([t for t, _, _ in self.kept]), self._names()
        keep = np.zeros(len(ticket), dtype=bool)
        keep[np.argsort(ticket, kind="stable")[:SAMPLE]] = True
        for code in set(name) - {""}:
            own = np.flatnonzero(name == code)
            keep[own[np.argsort(ticket[own], kind="stable")[:OF_EACH_CLASS]]] = True
        at, out = 0, []
        for t, index, chunk in self.kept:
            rows = np.flatnonzero(keep[at : at + len(t)])
            at += len(t)
            if len(rows):
                out.append((t[rows], index[rows], chunk.take(rows)))
        self.kept = out

    def _names(self):
        """(m,) the class of each row as text, "" where it is unknown or soft."""
        return np.concatenate([class_names(chunk) for _, _, chunk in self.kept])

    def data(self, classes, weighted):
        """The kept rows in their order, as one `Data`."""
        if sum(len(t) for t, _, _ in self.kept) > SAMPLE:
            self._prune()
        parts = [recoded(chunk, classes) for _, _, chunk in self.kept]
        labels = [part.label for part in parts]
        label = None
        if any(a is not None and a.ndim == 2 for a in labels):
            if any(a is None or a.ndim != 2 for a in labels):
                raise InputError("data: some chunks have soft labels and others do not; give (n, C) arrays to all.")
            label = np.concatenate(labels)
        elif any(a is not None for a in labels):
            label = np.concatenate([np.full(p.n, -1) if p.label is None else p.label for p in parts])
        weight = np.concatenate([p.row_weight for p in parts]) if weighted else None
        return Data(np.concatenate([p.x for p in parts]), label, weight, parts[0].names, classes or None)


def class_names(chunk):
    """(m,) the class of each row as text, "" where it is unknown or soft."""
    if chunk.label is None or chunk.label.ndim == 2:
        return np.full(chunk.n, "", dtype=object)
    names = np.array([*(chunk.classes or map(str, range(int(chunk.label.max(initial=0)) + 1))), ""], dtype=object)
    return names[chunk.label]


def recoded(chunk, classes):
    """The chunk with its labels as codes into `classes`, those of all chunks."""
    if chunk.label is None or chunk.label.ndim == 2 or chunk.classes == classes:
        return chunk
    if not chunk.classes:
        if (chunk.label >= 0).any():
            raise InputError("data: some chunks have class names and others class numbers; give all of them names.")
        codes = np.array([-1])
    else:
        codes = np.array([*(classes.index(name) for name in chunk.classes), -1])
    return Data(chunk.x, codes[chunk.label], chunk.weight, chunk.names, classes)

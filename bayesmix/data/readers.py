"""`Data` from files: CSV, Parquet, NPZ and IDX (MNIST's format)."""

from __future__ import annotations

import difflib
import gzip
import io
import math
import zlib
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from bayesmix.data.data import Data
from bayesmix.errors import InputError


def read_data(
    path: str | Path,
    columns: str | Sequence[str] | None = None,
    label: str | None = None,
    weight: str | None = None,
) -> Data:
    """The `Data` in a file; its ending says the format, and each may be gzipped (`.gz`).

    * `.csv`, `.tsv`: a header line, then one line per row; blank cells and `NA` are missing.
    * `.parquet`: a table.
    * `.npz`: arrays `x` and, where present, `label`, `weight` and `names`.
    * `.idx`, `-ubyte`: MNIST's format; images `(n, rows, cols)` become `(n, rows · cols)`.

    Args:
        path: the file.
        columns: the features, by name. Left out: every column that holds numbers, except the label's, the
            weight's and those without a heading (row names).
        label: the label's column (NPZ: the array's name; IDX: the path of the file of labels).
        weight: the row weights' column (NPZ: the array's name).

    Raises:
        InputError: if the file is missing, empty or not in its format, a column is missing or not numeric, or a
            row has nothing in it; and for all that `Data` refuses. Rows are counted from 0, after the header.
    """
    path = Path(path)
    reader = next((r for end, r in READERS.items() if path.name.removesuffix(".gz").endswith(end)), None)
    if reader is None:
        raise InputError(f"{path}: the file must end in {', '.join(READERS)} (.gz may follow); rename or convert it.")
    columns = [columns] if isinstance(columns, str) else columns
    with _open(path) as file:
        data = reader(file, columns, label, weight)
        empty = np.isnan(data.x).all(axis=1)
        if empty.any():
            raise InputError(
                f"all cells of row {int(empty.argmax())} (counted from 0, after the header) are missing; leave that "
                "row out of the file."
            )
        return data


@contextmanager
def _open(path: Path):
    """The open file, unzipped; every error met while it is read becomes a sentence that names it."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            if not file.read(1):
                raise InputError("the file is empty; it must hold at least one row.")
            file.seek(0)
            yield file
    except InputError as error:
        raise InputError(f"{path}: {error}") from error.__cause__
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file; check the path and the working directory.") from error
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: the file cannot be read ({reason}); check what it is.") from error


SMALL = 4 * 2**20  # bytes of a table up to which importing pandas takes longer than reading it


def _numbers(file, separator):
    """(names, x) of a small table that holds nothing but finite numbers, else None."""
    content = file.read(SMALL + 1)
    file.seek(0)
    head, _, body = content.partition(b"\n")
    if len(content) > SMALL or not body.strip() or b'"' in content or not head.isascii():
        return None
    names = [name.lstrip(" ") for name in head.decode().rstrip("\r").split(separator)]
    try:
        x = np.loadtxt(io.BytesIO(body), delimiter=separator, comments=None, ndmin=2)
    except ValueError:
        return None
    strange = any(not name.strip() or name.startswith("Unnamed: ") or _is_number(name) for name in names)
    whole = x.shape[1] == len(names) == len(set(names)) and np.isfinite(x).all()
    return (names, x) if whole and not strange else None


def _read_csv(file, columns, label, weight, separator=",") -> Data:
    found = _numbers(file, separator) if label is None and weight is None and columns != [] else None
    if found is not None:
        names, x = found
        return _choose(Data(x, names=names), columns)
    import pandas as pd

    form = {"sep": separator, "skipinitialspace": True}
    try:
        header = pd.read_csv(file, header=None, nrows=1, dtype=str, **form).iloc[0].dropna().tolist()
        file.seek(0)
        frame = pd.read_csv(file, low_memory=False, **form)
    except ValueError as error:
        reason = str(error).strip().rstrip(".")
        raise InputError(f"the file cannot be read as a table ({reason}); check its lines and separators.") from error
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:  # pandas would silently rename the second one
        raise InputError(f'the columns must all differ, but "{twice}" is there twice; rename one of them.')
    if header and all(_is_number(name) for name in header):
        raise InputError(f"the first line must name the columns, but it is {', '.join(header)}; add a header line.")
    return from_frame(frame, columns, label, weight)


def _read_tsv(file, columns, label, weight) -> Data:
    return _read_csv(file, columns, label, weight, separator="\t")


def _read_parquet(file, columns, label, weight) -> Data:
    try:
        import pyarrow
    except ImportError as error:
        raise InputError("reading Parquet needs the package pyarrow; install it with `pip install pyarrow`.") from error
    import pandas as pd

    try:
        frame = pd.read_parquet(file, engine="pyarrow")
    except (ValueError, pyarrow.ArrowException) as error:
        raise InputError("the file cannot be read as Parquet; check what it is.") from error
    return from_frame(frame, columns, label, weight)


def parquet_file(path, columns, label, weight, rows, cells):
    """DataFrames of a Parquet file, `rows` rows each (left out, as many as hold about `cells` numbers)."""
    path = Path(path)
    with _open(path):  # its errors, as sentences
        pass
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError("reading Parquet needs the package pyarrow; install it with `pip install pyarrow`.") from error
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            if columns is None:
                kinds = pyarrow.types
                number = (kinds.is_integer, kinds.is_floating, kinds.is_boolean, kinds.is_decimal)
                columns = [f.name for f in schema if any(k(f.type) for k in number) and f.name not in (label, weight)]
            for argument, wanted in (("columns", columns), ("label", [label]), ("weight", [weight])):
                for name in wanted:
                    if name is not None and name not in schema.names:
                        raise InputError(f"{path}: {_no_such(argument, name, schema.names)}")
            if not columns:
                raise InputError(f"{path}: some column must hold numbers, but none of {_listed(schema.names)} does.")
            wanted = [*columns, *(name for name in (label, weight) if name is not None and name not in columns)]
            for batch in file.iter_batches(batch_size=rows or max(1, cells // len(wanted)), columns=wanted):
                frame = batch.to_pandas()
                extra = frame[[name for name in wanted if name not in columns]]
                yield extra.join(frame[columns].astype(np.float64))
    except pyarrow.ArrowException as error:
        raise InputError(f"{path}: the file cannot be read as Parquet; check what it is.") from error


def from_frame(frame, columns, label, weight) -> Data:
    """The `Data` in a DataFrame whose columns are features, the label and the weight."""
    frame = frame.rename(columns=str)
    for argument, wanted in (("columns", columns or ()), ("label", [label]), ("weight", [weight])):
        for name in wanted:
            if name is not None and name not in frame.columns:
                raise _no_such(argument, name, frame.columns)
    if len(frame) == 0:
        raise InputError("the file must hold at least one row, but there is only a header; give it some data.")
    if columns is None:
        others = [name for name in frame.columns if name not in (label, weight)]
        columns = [name for name in others if not name.startswith("Unnamed: ") and _has_numbers(frame[name])]
    if not columns:
        raise InputError(
            f"some column must hold numbers, but none of {_listed(frame.columns)} does; check the separator."
        )
    given = {argument: frame[name] for argument, name in (("label", label), ("weight", weight)) if name is not None}
    return Data(frame[list(columns)], **given)


def _read_npz(file, columns, label, weight) -> Data:
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = dict(archive)
    except Exception as error:  # NumPy raises half a dozen kinds here
        raise InputError("the file cannot be read as NPZ; write it with numpy.savez, without objects.") from error
    for argument, name in (("x", "x"), ("label", label), ("weight", weight)):
        if name is not None and name not in arrays:
            raise _no_such(argument, name, arrays)
    data = Data(arrays["x"], arrays.get(label or "label"), arrays.get(weight or "weight"), arrays.get("names"))
    return _choose(data, columns)


IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def _read_idx(file, columns, label, weight) -> Data:
    if weight is not None:
        raise InputError("weight must be left out for an IDX file, which has none; pass it to Data instead.")
    x, known = _idx_array(file), None
    if label is not None:
        with _open(Path(label)) as labels:
            known = _idx_array(labels)
    return _choose(Data(x.reshape(len(x), math.prod(x.shape[1:])), label=known), columns)


def _idx_array(file) -> np.ndarray:
    """The array of an IDX file: 0, 0, type, number of dimensions; the dimensions (big-endian); the values."""
    content = file.read()
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in IDX_TYPES or content[3] == 0:
        raise InputError(
            "the file cannot be read as IDX: its first four bytes are not that format's; check what it is."
        )
    dtype, start = np.dtype(IDX_TYPES[content[2]]), 4 + 4 * content[3]
    shape = np.frombuffer(content[4:start].ljust(4 * content[3], b"\0"), dtype=">i4").tolist()
    expected = math.prod(shape) * dtype.itemsize
    if len(content) - start != expected:
        raise InputError(
            f"the file must hold {expected} bytes of values, but {max(0, len(content) - start)} came; "
            "it may have been cut short, so fetch it again."
        )
    return np.frombuffer(content, dtype, offset=start).reshape(shape)


def _choose(data: Data, columns) -> Data:
    if columns is None:
        return data
    for name in columns:
        if name not in data.names:
            raise _no_such("columns", name, data.names)
    x = data.x[:, [data.names.index(name) for name in columns]]
    return Data(x, data.label, data.weight, columns, data.classes)


READERS = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".parquet": _read_parquet,
    ".npz": _read_npz,
    ".idx": _read_idx,
    "-ubyte": _read_idx,
}


def _has_numbers(column) -> bool:
    """Whether some cell is a number: words among numbers are then an error, never silently left out."""
    known = column.dropna()
    return len(known) > 0 if known.dtype.kind in "biuf" else any(map(_is_number, known))


def _is_number(value) -> bool:
    try:
        return not math.isnan(float(value))
    except (TypeError, ValueError):
        return False


def _no_such(argument: str, name: str, names) -> InputError:
    close = difflib.get_close_matches(str(name), list(names), n=1)
    hint = f'did you mean "{close[0]}"?' if close else "name one of these."
    return InputError(f'{argument} must be in the file, but "{name}" is not; it holds {_listed(names)}: {hint}')


def _listed(names) -> str:
    names = [f'"{name}"' for name in names]
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")

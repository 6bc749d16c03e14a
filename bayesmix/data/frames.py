"""Which columns of a table are features, label and weight, and what is wrong with those that are not."""

import difflib
import math
import re

from bayesmix.data.data import Data
from bayesmix.errors import InputError

COMMA = re.compile(r"[+-]?[\d.,]*\d,\d[\d.,]*%?")


def from_frame(frame, columns, label, weight) -> Data:
    """The `Data` in a DataFrame whose columns are features, the label and the weight."""
    frame = frame.rename(columns=str)
    for argument, wanted in (("columns", columns or ()), ("label", [label]), ("weight", [weight])):
        for name in wanted:
            if name is not None and name not in frame.columns:
                raise no_such(argument, name, frame.columns)
    if len(frame) == 0:
        raise InputError("the file must hold at least one row, but there is only a header; give it some data.")
    if columns is not None and not columns:
        raise InputError("columns must name at least one column; leave it out to take every one that holds numbers.")
    if columns is None:
        others = [name for name in frame.columns if name not in (label, weight)]
        columns = [name for name in others if not name.startswith("Unnamed: ") and has_numbers(frame[name])]
        comma = next((name for name in others if has_commas(frame[name])), None)
        if comma is not None:  # not to be left out as if it held words
            cell = next(v for v in frame[comma].dropna() if COMMA.fullmatch(v.strip()))
            raise InputError(
                f'column "{comma}" holds numbers with commas, such as {cell!r}; write them with a decimal point and '
                "without separators of thousands, or say which columns to read."
            )
    if not columns:
        raise InputError(
            f"some column must hold numbers, but none of {listed(frame.columns)} does; check the separator."
        )
    given = {argument: frame[name] for argument, name in (("label", label), ("weight", weight)) if name is not None}
    return Data(frame[list(columns)], **given)


def choose(data: Data, columns) -> Data:
    if columns is None:
        return data
    for name in columns:
        if name not in data.names:
            raise no_such("columns", name, data.names)
    x = data.x[:, [data.names.index(name) for name in columns]]
    return Data(x, data.label, data.weight, columns, data.classes)


def has_numbers(column) -> bool:
    """Whether some cell is a number: words among numbers are then an error, never silently left out."""
    known = column.dropna()
    return len(known) > 0 if known.dtype.kind in "biuf" else any(map(is_number, known))


def has_commas(column) -> bool:
    """Whether the known cells of a column of words all are numbers but for their commas, as 1,5 or 1,234."""
    known = column.dropna()
    if known.dtype.kind in "biuf" or len(known) == 0:
        return False
    return not all(map(is_number, known)) and all(is_number(v) or COMMA.fullmatch(str(v).strip()) for v in known)


def is_number(value) -> bool:
    try:
        return not math.isnan(float(value))
    except (TypeError, ValueError):
        return False


def no_such(argument: str, name: str, names) -> InputError:
    close = difflib.get_close_matches(str(name), list(names), n=1)
    hint = f'did you mean "{close[0]}"?' if close else "name one of these."
    return InputError(f'{argument} must be in the file, but "{name}" is not; it holds {listed(names)}: {hint}')


def listed(names) -> str:
    names = [f'"{name}"' for name in names]
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")

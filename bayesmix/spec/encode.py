"""A specification as plain JSON values, and back."""

from dataclasses import fields

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec.constraints import Constraint
from bayesmix.spec.families.base import Family
from bayesmix.spec.families.composite import Composite
from bayesmix.spec.mixture import Mixture
from bayesmix.spec.priors import Prior


def encode(value):
    """Numbers, strings, lists and dicts that say the same as a Mixture (or any part of one)."""
    if isinstance(value, Mixture | Family | Prior | Constraint):
        return {"type": type(value).__name__} | {f.name: encode(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, tuple | list):
        return [encode(v) for v in value]
    return value


def decode(value):
    """The object that `encode` wrote. Raises InputError if its class has not been imported."""
    if isinstance(value, dict):
        kinds = _kinds()
        if value["type"] not in kinds:
            raise InputError(
                f"the saved model uses {value['type']!r}, which is not known here; import the module that defines it."
            )
        given = {name: decode(v) for name, v in value.items() if name != "type"}
        cls = kinds[value["type"]]
        return cls(given["members"]) if issubclass(cls, Composite) else cls(**given)
    if isinstance(value, list):
        parts = [decode(v) for v in value]
        return tuple(parts) if any(isinstance(p, Constraint) for p in parts) else parts
    return value


def _kinds():
    found, queue = {"Mixture": Mixture}, [Family, Prior, Constraint]
    while queue:
        cls = queue.pop()
        queue.extend(cls.__subclasses__())
        found[cls.__name__] = cls
    return found

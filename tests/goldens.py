"""The golden numbers under tests/golden (its README says where each comes from)."""

import json
from functools import cache
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent / "golden"


@cache
def read_golden(name):
    """The JSON file `tests/golden/<name>.json`, or the CSV of that name as an (n, columns) array."""
    path = GOLDEN / f"{name}.json"
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    return np.loadtxt(GOLDEN / f"{name}.csv", delimiter=",", skiprows=1)

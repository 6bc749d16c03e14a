"""A folder that a comparison writes as it goes, so that the same call again computes only what is missing.

select.json                     what was asked
<candidate>/em.nc, mcmc.nc      its fits
<candidate>/rows.npz            the terms of the criteria that are sums over rows
<candidate>/record.json         its verdict and cells; written last, it makes the candidate finished
test_K.npy                      simulated statistics of K against K + 1 components
"""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bayesmix.errors import InputError
from bayesmix.mcmc.checkpoint import fingerprint
from bayesmix.selection.criteria import Cell
from bayesmix.selection.examine import Record
from bayesmix.selection.groups import Groups
from bayesmix.store import load

FORMAT = 3
MAY_DIFFER = ("sampler", "seed", "bootstrap")  # between the calls that share a folder: see `Kept.open`


@dataclass(frozen=True)
class Kept:
    """An open folder. asked: the arguments, with the seed of the first call."""

    path: Path
    asked: dict
    data: str

    @classmethod
    def open(cls, path, asked, data):
        """The folder of a comparison, begun there if there is none.

        Candidates may be added from call to call; the arguments that their numbers depend on must stay. Raises
        InputError if the folder holds something else.
        """
        path, data = Path(path), fingerprint(data)
        said = f"select(folder={str(path)!r})"
        if not (path / "select.json").exists():
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                raise InputError(f"{said}: expected a new or empty folder, but it holds other files.")
            return cls(path, asked, data)
        try:
            known = json.loads((path / "select.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{said}: its select.json cannot be read ({error}); give a new folder.") from None
        if known.get("format") != FORMAT:
            raise InputError(f"{said}: it was written by another version of bayesmix; give a new folder.")
        for name, value in asked.items():
            if name not in MAY_DIFFER and known["asked"].get(name) != value:
                raise InputError(
                    f"{said}: the folder holds a comparison with {name}={known['asked'].get(name)!r}; give a new "
                    "folder, or that value."
                )
        if asked["seed"] not in (None, known["asked"]["seed"]):
            raise InputError(
                f"{said}: the folder holds a comparison with seed={known['asked']['seed']}; give a new folder."
            )
        if known["data"] != data:
            raise InputError(f"{said}: the folder holds a comparison of other data; give a new folder.")
        return cls(path, asked | {"seed": known["asked"]["seed"]}, data)

    def begin(self, asked):
        """Write what was asked."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            said = {"format": FORMAT, "asked": asked, "data": self.data}
            write(self.path / "select.json", json.dumps(said, indent=1))
        except OSError as error:
            raise InputError(
                f"select(folder={str(self.path)!r}): the folder cannot be written ({error.strerror})."
            ) from None

    def place(self, candidate):
        """The candidate's own folder; its model is part of the name, so that another of the same name has its own."""
        name = f"K{candidate.name}" if isinstance(candidate.name, int) else candidate.name
        sampler = self.asked["sampler"].get(str(candidate.name), "em")
        return self.path / f"{re.sub(r'[^A-Za-z0-9]+', '_', name)}-{fingerprint(candidate.model)[:8]}-{sampler}"

    def has(self, candidate):
        """Whether it is finished."""
        return (self.place(candidate) / "record.json").exists()

    def write(self, candidate, record):
        """Store a finished candidate."""
        place = self.place(candidate)
        place.mkdir(exist_ok=True)
        for name in ("em", "mcmc"):
            if getattr(record, name) is not None:
                getattr(record, name).save(place / f"{name}.nc")
        rows = {name: cell.rows for name, cell in record.cells.items() if cell.rows is not None}
        with open(place / "rows.npz", "wb") as file:
            np.savez(file, **rows)
        cells = {name: [cell.value, cell.se, cell.reason] for name, cell in record.cells.items()}
        groups = record.groups and [record.groups.probability.tolist(), record.groups.se.tolist()]
        said = {"verdict": record.verdict, "barred": record.barred, "advice": record.advice,
                "groups": groups, "idle": record.idle, "cells": cells}  # fmt: skip
        write(place / "record.json", json.dumps(said, indent=1))

    def read(self, candidate, data):
        """The stored Record of a finished candidate."""
        place = self.place(candidate)
        try:
            said = json.loads((place / "record.json").read_text(encoding="utf-8"))
            with np.load(place / "rows.npz") as file:
                rows = {name: file[name] for name in file.files}
            fits = {n: load(place / f"{n}.nc") if (place / f"{n}.nc").exists() else None for n in ("em", "mcmc")}
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"select(folder=...): {place} is damaged ({error}); remove it, and it is computed anew."
            ) from None
        cells = {n: Cell(v, se, reason, rows.get(n)) for n, (v, se, reason) in said["cells"].items()}
        return Record(
            candidate.name, candidate.model, fits["em"], fits["mcmc"], said["verdict"], said["barred"], cells,
            said["advice"], said["groups"] and Groups(*map(np.array, said["groups"])), said["idle"],
        )  # fmt: skip

    def _test(self, K):
        return self.path / f"test_{K}_{self.asked['bootstrap']}.npy"

    def simulated(self, K):
        """The stored statistics of K against K + 1, or None."""
        return np.load(self._test(K)) if self._test(K).exists() else None

    def keep_simulated(self, K, values):
        """Store them."""
        part = self._test(K).with_suffix(".part")
        with open(part, "wb") as file:
            np.save(file, values)
        os.replace(part, self._test(K))


def write(path, text):
    """The text in a file, whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)

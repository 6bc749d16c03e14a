"""A folder that a run writes as it goes: what was asked, where the chains start, and each chain as it finishes.

    fit.json     the arguments, the model and what the draws depend on
    data.npz     the data              em.nc    the EM fit, where the chains start from one
    starts.npz   theta of each chain   chain_0.npz, chain_1.npz, ...   finished chains

Every file appears whole or not at all, so a run that is killed at any moment leaves a folder from which the
missing chains, and only those, are run; a chain depends on its own start and seed alone, so the fit is the one that
an uninterrupted run would have given, to the last bit.
"""

import hashlib
import json
import os
import tempfile
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from bayesmix.data.data import Data
from bayesmix.errors import InputError
from bayesmix.mcmc.chains import Chain
from bayesmix.spec.encode import decode, encode
from bayesmix.store import load

FORMAT = 1
LIBRARIES = ("bayesmix", "numpy", "pymc", "pytensor", "nutpie", "numba")  # the draws depend on their versions


@dataclass(frozen=True)
class Checkpoint:
    """An open checkpoint folder."""

    path: Path
    asked: dict  # what fit.json says

    @classmethod
    def open(cls, path, asked, seed):
        """The checkpoint in a folder, begun there if there is none.

        asked: the arguments of the fit in plain values. seed: the one for a new checkpoint where `asked` has None.

        Raises InputError if the folder holds a checkpoint of another fit, or other things, or cannot be written.
        """
        path = Path(path)
        if (path / "fit.json").exists():
            known = read_json(path)
            for name, value in asked.items():
                if name == "seed" and value is None:
                    continue
                if known["asked"].get(name) != value:
                    raise InputError(
                        f"fit_mcmc(checkpoint={str(path)!r}): the folder holds another fit, with {other(name, known)}; "
                        "give a new folder, or the arguments of that fit."
                    )
            return cls(path, known["asked"])
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"fit_mcmc(checkpoint={str(path)!r}): the folder cannot be made ({error}).") from None
        if any(not one.name.endswith(".part") for one in path.iterdir()):
            raise InputError(f"fit_mcmc(checkpoint={str(path)!r}): expected a new or empty folder, but it holds files.")
        return cls(path, {**asked, "seed": seed} if asked["seed"] is None else asked)

    @property
    def begun(self):
        """Whether the starts are known, so that only chains are missing."""
        return (self.path / "fit.json").exists()

    def begin(self, model, data, starts, homes, em):
        """Write everything that the missing chains need; fit.json comes last, and makes it a checkpoint."""
        self._write("data.npz", lambda f: np.savez(f, **arrays_of(data)))
        flat = {f"{c}/{name}": value for c, theta in enumerate(starts) for name, value in theta.items()}
        self._write("starts.npz", lambda f: np.savez(f, **flat))
        if em is not None:
            em.save(self.path / "em.nc")
        said = {
            "format": FORMAT, "asked": self.asked, "model": encode(model), "homes": [int(h) for h in homes],
            "versions": versions(),
        }  # fmt: skip
        self._write("fit.json", lambda f: f.write(json.dumps(said, indent=1).encode()))

    def starts(self):
        """(theta of each chain, the optimum that each belongs to, the EM fit or None)."""
        said, flat, starts = read_json(self.path), self._read("starts.npz"), {}
        for key, value in flat.items():
            chain, name = key.split("/", 1)
            starts.setdefault(int(chain), {})[name] = value
        em = load(self.path / "em.nc") if (self.path / "em.nc").exists() else None
        if said["versions"] != versions():
            old = {n: v for n, v in said["versions"].items() if versions()[n] != v}
            raise InputError(
                f"fit_mcmc(checkpoint={str(self.path)!r}): it was written with other versions "
                f"({', '.join(f'{n} {v}' for n, v in old.items())}), so the missing chains would not be the same; "
                "install those, or begin a new checkpoint."
            )
        return [starts[c] for c in sorted(starts)], said["homes"], em

    def keep(self, number, chain):
        """Write a finished chain."""
        parts = {f"draws/{n}": v for n, v in chain.draws.items()} | {f"stats/{n}": v for n, v in chain.stats.items()}
        self._write(f"chain_{number}.npz", lambda f: np.savez(f, **parts))

    def chains(self):
        """The finished chains by number."""
        out = {}
        for path in self.path.glob("chain_*.npz"):
            parts = self._read(path.name)
            halves = [
                {key.split("/", 1)[1]: v for key, v in parts.items() if key.startswith(half)}
                for half in ("draws/", "stats/")
            ]
            out[int(path.stem.split("_")[1])] = Chain(*halves)
        return out

    def _read(self, name):
        """The arrays of one file."""
        try:
            with open(self.path / name, "rb") as handle, np.load(handle, allow_pickle=False) as file:
                return {key: file[key] for key in file.files}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            cure = "that file, and its chain is run again" if name.startswith("chain_") else "the folder and start anew"
            raise InputError(
                f"fit_mcmc(checkpoint={str(self.path)!r}): {name} is damaged ({error}); delete {cure}."
            ) from None

    def _write(self, name, write):
        """A file that appears whole or not at all."""
        handle, temporary = tempfile.mkstemp(dir=self.path, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path / name)
        finally:
            Path(temporary).unlink(missing_ok=True)


def stored_arguments(path):
    """(model, data, the arguments of fit_mcmc) of the checkpoint in a folder. Raises InputError if there is none."""
    path = Path(path)
    if not (path / "fit.json").exists():
        raise InputError(f"resume({str(path)!r}): the folder holds no checkpoint of fit_mcmc(..., checkpoint=...).")
    said = read_json(path)
    file = Checkpoint(path, said["asked"])._read("data.npz")
    data = Data(
        file["x"], file.get("label"), file.get("weight"), [str(n) for n in file["names"]],
        tuple(str(c) for c in file["classes"]),
    )  # fmt: skip
    return decode(said["model"]), data, said["asked"]


def stored_seed(path):
    """The seed of the checkpoint in a folder, or None if there is none yet."""
    return read_json(Path(path))["asked"]["seed"] if (Path(path) / "fit.json").exists() else None


def read_json(path):
    """fit.json of a checkpoint."""
    try:
        said = json.loads((path / "fit.json").read_text(encoding="utf-8"))
        if said["format"] != FORMAT:
            raise ValueError(f"format {said['format']}, expected {FORMAT}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"fit_mcmc(checkpoint={str(path)!r}): fit.json is damaged ({error}); delete the folder and start anew."
        ) from None
    return said


def arrays_of(data):
    """The fields of a Data as arrays, without those that it does not have."""
    fields = {"x": data.x, "label": data.label, "weight": data.weight}
    names = {"names": np.array(data.names, dtype=str), "classes": np.array(data.classes or (), dtype=str)}
    return {n: v for n, v in fields.items() if v is not None} | names


def fingerprint(value):
    """A short digest of a resolved Mixture, a Data, or the thetas of an EM fit."""
    digest = hashlib.sha256()
    if isinstance(value, Data):
        for name, array in arrays_of(value).items():
            digest.update(f"{name}{array.shape}{array.dtype}".encode() + np.ascontiguousarray(array).tobytes())
    elif isinstance(value, list):
        for theta in value:
            for name, array in theta.items():
                digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
    else:
        digest.update(json.dumps(encode(value), sort_keys=True).encode())
    return digest.hexdigest()[:16]


def other(name, known):
    """What a checkpoint has where the call has something else."""
    if name in ("model", "data", "start"):
        return f"another {name}"
    return f"{name}={known['asked'].get(name)!r}"


def versions():
    """Of the libraries that the draws depend on."""
    return {name: version(name) for name in LIBRARIES}

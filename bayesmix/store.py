"""A Fit from the netCDF file or the DataTree that `tree` made of it."""

import json
from pathlib import Path

import numpy as np

from bayesmix.agreement import Certificate
from bayesmix.data.data import Data
from bayesmix.errors import InputError
from bayesmix.fit import Fit
from bayesmix.spec.encode import decode
from bayesmix.tree import FORMAT


def load(path):
    """The Fit that `Fit.save` wrote, from its netCDF file or the report folder that holds `fit.nc`.

    Raises InputError if the file is missing or was not written by bayesmix.
    """
    import xarray as xr

    path = Path(path)
    path = path / "fit.nc" if path.is_dir() else path
    if not path.exists():
        raise InputError(f"load({str(path)!r}): there is no such file; give a saved fit or its report folder.")
    try:
        with xr.open_datatree(path, engine="netcdf4") as lazy:
            tree = lazy.load()
    except (OSError, ValueError) as error:
        raise InputError(f"load({str(path)!r}): this is not a netCDF file ({error}).") from None
    if tree.attrs.get("bayesmix_format") != FORMAT:
        raise InputError(f"load({str(path)!r}): the file was not written by this version of bayesmix.")
    return from_tree(tree)


def from_tree(tree):
    """The Fit in a DataTree that `to_tree` made."""
    from bayesmix.em.engine import Run
    from bayesmix.em.modes import Mode

    attrs = {k: json.loads(tree.attrs[k]) for k in ("mixture", "classes", "settings", "certificate")}
    mixture = decode(attrs["mixture"])
    constant = tree["constant_data"].to_dataset()
    label = constant["label"].values if "label" in constant else None
    weight = constant["row_weight"].values if "row_weight" in constant else None
    observed = tree["observed_data"].to_dataset()
    data = Data(
        observed["x"].values,
        label,
        weight,
        [str(n) for n in observed["feature"].values],
        tuple(attrs["classes"]),
    )
    stats = tree["sample_stats"].to_dataset()
    draws = {n: tree["posterior"].to_dataset()[n].values for n in mixture.parameters}
    optima, runs = [], []
    if "modes" in tree:
        m = tree["modes"].to_dataset()
        r = tree["restarts"].to_dataset() if "restarts" in tree else None
        for i in range(m.sizes["mode"]):
            row = {n: m[f"mode_{n}"].values[i].item() for n in Mode.ROW if n != "start"}  # of `restarts`
            row["definite"] = bool(row["definite"])
            own = tuple(np.flatnonzero(r["mode"].values == i).tolist()) if r is not None else ()
            theta = {n: m[n].values[i] for n in mixture.parameters}
            place = {n: m[f"mode_{n}"].values[i] for n in ("u", "cov_u") if f"mode_{n}" in m}
            place = {n: v for n, v in place.items() if np.isfinite(v).all()}
            optima.append(Mode(theta, **row, reason=str(m["mode_reason"].values[i]), restarts=own, **place))
    if "restarts" in tree:
        r, t = tree["restarts"].to_dataset(), tree["em_trace"].to_dataset()
        for i in range(r.sizes["restart"]):
            steps = int(r["iterations"].values[i]) + 1
            trace = np.stack([t["objective"].values[i, :steps], t["log_posterior"].values[i, :steps]], axis=1)
            runs.append(
                Run({}, float(r["log_posterior"][i]), float(r["log_likelihood"][i]), r["counts"].values[i], trace,
                    str(r["status"].values[i]))
            )  # fmt: skip
    known = {"posterior", "posterior_relabelled", "sample_stats", "observed_data", "constant_data", "modes",
             "restarts", "em_trace"}  # fmt: skip
    groups = {name: node.to_dataset() for name, node in tree.children.items() if name not in known}
    rest = stats.drop_vars(["log_posterior", "permutation"])
    if rest.data_vars:
        groups["sample_stats"] = rest
    return Fit(
        tree.attrs["engine"],
        mixture,
        data,
        draws,
        stats["log_posterior"].values,
        stats["permutation"].values,
        attrs["settings"],
        Certificate.from_dict(attrs["certificate"]),
        tuple(optima),
        tuple(runs),
        groups,
    )

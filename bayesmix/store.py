"""A Fit as an xarray DataTree and as a netCDF file, and back."""

import json
import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

from bayesmix.agreement import Certificate
from bayesmix.data.data import Data
from bayesmix.errors import InputError
from bayesmix.fit import Fit
from bayesmix.spec.encode import decode, encode

FORMAT = 1
LIBRARIES = ("bayesmix", "numpy", "scipy", "pymc", "pytensor", "arviz", "nutpie", "xarray")


def versions():
    """Versions of Python and of the libraries that a result depends on."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}


def dataset(mixture, data, fields, lead):
    """field -> (*lead, ...) arrays as an xarray Dataset with named axes."""
    import xarray as xr

    coords, used = mixture.coords(data), set()
    variables = {}
    for name, value in fields.items():
        dims = mixture.dims(name)
        used.update(dims)
        variables[name] = ((*lead, *dims), value)
    coords = {dim: coords[dim] for dim in coords if dim in used}
    coords |= {dim: np.arange(next(iter(fields.values())).shape[i]) for i, dim in enumerate(lead)}
    return xr.Dataset(variables, coords=coords)


def scalars(mixture, data, fields):
    """Every distinct scalar parameter as name[component, feature] -> (chain, draw)."""
    out, coords = {}, mixture.coords(data)
    for name, value in fields.items():
        if mixture.is_constant(name):
            continue
        dims = mixture.dims(name)
        for index in np.ndindex(value.shape[2:]):
            if dims[-1] == "feature2" and index[1] > index[2]:
                continue  # a symmetric matrix: the upper triangle
            label = ", ".join(str(coords[d][i]) for d, i in zip(dims, index, strict=True) if coords[d] != ["all"])
            out[f"{name}[{label}]" if label else name] = value[(slice(None), slice(None), *index)]
    return out


def derived_scalars(mixture, data, fields):
    """The family's derived quantities as name[component, feature] -> (chain, draw); matrices above the diagonal."""
    out = {}
    for name, value, owners, columns in mixture.family.reported(fields):
        components = range(mixture.components) if owners is None else owners
        features = list(data.names) if columns is None else [data.names[j] for j in columns]
        for index in np.ndindex(value.shape[2:]):
            if len(index) == 3 and index[1] >= index[2]:
                continue
            axes = zip(index, value.shape[2:], range(len(index)), strict=True)
            label = ", ".join(
                str(components[i] if axis == 0 else features[i]) for i, size, axis in axes if size > 1 or axis == 0
            )
            out[f"{name}[{label}]"] = value[(slice(None), slice(None), *index)]
    return out


def to_tree(fit):
    """The DataTree of a fit (groups of DESIGN section 4)."""
    import xarray as xr

    groups = {"posterior": dataset(fit.mixture, fit.data, fit.draws, ("chain", "draw"))}
    if fit.engine == "mcmc":
        groups["posterior_relabelled"] = dataset(fit.mixture, fit.data, fit.relabelled, ("chain", "draw"))
    groups |= fit.groups
    stats = groups.get("sample_stats", xr.Dataset())
    stats = stats.assign(
        log_posterior=(("chain", "draw"), fit.log_posteriors),
        permutation=(("chain", "draw", "component"), fit.permutation),
    )
    groups["sample_stats"] = stats
    obs = {"obs": np.arange(fit.data.n), "feature": list(fit.data.names)}
    groups["observed_data"] = xr.Dataset({"x": (("obs", "feature"), fit.data.x)}, coords=obs)
    constant = {}
    if fit.data.label is not None:
        constant["label"] = (("obs", "class")[: fit.data.label.ndim], fit.data.label)
    if fit.data.weight is not None:
        constant["row_weight"] = ("obs", fit.data.weight)
    groups["constant_data"] = xr.Dataset(constant, coords={"obs": np.arange(fit.data.n)})
    if fit.optima:
        groups["modes"] = _modes(fit)
    if fit.runs:
        groups["restarts"], groups["em_trace"] = _restarts(fit)
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = {
        "bayesmix_format": FORMAT,
        "engine": fit.engine,
        "mixture": json.dumps(encode(fit.mixture)),
        "classes": json.dumps(list(fit.data.classes)),
        "settings": json.dumps(fit.settings),
        "certificate": json.dumps(fit.certificate.to_dict()),
        "versions": json.dumps(versions()),
    }
    return tree


def _modes(fit):
    fields = {n: np.stack([m.theta[n] for m in fit.optima]) for n in fit.mixture.parameters}
    out = dataset(fit.mixture, fit.data, fields, ("mode",))
    rows = [m.row() for m in fit.optima]
    for name in rows[0]:
        values = np.array([r[name] for r in rows])
        out[f"mode_{name}"] = ("mode", values.astype(np.int8) if values.dtype == bool else values)
    return out.assign(mode_reason=("mode", np.array([m.reason for m in fit.optima])))


def _restarts(fit):
    import xarray as xr

    longest = max(len(r.trace) for r in fit.runs)
    trace = np.full((len(fit.runs), longest, 2), np.nan)
    for i, r in enumerate(fit.runs):
        trace[i, : len(r.trace)] = r.trace
    home = np.full(len(fit.runs), -1)
    for m, mode in enumerate(fit.optima):
        home[list(mode.restarts)] = m
    table = xr.Dataset(
        {
            "log_posterior": ("restart", np.array([r.log_posterior for r in fit.runs])),
            "log_likelihood": ("restart", np.array([r.log_likelihood for r in fit.runs])),
            "iterations": ("restart", np.array([r.iterations for r in fit.runs])),
            "status": ("restart", np.array([r.status for r in fit.runs])),
            "mode": ("restart", home),
            "counts": (("restart", "component"), np.array([r.counts for r in fit.runs])),
        },
        coords={"restart": np.arange(len(fit.runs))},
    )
    dims = ("restart", "iteration")
    return table, xr.Dataset({"objective": (dims, trace[..., 0]), "log_posterior": (dims, trace[..., 1])})


def save(fit, path):
    """Write the fit to a netCDF file; whole or not at all. Returns the path."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    except OSError as error:
        raise InputError(f"Fit.save({str(path)!r}): the folder cannot be written ({error.strerror}).") from None
    os.close(handle)
    try:
        fit.tree.to_netcdf(temporary, engine="netcdf4")
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp made it private
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return path


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
            optima.append(Mode(theta, **row, reason=str(m["mode_reason"].values[i]), restarts=own))
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

"""A Fit as an xarray DataTree with named axes, and as a netCDF file; `store` reads it back."""

import json
import os
import platform
import tempfile
from pathlib import Path

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec.encode import encode

FORMAT = 1
LIBRARIES = ("bayesmix", "numpy", "scipy", "pymc", "pytensor", "arviz", "nutpie", "xarray")


def versions():
    """Versions of Python and of the libraries that a result depends on."""
    from importlib.metadata import version

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
    out = out.assign(mode_reason=("mode", np.array([m.reason for m in fit.optima])))
    p = max((len(m.u) for m in fit.optima if m.u is not None), default=0)
    if not p:
        return out
    u, cov = np.full((len(fit.optima), p), np.nan), np.full((len(fit.optima), p, p), np.nan)
    for i, m in enumerate(fit.optima):
        if m.u is not None:
            u[i], cov[i] = m.u, m.cov_u
    return out.assign(mode_u=(("mode", "u"), u), mode_cov_u=(("mode", "u", "u_to"), cov))


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

"""What comes with a posterior, as plain arrays: allocations, probabilities, log posterior, rows, parameters."""

import numpy as np

from bayesmix.errors import InputError


def check_blocks(blocks, K):
    """The blocks as tuples, each component in at most one."""
    if blocks is None:
        return (tuple(range(K)),)
    try:
        out = tuple(tuple(int(k) for k in block) for block in blocks)
    except (TypeError, ValueError):
        raise InputError(f"blocks={blocks!r}: expected groups of components, as [(0, 1), (2, 3)].") from None
    flat = [k for block in out for k in block]
    if len(flat) != len(set(flat)) or not set(flat) <= set(range(K)):
        raise InputError(f"blocks={blocks!r}: expected groups of different components 0..{K - 1}.")
    return out


def numbers(argument, value):
    """The value as an array of numbers."""
    value = np.asarray(value)
    if value.dtype.kind in "fiub":
        return value
    try:
        return value.astype(float)
    except (TypeError, ValueError):
        raise InputError(f"{argument}=...: expected numbers, got values of type {value.dtype}.") from None


def flat(argument, value, dataset, shape, dims=(), K=None):
    """An argument as (draws, ...): an array, a DataArray, or the name of a variable; None stays None."""
    import xarray as xr

    if value is None:
        return None
    if isinstance(value, str):
        if value not in dataset:
            names = list(dataset)
            raise InputError(f"{argument}={value!r}: the posterior has no such variable; it has {names}.")
        value = dataset[value]
    if isinstance(value, xr.DataArray):
        missing = {"chain", "draw"} - set(value.dims)
        if missing:
            raise InputError(f"{argument}=...: expected dims chain and draw, got {value.dims}.")
        last = [d for d in value.dims if d in dims]
        value = value.transpose("chain", "draw", ..., *last).values
    value = numbers(argument, value)
    ndim = {"log_posterior": 2, "allocations": 3, "probabilities": 4}[argument]
    wanted = (*shape, "n", K)[:ndim]
    if value.ndim != ndim or value.shape[:2] != shape or (ndim == 4 and value.shape[3] != K):
        raise InputError(f"{argument}=...: expected the shape {wanted}, got {value.shape}.")
    if not value.size:
        raise InputError(f"{argument}=...: expected at least one row, got the shape {value.shape}.")
    return value.reshape(len(value) * value.shape[1], *value.shape[2:])


def integers(z, labels):
    """(allocations 0..K-1, what was subtracted): 1 where the components are labelled 1..K, or z says 1..K as Stan's."""
    K = len(labels)
    if z is None:
        return None, 0
    if not np.isfinite(z).all() or (z != np.round(z)).any():
        raise InputError("allocations=...: expected whole numbers, the component of each row.")
    base = int(z.min() >= 1 and (z.max() == K or labels == list(range(1, K + 1))))
    out = z.astype(np.intp) - base
    if out.min() < 0 or out.max() >= K:
        raise InputError(f"allocations=...: expected components 0..{K - 1} (or 1..{K}), got {z.min()}..{z.max()}.")
    return out, base


def as_array(given, z, base, coords, shape, dataset):
    """The given allocations as a DataArray of 0..K-1, dims (chain, draw, rows)."""
    import xarray as xr

    if z is None:
        return None
    z = z.reshape(*shape, -1)
    if isinstance(given, str):
        given = dataset[given]
    if isinstance(given, xr.DataArray):
        return given.transpose("chain", "draw", ...).copy(data=z)
    return xr.DataArray(z, dims=("chain", "draw", "obs"), coords={d: coords[d] for d in ("chain", "draw")})


def table(data, observed):
    """Rows (n, d) of an array, a DataArray, a DataFrame, or of the named or only variable observed; None if none is."""
    if isinstance(data, str):
        names = [] if observed is None else list(observed)
        if data not in names:
            raise InputError(f"data={data!r}: expected rows or a variable of `observed_data`, one of {names}.")
        data = observed[data]
    if data is None:
        only = next(iter(observed.values())) if observed is not None and len(observed) == 1 else None
        if only is None or only.ndim not in (1, 2) or only.dtype.kind not in "fiu":
            return None
        data = only
    x = numbers("data", data).astype(float)
    if x.ndim not in (1, 2):
        raise InputError(f"data=...: expected (n, d) or (n,) rows, got the shape {x.shape}.")
    return x.reshape(len(x), -1)


def parameters(dataset, dims, K, left_out):
    """(T, K, p): all numbers that each component has one of, without what is per row and matrices over components.

    A variable with more numbers per component than a tenth of the draws is left out too.
    """
    T, parts = dataset.sizes["chain"] * dataset.sizes["draw"], []
    for name, v in dataset.data_vars.items():
        own = [d for d in v.dims if d in dims]
        if len(own) != 1 or name in left_out or v.dtype.kind not in "fiu":
            continue
        values = v.transpose("chain", "draw", own[0], ...).values.reshape(T, K, -1)
        if values.shape[2] <= max(1, T / 10) and np.isfinite(values).all():
            parts.append(values.astype(float))
    return np.concatenate(parts, axis=2) if parts else None

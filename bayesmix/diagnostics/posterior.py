"""Draws of any ArviZ posterior as plain arrays, and relabelled draws back in its own shape."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bayesmix.diagnostics.arguments import as_array, check_blocks, flat, integers, parameters, table
from bayesmix.diagnostics.relabelling import Material
from bayesmix.diagnostics.relabelling.membership import soft
from bayesmix.errors import InputError

TWIN = r"(_?\d+|_?bis|_to|_from|_other|_prime)"  # how the second component axis of a matrix is called
LOG_POSTERIOR = ("log_posterior", "lp", "logp")  # in `sample_stats`: bayesmix, PyMC and NumPyro, nutpie


@dataclass(frozen=True, eq=False)
class Draws:
    """An xarray posterior read for relabelling.

    given: what came. dataset: its draws. dims: all component dimensions, the first one being `dim`. coords: the
    labels of chain, draw and `dim`. allocations: DataArray of 0..K-1 or None, `base` what was subtracted (0 or 1).
    named: the variable that holds the allocations, or None.
    """

    given: object
    dataset: object
    dims: tuple
    coords: dict
    material: Material
    allocations: object
    base: int
    named: str | None

    @property
    def dim(self):
        return self.dims[0]

    @property
    def shape(self):
        return (len(self.coords["chain"]), len(self.coords["draw"]))

    @classmethod
    def of(cls, posterior, dim, given, data, by, blocks):
        """Read the posterior and all that goes with it; InputError where something does not fit."""
        dataset, groups = opened(posterior)
        dims = (dim,) if isinstance(dim, str) or not isinstance(dim, Iterable) else tuple(dim)
        K = check_dims(dataset, dims)
        shape = (dataset.sizes["chain"], dataset.sizes["draw"])
        T = shape[0] * shape[1]
        coords = {d: dataset[d].values for d in ("chain", "draw", dims[0])}
        log_posterior = given["log_posterior"]
        if log_posterior is None and "sample_stats" in groups:
            log_posterior = next(
                (groups["sample_stats"][n] for n in LOG_POSTERIOR if n in groups["sample_stats"]), None
            )
        log_posterior = flat("log_posterior", log_posterior, dataset, shape)
        if log_posterior is not None and not np.isfinite(log_posterior).any():
            raise InputError("log_posterior=...: expected finite numbers, got none.")
        probabilities = flat("probabilities", given["probabilities"], dataset, shape, dims, K)
        if probabilities is not None and not (np.isfinite(probabilities).all() and (probabilities >= 0).all()):
            raise InputError("probabilities=...: expected probabilities, got negative or non-finite ones.")
        if probabilities is not None and not (probabilities.max(axis=2) > 0).all():
            raise InputError("probabilities=...: expected rows that sum to one, got a row of zeros.")
        z, base = integers(flat("allocations", given["allocations"], dataset, shape), coords[dims[0]].tolist())
        kept = as_array(given["allocations"], z, base, coords, shape, dataset)
        if z is None and probabilities is not None:
            z = probabilities.argmax(axis=2)
        rows = {len(v[0]) for v in (z, probabilities) if v is not None}
        x = table(data, groups.get("observed_data"))
        if x is not None and data is not None:
            rows.add(len(x))
        if len(rows) > 1:
            raise InputError(f"allocations, probabilities and data differ in their number of rows: {rows}.")
        left_out = {v for v in given.values() if isinstance(v, str)}
        material = Material(
            K=K,
            T=T,
            blocks=check_blocks(blocks, K),
            allocations=z,
            probabilities=None if probabilities is None else soft(probabilities),
            parameters=parameters(dataset, dims, K, left_out),
            coordinate=None if by is None else coordinate(dataset, dims, by).reshape(T, K),
            log_posterior=log_posterior,
            data=x if rows <= {0 if x is None else len(x)} else None,
        )
        named = given["allocations"] if isinstance(given["allocations"], str) else None
        return cls(posterior, dataset, dims, coords, material, kept, base, named)

    def relabelled(self, permutation):
        """The fields `posterior` and `allocations` of the result, for permutation (chain, draw, K)."""
        moved = self.dataset.map(lambda v: permuted(v, self.dims, permutation), keep_attrs=True)
        moved.attrs = dict(self.dataset.attrs)
        allocations = None
        if self.allocations is not None:
            new = np.argsort(permutation, axis=-1)  # the new name of each old component
            z = np.take_along_axis(new, self.allocations.values.reshape(*permutation.shape[:2], -1), axis=2)
            allocations = self.allocations.copy(data=z.reshape(self.allocations.shape) + self.base)
        if self.named is not None:
            was = self.dataset[self.named]
            moved[self.named] = allocations.transpose(*was.dims).astype(was.dtype).assign_attrs(was.attrs)
        return {"posterior": self._as_given(moved), "allocations": allocations}

    def _as_given(self, moved):
        import xarray as xr

        if isinstance(self.given, xr.Dataset):
            return moved
        tree = self.given.copy()
        (tree["posterior"] if "posterior" in tree.children else tree).dataset = moved
        return tree


def opened(posterior):
    """(Dataset of the draws, group name -> Dataset) of a Dataset or DataTree."""
    import xarray as xr

    if isinstance(posterior, xr.DataTree):
        groups = {name: node.to_dataset() for name, node in posterior.children.items()}
        dataset = groups.get("posterior", posterior.to_dataset() if "chain" in posterior.dims else None)
        if dataset is None:
            raise InputError(f"posterior=...: the DataTree has no group `posterior`, only {list(groups)}.")
    elif isinstance(posterior, xr.Dataset):
        dataset, groups = posterior, {}
    else:
        raise InputError(
            "posterior=...: expected a bayesmix fit, an ArviZ DataTree or an xarray Dataset, got "
            f"{type(posterior).__name__}; az.from_dict makes a DataTree of plain arrays."
        )
    missing = [d for d in ("chain", "draw") if d not in dataset.dims]
    if missing:
        raise InputError(f"posterior=...: expected dims `chain` and `draw`, got only {list(dataset.dims)}.")
    if not dataset.sizes["chain"] * dataset.sizes["draw"]:
        raise InputError("posterior=...: expected at least one draw, got none.")
    return dataset, groups


def check_dims(dataset, dims):
    """The number of components; InputError where the component dimensions are not what they should be."""
    sizes = {d: dataset.sizes[d] for d in dims if d in dataset.dims}
    if not dims or len(sizes) < len(dims):
        there = {d: n for d, n in dataset.sizes.items() if d not in ("chain", "draw")}
        raise InputError(
            f"dim={dims!r}: the posterior has no dimension {[d for d in dims if d not in sizes]}, only "
            f"{there}; name the one that numbers the components, or all of them in a tuple."
        )
    if len(set(sizes.values())) > 1:
        raise InputError(f"dim={dims!r}: expected dimensions of one length, got {sizes}.")
    K = sizes[dims[0]]
    if not K:
        raise InputError(f"dim={dims!r}: expected at least one component, got a dimension of length 0.")
    for name, variable in dataset.data_vars.items():
        ours = [d for d in variable.dims if d in dims]
        if ours and not {"chain", "draw"} <= set(variable.dims):
            raise InputError(
                f"posterior=...: the variable {name!r} has the dimension {ours[0]!r} but no chain and draw; "
                "leave it out of the posterior, for it cannot move with the draws."
            )
        twins = [
            d for d in variable.dims
            if d not in dims and variable.sizes[d] == K and any(re.fullmatch(re.escape(o) + TWIN, d) for o in ours)
        ]  # fmt: skip
        if twins:
            raise InputError(
                f"dim={dims!r}: the variable {name!r} has dims {variable.dims}; if {twins[0]!r} numbers the "
                f"components as well, say dim={(*dims, twins[0])!r}; if not, give it another name."
            )
    return K


def coordinate(dataset, dims, by):
    """(chain, draw, K): the variable, at the positions or labels on its further axes, that `by` names."""
    name, *at = by if isinstance(by, tuple | list) and by else (by,)
    if name not in dataset:
        raise InputError(f"by={by!r}: the posterior has no variable {name!r}; it has {list(dataset)}.")
    v = dataset[name]
    own = [d for d in v.dims if d in dims]
    further = [d for d in v.dims if d not in dims and d not in ("chain", "draw") and (v.sizes[d] > 1 or at)]
    if len(own) != 1 or len(further) != len(at):
        raise InputError(
            f"by={by!r}: expected one number per component, but {name!r} has dims {v.dims}; give a position "
            f"or label for each of {tuple(further)}, as by=({name!r}, 0)."
        )
    for d, where in zip(further, at, strict=True):
        labels = v[d].values.tolist()
        if where not in labels and not (isinstance(where, int | np.integer) and -len(labels) <= where < len(labels)):
            raise InputError(f"by={by!r}: the axis {d!r} of {name!r} has no {where!r}; it has {labels}.")
        v = v.isel({d: labels.index(where) if where in labels else where})
    return v.transpose("chain", "draw", own[0], ...).values.reshape(*(v.sizes[d] for d in ("chain", "draw", own[0])))


def permuted(variable, dims, permutation):
    """A variable with new component k the old permutation[chain, draw, k], along each component dimension it has."""
    own = [d for d in variable.dims if d in dims]
    if not own:
        return variable
    v = variable.transpose("chain", "draw", ...)
    values = v.values
    for axis, d in enumerate(v.dims):
        if d in dims:
            shape = [1] * v.ndim
            shape[:2], shape[axis] = permutation.shape[:2], permutation.shape[2]
            values = np.take_along_axis(values, permutation.reshape(shape), axis=axis)
    return v.copy(data=values).transpose(*variable.dims)

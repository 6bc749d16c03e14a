"""Draws of a bayesmix fit as plain arrays: the specification says what may be exchanged and what the rows think."""

from dataclasses import dataclass, replace

import numpy as np

from bayesmix.diagnostics.relabelling import Material
from bayesmix.diagnostics.relabelling.certainty import certainty
from bayesmix.diagnostics.relabelling.membership import Membership
from bayesmix.em.kernel import Problem
from bayesmix.errors import InputError
from bayesmix.fit import Fit
from bayesmix.mcmc.pack import allocation
from bayesmix.spec import many
from bayesmix.tree import dataset

OPTIMA = 20  # of the census, best first, that draws are named after


@dataclass(frozen=True, eq=False)
class SpecDraws:
    """An MCMC fit read for relabelling."""

    fit: Fit
    material: Material
    coords: dict
    dim: str = "component"

    @property
    def shape(self):
        return self.fit.shape

    @classmethod
    def of(cls, fit, given, data, by, blocks, needs):
        """Read the fit, and of the allocations only what the methods need; what it knows itself cannot be given."""
        named = {**given, "data": data, "blocks": blocks}
        extra = [name for name, value in named.items() if value is not None]
        if extra:
            raise InputError(f"relabel(fit, {extra[0]}=...): a bayesmix fit knows its own {extra[0]}; leave it out.")
        if fit.engine != "mcmc":
            raise InputError("relabel(fit): expected an MCMC fit, got an EM fit, which is one point.")
        problem, model = Problem.of(fit.mixture, fit.data), fit.mixture
        K, T, draws = model.components, int(np.prod(fit.shape)), many.stack(fit.draws)
        probabilities = responsibilities(fit, draws)
        optima = [m for m in fit.optima if m.kind != "collapsed"][:OPTIMA]
        material = Material(
            K=K,
            T=T,
            blocks=problem.free_blocks,
            allocations=most_probable(probabilities) if "allocations" in needs else None,
            probabilities=probabilities,
            parameters=parameters(model, draws),
            coordinate=coordinate(fit, draws, by),
            log_posterior=fit.log_posteriors.reshape(T),
            data=fit.data.x,
            references=tuple(problem.responsibilities(problem.inward(m.theta))[0] for m in optima) or None,
        )
        chains, length = fit.shape
        coords = {"chain": np.arange(chains), "draw": np.arange(length), "component": np.arange(K)}
        return cls(fit, material, coords)

    def relabelled(self, permutation):
        """The fields `posterior` and `fit` of the result, for permutation (chain, draw, K)."""
        fit = replace(self.fit, permutation=permutation, groups=dict(self.fit.groups))
        if "allocation" in fit.groups:
            mean = self.material.probabilities.mean(permutation.reshape(-1, permutation.shape[-1]))
            fit.groups["allocation"] = allocation(fit, mean)
        return {"posterior": dataset(fit.mixture, fit.data, fit.relabelled, ("chain", "draw")), "fit": fit}


def responsibilities(fit, draws):
    """The `Membership` of p(z_i = k | theta, x_i, label_i), made draw by draw where it is large."""
    model, data = fit.mixture, fit.data
    label = model.log_label(data)

    def make(part):
        return many.responsibilities(model, data.x, many.some(draws, part), label)[0]

    return Membership((len(draws["weight"]), model.components, data.n), make)


def most_probable(probabilities):
    """argmax_k of the probabilities, (T, n)."""
    T, _, n = probabilities.shape
    out = np.empty((T, n), dtype=np.int16)
    for part, m in probabilities.blocks():
        out[part] = m.argmax(axis=1)
    return out


def parameters(model, draws):
    """(T, K, p): every free field, NaN for the components that do not have it."""
    parts = []
    for name, value in draws.items():
        at = model.parameters[name].covers(model.components)
        if not model.is_constant(name) and value.shape[1] == len(at):
            own = np.full((len(value), model.components, int(np.prod(value.shape[2:]))), np.nan)
            own[:, at] = value.reshape(len(value), len(at), -1)
            parts.append(own)
    return np.concatenate(parts, axis=2) if parts else None


def certainties(model, thetas, blocks):
    """The probability (draws,) of the names that each theta came with, see `relabelling.certainty`."""
    K, draws = model.components, {name: np.stack([t[name] for t in thetas]) for name in model.parameters}
    values = parameters(model, draws)
    values = np.empty((len(thetas), K, 0)) if values is None else values
    return certainty(values, np.tile(np.arange(K), (len(thetas), 1)), blocks)


def coordinate(fit, draws, by):
    """(T, K) what "order" sorts by: one number per component of a field, or None where there is no such field."""
    model = fit.mixture
    wanted = model.family.expectation if by is None else by
    name, *at = wanted if isinstance(wanted, tuple | list) and wanted else (wanted,)
    shape = None if name not in model.parameters else draws[name].shape[1:]
    if shape is None or shape[0] != model.components:
        if by is None:
            return None
        own = [f for f, v in draws.items() if v.shape[1] == model.components]
        raise InputError(f"relabel(by={by!r}): expected a field with one value per component, one of {own}.")
    at = at or [0] * (len(shape) - 1)
    names = list(fit.data.names)
    at = [names.index(a) if a in names else a for a in at]
    good = len(at) == len(shape) - 1 and all(
        isinstance(a, int | np.integer) and -size <= a < size for a, size in zip(at, shape[1:], strict=True)
    )
    if not good:
        raise InputError(
            f"relabel(by={by!r}): the field {name!r} has the shape {shape} (component first); give a position, or the "
            f"name of a feature, for each further axis, as by=({name!r}, 0)."
        )
    return draws[name][(slice(None), slice(None), *at)]

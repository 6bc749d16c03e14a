"""What every form of the PyMC model is made of: axes, priors under their constraints, PyMC's densities of rows."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.model.core import UNSET

from bayesmix.spec.families.composite import Composite


def coords_of(mixture, data):
    """The coordinates of a `pm.Model`: of the axes that its fields have, and of the rows."""
    coords = mixture.coords(data)
    used = {dim for name in mixture.parameters for dim in mixture.dims(name)} | {"component", "feature", "obs"}
    return {dim: coords[dim] for dim in coords if dim in used}


def believe(model, mixture, data):
    """theta as PyTensor variables: an RV for each free field, constrained as the specification says.

    model: the `pm.Model` whose context is open. mixture: resolved.
    """
    theta = {}
    if mixture.is_constant("weight"):
        constants = mixture.draw_unconstrained(np.random.default_rng(0), data.d)
        theta["weight"] = pt.as_tensor(constants["weight"])
    else:
        theta["weight"] = mixture.weight.rv("weight", theta, mixture.dims("weight"))
    family = mixture.family
    for name in family.order:
        value = family.parameters[name].prior.rv(name, family.scope(name, theta), mixture.dims(name))
        theta[name] = pt.specify_shape(pt.as_tensor(value), mixture.field_shape(name, data.d))
    _constrain(model, mixture, theta)
    return {name: theta[name] for name in mixture.parameters}


def _constrain(model, mixture, theta):
    """Hang the transforms and potentials of the constraints onto the model."""
    chosen = {}
    for c in mixture.constraints:
        if c.enforce != "transform":
            pm.Potential(c.name, c.potential(theta))
        elif not mixture.is_constant(c.field):
            rv = model[c.field]
            chosen[c.field] = c.transform(chosen.get(c.field, model.rvs_to_transforms[rv]))
    for field, transform in chosen.items():
        rv = model[field]
        del model.values_to_rvs[model.rvs_to_values[rv]]
        model.create_value_var(rv, default_transform=transform, transform=UNSET)


def dist_logp(family, x, own):
    """log f_k(x_i) by PyMC's own distribution: (n, K)."""
    if isinstance(family, Composite):
        return family.assemble(pt, x, own, dist_logp)
    dist = family.dist(**own)
    scalar = dist.owner.op.ndim_supp == 0
    value = x if scalar and dist.ndim == 1 else x[:, None, :]
    out = pm.logp(dist, value)
    return out.sum(axis=-1) if out.ndim == 3 else out


def gufunc_axes(values):
    """The axes of each variable for a `pm.CustomDist` signature, such as "(a),(b,c)"; d, f and n are kept free."""
    letters = iter("abceghijklmopqrstuvwxyz")
    return ",".join("(" + ",".join(next(letters) for _ in range(v.ndim)) + ")" for v in values)

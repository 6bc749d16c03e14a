"""The specification as a plain PyMC model."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.model.core import UNSET

from bayesmix.em.kernel import Problem
from bayesmix.mcmc import missing
from bayesmix.spec.families.base import ExponentialFamily
from bayesmix.spec.missing import filled


def to_pymc(mixture, data):
    """The mixture as a `pm.Model`: free RVs named like the fields, one observed `x`, z summed out.

    `x` has one log-likelihood value per row (row weights included), so pointwise log likelihood, LOO
    and predictive draws all follow. Its rows are read from `features`, the sufficient statistics of
    x about its mean; Fixed fields are constants. Missing cells are summed out: `x` holds filler where
    `observed_cells` is 0. Constraints with enforce="transform" live in the
    transforms of their RVs, the others are Potentials named like their term. Forward draws
    (`pm.sample_prior_predictive`) ignore both; `mixture.draw_prior` obeys them.
    """
    mixture = mixture.resolve(data)
    family, problem = mixture.family, Problem.of(mixture, data)
    coords = mixture.coords(data)
    used = {dim for name in mixture.parameters for dim in mixture.dims(name)} | {
        "component",
        "feature",
        "obs",
    }
    with pm.Model(coords={dim: coords[dim] for dim in coords if dim in used}) as model:
        theta = {}
        if mixture.is_constant("weight"):
            theta["weight"] = pt.as_tensor(problem.central["weight"])
        else:
            theta["weight"] = mixture.weight.rv("weight", theta, mixture.dims("weight"))
        for name in family.order:
            shape = mixture.field_shape(name, data.d)
            value = family.parameters[name].prior.rv(name, theta, mixture.dims(name))
            theta[name] = pt.specify_shape(pt.as_tensor(value), shape)
        _constrain(model, mixture, theta)

        theta = {name: theta[name] for name in mixture.parameters}
        x = pm.Data("x_data", filled(data.x), dims=("obs", "feature"))
        seen = ~np.isnan(data.x)
        if data.missing:
            pm.Data("observed_cells", seen.astype(np.int8), dims=("obs", "feature"))
        row_weight = pm.Data("row_weight", data.row_weight, dims="obs")
        log_label = np.zeros((mixture.components, data.n)) if problem.log_label is None else problem.log_label.T
        log_label = pm.Data("log_label", np.maximum(log_label, -1e30))
        layout = None
        if isinstance(family, ExponentialFamily) and data.missing:
            layout = missing.rows_by_pattern(problem)
            features, base = layout.features, layout.base
        elif isinstance(family, ExponentialFamily):
            features, base = problem.features, problem.base
        else:
            features, base = np.zeros((0, data.n)), np.zeros(data.n)
        features, base = pm.Data("features", features), pm.Data("base", base)
        origin = pm.Data("origin", problem.origin)
        letters = iter("abceghijklmopqrstuvwxyz")
        axes = ["(" + ",".join(next(letters) for _ in range(v.ndim)) + ")" for v in theta.values()]
        pm.CustomDist(
            "x",
            *theta.values(),
            features,
            base,
            log_label,
            row_weight,
            origin,
            logp=_row_logp(mixture, seen, layout),
            random=_row_random(mixture),
            signature=",".join(axes) + ",(f,n),(n),(K,n),(n),(d)->(n,d)",
            observed=x,
            dims=("obs", "feature"),
        )
    return model


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


def _row_logp(mixture, seen, layout):
    """logp(value, weight, *fields, features, base, log_label, row_weight, origin) -> (n,).

    seen: (n, d), which cells are observed; layout: where some are not, how `features` are sorted.
    """
    names, family, d = list(mixture.parameters), mixture.family, seen.shape[1]

    def logp(value, *args):
        theta = dict(zip(names, args, strict=False))
        features, base, log_label, row_weight, origin = args[len(names) :]
        own = {n: pt.specify_shape(theta[n], mixture.field_shape(n, d)) for n in names[1:]}
        if isinstance(family, ExponentialFamily):
            if family.location is not None:
                own[family.location] = own[family.location] - pt.specify_shape(origin, (d,))
            if layout is not None:
                return missing.row_logp(layout, family, own, args[len(names) : -1], _mix(theta["weight"]))
            joint = pt.dot(family.natural(pt, **own), features)
        else:
            joint = missing.dist_logp(family, value, seen, own, mixture.components, dist_logp).T
            base = 0.0
        joint = joint + pt.log(theta["weight"])[:, None] + log_label
        return row_weight * (pt.logsumexp(joint, axis=0) + base)

    return logp


def _mix(weight):
    """The terms of rows that one W (K, F) serves, for given mixing weights."""

    def mix(W, features, base, log_label, row_weight):
        joint = pt.dot(W, features) + pt.log(weight)[:, None] + log_label
        return row_weight * (pt.logsumexp(joint, axis=0) + base)

    return mix


def dist_logp(family, x, own):
    """log f_k(x_i) by PyMC's own distribution: (n, K)."""
    dist = family.dist(**own)
    scalar = dist.owner.op.ndim_supp == 0
    value = x if scalar and dist.ndim == 1 else x[:, None, :]
    out = pm.logp(dist, value)
    return out.sum(axis=-1) if out.ndim == 3 else out


def _row_random(mixture):
    """Rows given theta: z from weight and labels, then x from the family."""
    names = list(mixture.parameters)

    def random(*args, rng=None, size=None):
        theta = {n: np.asarray(a) for n, a in zip(names, args, strict=False)}
        log_label = np.asarray(args[len(names) + 2])
        z = draw_allocations(np.log(theta["weight"]) + log_label.T, rng)
        return mixture.family.draw(z, rng, **mixture.own(theta))

    return random


def draw_allocations(log_p, rng):
    """z (n,) with probabilities proportional to exp(log_p), (n, K), by the Gumbel trick."""
    return (log_p + rng.gumbel(size=log_p.shape)).argmax(axis=1)

"""The specification as a plain PyMC model."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.model.core import UNSET

from bayesmix.em.kernel import Problem
from bayesmix.mcmc import missing
from bayesmix.mcmc.allocations import draw_allocations
from bayesmix.mcmc.mix_op import mix_rows
from bayesmix.spec.families.composite import Composite
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
            value = family.parameters[name].prior.rv(name, family.scope(name, theta), mixture.dims(name))
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
        if family.exponential and data.missing:
            layout = missing.rows_by_pattern(problem)
            features, base = layout.features, layout.base
        elif family.exponential:
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
            random=_row_random(mixture, data),
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
        log_weight = pt.log(theta["weight"])[:, None]
        if not family.exponential:
            joint = missing.dist_logp(family, value, seen, own, mixture.components, dist_logp).T
            return row_weight * pt.logsumexp(joint + log_weight + log_label, axis=0)

        def mix(W, *rows):
            W = pt.concatenate([W[:, :1] + log_weight, W[:, 1:]], axis=1)
            features, base, log_label, row_weight = rows
            return mix_rows(features, W, log_label, base, row_weight)

        own = family.shift(own, -pt.specify_shape(origin, (d,)))
        per_row = (features, base, log_label, row_weight)
        if layout is not None:
            return missing.row_logp(layout, family, own, per_row, mix)
        return mix(family.natural(pt, **own), *per_row)

    return logp


def dist_logp(family, x, own):
    """log f_k(x_i) by PyMC's own distribution: (n, K)."""
    if isinstance(family, Composite):
        return family.assemble(pt, x, own, dist_logp)
    dist = family.dist(**own)
    scalar = dist.owner.op.ndim_supp == 0
    value = x if scalar and dist.ndim == 1 else x[:, None, :]
    out = pm.logp(dist, value)
    return out.sum(axis=-1) if out.ndim == 3 else out


def _row_random(mixture, data):
    """Rows given theta: z from weight and labels, then x from the family.

    The family's mask is a fact about the observed rows, not about new ones: z is drawn without it.
    """
    names, masked = list(mixture.parameters), mixture.family.mask(data.x, mixture.components) is not None
    label = mixture.log_label(data)
    label = np.zeros((1, mixture.components)) if label is None else np.maximum(label, -1e30)

    def random(*args, rng=None, size=None):
        theta = {n: np.asarray(a) for n, a in zip(names, args, strict=False)}
        log_label = np.asarray(args[len(names) + 2]).T
        log_label = np.broadcast_to(label, log_label.shape) if masked else log_label
        z = draw_allocations(np.log(theta["weight"]) + log_label, rng)
        return mixture.family.draw(z, rng, **mixture.own(theta))

    return random

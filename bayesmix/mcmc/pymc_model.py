"""The specification as a plain PyMC model."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesmix.data.data import Data
from bayesmix.em.kernel import Problem
from bayesmix.errors import InputError
from bayesmix.mcmc import missing
from bayesmix.mcmc.allocations import draw_allocations
from bayesmix.mcmc.explicit import explicit_model
from bayesmix.mcmc.mix_op import mix_rows
from bayesmix.mcmc.pymc_parts import believe, coords_of, dist_logp, gufunc_axes
from bayesmix.spec.missing import filled


def to_pymc(mixture, data, latent="marginal"):
    """The mixture as a `pm.Model`: free RVs named like the fields, one observed `x`, z summed out.

    `x` has one log-likelihood value per row (row weights included), so pointwise log likelihood, LOO
    and predictive draws all follow. Its rows are read from `features`, the sufficient statistics of
    x about its mean; Fixed fields are constants. Missing cells are summed out: `x` holds filler where
    `observed_cells` is 0.

    Constraints with enforce="transform" live in the transforms of their RVs, the others are Potentials named
    like their term. PyMC's forward sampling of priors looks at neither: `pm.sample_prior_predictive` on this
    model draws theta as if there were no constraints (of Potentials it warns, of transforms it does not).
    `bm.sample_prior_predictive` obeys them. `pm.sample_posterior_predictive` needs no care: it takes theta
    from the posterior and draws only x.

    Args:
        mixture: a `Mixture`.
        data: a `Data`, or anything that `Data(x)` takes.
        latent: "marginal", or "explicit" for the textbook model with a `pm.Categorical` allocation of every
            row (`bayesmix.mcmc.explicit`): the same posterior of theta, hundreds of times dearer, for small data.

    Raises:
        InputError: `latent` is neither, or the explicit model is asked for beside row weights.
    """
    if latent not in ("marginal", "explicit"):
        raise InputError(f'to_pymc(latent={latent!r}): expected "marginal" or "explicit".')
    data = data if isinstance(data, Data) else Data(data)
    if latent == "explicit":
        return explicit_model(mixture, data)
    mixture = mixture.resolve(data)
    family, problem = mixture.family, Problem.of(mixture, data)
    with pm.Model(coords=coords_of(mixture, data)) as model:
        theta = believe(model, mixture, data)
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
            signature=gufunc_axes(theta.values()) + ",(f,n),(n),(K,n),(n),(d)->(n,d)",
            observed=x,
            dims=("obs", "feature"),
        )
    return model


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
            W = pt.switch(pt.eq(pt.arange(W.shape[1]), 0), W + log_weight, W)  # compiled sooner than slices joined
            features, base, log_label, row_weight = rows
            return mix_rows(features, W, log_label, base, row_weight)

        own = family.shift(own, -pt.specify_shape(origin, (d,)))
        per_row = (features, base, log_label, row_weight)
        if layout is not None:
            return missing.row_logp(layout, family, own, per_row, mix)
        return mix(family.natural(pt, **own), *per_row)

    return logp


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

"""The textbook model with its allocations z written out, for teaching and comparison.

    z_i ~ Categorical(weight),    x_i | z_i ~ f(x | theta_{z_i})

Summed over z it is the marginal model. Its z are discrete, so NUTS cannot move them: PyMC proposes them one
at a time, and each proposal evaluates the whole model. A sweep costs of the order of n^2 K densities, and z
and theta hold each other in place, so that hundreds of draws may be worth a handful of independent ones.
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesmix.mcmc import missing
from bayesmix.mcmc.explicit_chains import refuse_weights
from bayesmix.mcmc.pymc_parts import believe, coords_of, dist_logp, gufunc_axes
from bayesmix.spec.missing import filled


def explicit_model(mixture, data):
    """A `pm.Model` of theta and z: `z` where it is unknown, `z_labelled` where a label settles it.

    Labels that leave a choice (sets of classes, probabilities of a reported label) are the Potential `log_label`.
    """
    refuse_weights(data)
    mixture = mixture.resolve(data)
    labels = mixture.log_label(data)
    labels = np.zeros((data.n, mixture.components)) if labels is None else labels
    settled = np.isfinite(labels).sum(axis=1) == 1
    free, known = np.flatnonzero(~settled), np.flatnonzero(settled)
    coords = coords_of(mixture, data)
    rows = {"z": (free, "obs"), "z_labelled": (known, "obs")}
    if len(free) and len(known):
        rows = {"z": (free, "obs_unlabelled"), "z_labelled": (known, "obs_labelled")}
        coords |= {"obs_unlabelled": free, "obs_labelled": known}
    start, seen = first_allocations(mixture, data), ~np.isnan(data.x)

    with pm.Model(coords=coords) as model:
        theta = believe(model, mixture, data)
        parts = []
        if len(free):
            parts.append(pm.Categorical("z", p=theta["weight"], dims=rows["z"][1], initval=start[free]))
        if len(known):
            label = pm.Data("label", labels[known].argmax(axis=1), dims=rows["z_labelled"][1])
            parts.append(pm.Categorical("z_labelled", p=theta["weight"], observed=label, dims=rows["z_labelled"][1]))
        z = parts[0] if len(parts) == 1 else pt.concatenate(parts)[np.argsort(np.concatenate([free, known]))]
        told = np.where(np.isneginf(labels) & settled[:, None], 0.0, labels)
        if told.any():
            pm.Potential("log_label", pt.as_tensor(told)[np.arange(data.n), z].sum())
        pm.CustomDist(
            "x",
            z,
            *theta.values(),
            pt.as_tensor(seen.astype(np.int8)),
            logp=_logp_given_z(mixture, seen),
            random=_draw_given_z(mixture),
            signature=f"(n),{gufunc_axes(theta.values())},(n,d)->(n,d)",
            observed=pm.Data("x_data", filled(data.x), dims=("obs", "feature")),
            dims=("obs", "feature"),
        )
    return model


def first_allocations(mixture, data):
    """z (n,) to start from: the rows by rank in the first column, each in the nearest component it may belong to."""
    allowed, K = mixture.log_allowed(data), mixture.components
    rank = filled(data.x)[:, 0].argsort(kind="stable").argsort(kind="stable")
    distance = np.abs(np.arange(K) - (rank * K // data.n)[:, None])
    if allowed is not None:
        distance = np.where(np.isneginf(allowed), K, distance)
    return distance.argmin(axis=1)


def _logp_given_z(mixture, seen):
    """logp(value, z, weight, *fields, seen) -> (n,): log f of each row's observed cells under its own component."""
    names, K = list(mixture.parameters), mixture.components

    def logp(value, z, *args):
        theta = dict(zip(names, args, strict=False))
        own = {n: pt.specify_shape(theta[n], mixture.field_shape(n, seen.shape[1])) for n in names[1:]}
        joint = missing.dist_logp(mixture.family, value, seen, own, K, dist_logp) + pt.zeros((1, K))
        return joint[np.arange(len(seen)), z]

    return logp


def _draw_given_z(mixture):
    """Rows given theta and z."""
    names = list(mixture.parameters)

    def random(z, *args, rng=None, size=None):
        theta = {n: np.asarray(a) for n, a in zip(names, args, strict=False)}
        return mixture.family.draw(np.asarray(z), rng, **mixture.own(theta))

    return random

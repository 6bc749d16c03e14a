"""Raw chains as a Fit: log posterior per draw, relabelling, pointwise log likelihood, predictive draws."""

import numpy as np

from bayesmix.em.modes import assign
from bayesmix.fit import Fit
from bayesmix.mcmc.pymc_model import draw_allocations

PREDICTIVE = 100  # posterior predictive data sets kept per chain


def pack(model, data, problem, posterior, stats, em, passport, settings, seed):
    """The Fit of chains given as one dict of draws each, with their sampler statistics."""
    import xarray as xr

    chains, draws = len(posterior), len(next(iter(posterior[0].values())))
    constant = model.draw_unconstrained(np.random.default_rng(0), data.d)
    fields = {}
    for name in model.parameters:
        if name in posterior[0]:
            fields[name] = np.stack([p[name] for p in posterior])
        else:
            fields[name] = np.broadcast_to(constant[name], (chains, draws, *constant[name].shape)).copy()
    log_posterior = np.empty((chains, draws))
    log_likelihood = np.empty((chains, draws, data.n))
    for c, s in np.ndindex(chains, draws):
        theta = problem.inward({name: v[c, s] for name, v in fields.items()})
        _, rows = problem.responsibilities(theta)
        log_likelihood[c, s] = rows if data.weight is None else rows * data.weight
        log_posterior[c, s] = log_likelihood[c, s].sum() + sum(problem.mixture.log_prior(theta).values())
    if em is not None:
        reference = em.optima[0].theta
    else:
        c, s = np.unravel_index(log_posterior.argmax(), log_posterior.shape)
        reference = {name: v[c, s] for name, v in fields.items()}
    permutation, allocation = relabel_to(problem, fields, reference)

    coords = {"chain": np.arange(chains), "draw": np.arange(draws), "obs": np.arange(data.n)}
    sample_stats = xr.Dataset(
        {n: (("chain", "draw"), np.stack([s[n] for s in stats])) for n in stats[0]},
        coords={k: coords[k] for k in ("chain", "draw")},
    )
    fit = Fit(
        engine="mcmc",
        mixture=model,
        data=data,
        draws=fields,
        log_posteriors=log_posterior,
        permutation=permutation,
        settings=settings,
        certificate=passport,
        optima=em.optima if em is not None else (),
        runs=em.runs if em is not None else (),
        groups={
            "sample_stats": sample_stats,
            "log_likelihood": xr.Dataset({"x": (("chain", "draw", "obs"), log_likelihood)}, coords=coords),
            "allocation": xr.Dataset(
                {"probability": (("obs", "component"), allocation)}, coords={"obs": coords["obs"]}
            ),
        },
    )
    fit.groups["posterior_predictive"] = predictive(fit, np.random.default_rng(int(seed)))
    return fit


def relabel_to(problem, fields, reference):
    """The permutation of each draw nearest to the reference, and the mean relabelled responsibilities.

    Returns (chain, draw, K) by `em.modes.assign`, the identity under an order, where there is no label
    symmetry, and (n, K), the posterior probability of each allocation.
    """
    shape, K = next(iter(fields.values())).shape[:2], problem.mixture.components
    permutation = np.broadcast_to(np.arange(K), (*shape, K)).copy()
    target, _ = problem.responsibilities(problem.inward(reference))
    allocation = np.zeros_like(target)
    for c, s in np.ndindex(*shape):
        r, _ = problem.responsibilities(problem.inward({name: v[c, s] for name, v in fields.items()}))
        if problem.relabelings > 1:
            permutation[c, s] = assign(problem, target, r)
        allocation += r[:, permutation[c, s]]
    return permutation, allocation / np.prod(shape)


def predictive(fit, rng):
    """Replicated data sets from evenly spaced draws, at most PREDICTIVE per chain (labels respected)."""
    import xarray as xr

    chains, draws = fit.shape
    kept = np.unique(np.linspace(0, draws - 1, min(PREDICTIVE, draws)).astype(int))
    model, label = fit.mixture, fit.mixture.log_label(fit.data)
    x = np.empty((chains, len(kept), fit.data.n, fit.data.d))
    for c in range(chains):
        for j, s in enumerate(kept):
            theta = fit.theta(c, s, relabelled=False)
            with np.errstate(divide="ignore"):
                log_p = np.broadcast_to(np.log(theta["weight"]), (fit.data.n, model.components))
            z = draw_allocations(log_p if label is None else log_p + label, rng)
            x[c, j] = model.family.draw(z, rng, **model.own(theta))
    return xr.Dataset(
        {"x": (("chain", "draw", "obs", "feature"), x)},
        coords={
            "chain": np.arange(chains),
            "draw": kept,
            "obs": np.arange(fit.data.n),
            "feature": list(fit.data.names),
        },
    )

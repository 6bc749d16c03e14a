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
    relabel = Relabel(problem, em.optima[0].theta if em is not None else None, (chains, draws))
    for c, s in np.ndindex(chains, draws):
        theta = problem.inward({name: v[c, s] for name, v in fields.items()})
        r, rows = problem.responsibilities(theta)
        log_likelihood[c, s] = rows if data.weight is None else rows * data.weight
        log_posterior[c, s] = log_likelihood[c, s].sum() + sum(problem.mixture.log_prior(theta).values())
        relabel.see(c, s, r)
    if em is None:  # the reference is the best draw, known only now
        c, s = np.unravel_index(log_posterior.argmax(), log_posterior.shape)
        relabel = Relabel(problem, {name: v[c, s] for name, v in fields.items()}, (chains, draws))
        for c, s in np.ndindex(chains, draws):
            theta = problem.inward({name: v[c, s] for name, v in fields.items()})
            relabel.see(c, s, problem.responsibilities(theta)[0])
    permutation, allocation = relabel.permutation, relabel.total / (chains * draws)

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


class Relabel:
    """The permutation of each draw nearest to a reference theta, and the sum of the relabelled responsibilities.

    `permutation` (chain, draw, K) is found by `em.modes.assign`; under an order there is no label
    symmetry and it stays the identity. `total` (n, K) over the draws is the allocation probability.
    """

    def __init__(self, problem, reference, shape):
        K = problem.mixture.components
        self.problem = problem
        self.permutation = np.broadcast_to(np.arange(K), (*shape, K)).copy()
        self.total = np.zeros((len(problem.x), K))
        self.target = None if reference is None else problem.responsibilities(problem.inward(reference))[0]

    def see(self, chain, draw, r):
        """Take in the responsibilities r (n, K) of one draw."""
        if self.target is None:
            return
        if self.problem.relabelings > 1:
            self.permutation[chain, draw] = assign(self.problem, self.target, r, self.problem.free_blocks)
        self.total += r[:, self.permutation[chain, draw]]


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

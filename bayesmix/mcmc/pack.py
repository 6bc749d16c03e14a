"""Raw chains as a Fit: log posterior per draw, relabelling, pointwise log likelihood, predictive draws."""

import numpy as np

from bayesmix.em.kernel import TOLERANCE, soften
from bayesmix.em.modes import assign
from bayesmix.fit import Fit
from bayesmix.mcmc.allocations import draw_allocations

PREDICTIVE = 100  # posterior predictive data sets kept per chain
CELLS = 500_000  # draws x components x rows that are evaluated at once


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
    for c, s, theta, r, rows in passes(problem, fields):
        log_likelihood[c, s] = rows if data.weight is None else rows * data.weight
        log_posterior[c, s] = log_likelihood[c, s].sum() + sum(problem.mixture.log_prior(theta).values())
        relabel.see(c, s, r)
    if em is None:  # the reference is the best draw, known only now
        best = np.unravel_index(log_posterior.argmax(), log_posterior.shape)
        relabel = Relabel(problem, {name: v[best] for name, v in fields.items()}, (chains, draws))
        for c, s, _, r, _ in passes(problem, fields):
            relabel.see(c, s, r)
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


def passes(problem, fields):
    """(chain, draw, theta, r (n, K), row terms (n,)) of every draw, theta in centred coordinates.

    For an exponential family many draws share one product: components of all of them are stacked
    into one W, in chunks of at most CELLS draws x K x n.
    """
    model, (n, _) = problem.mixture, problem.x.shape
    chains, draws = next(iter(fields.values())).shape[:2]
    K, at_once = model.components, max(1, CELLS // (model.components * len(problem.x)))
    for c in range(chains):
        for first in range(0, draws, at_once):
            some = range(first, min(first + at_once, draws))
            thetas = [problem.inward({name: v[c, s] for name, v in fields.items()}) for s in some]
            whole = problem.exponential and problem.parts is None and model.family.count is None
            together = stacked(problem, thetas) if whole and len(thetas) > 1 else None
            if together is None:
                pairs = (problem.responsibilities(theta) for theta in thetas)
            else:
                r, rows, _ = soften(together, 1.0)  # components first: (K, draws x n)
                r = r.reshape(K, len(thetas), n).transpose(1, 2, 0)
                pairs = zip(r, rows.reshape(len(thetas), n) + problem.base, strict=True)
            for s, theta, (r, rows) in zip(some, thetas, pairs, strict=True):
                yield c, s, theta, r, rows


def stacked(problem, thetas):
    """log w_k + log f_k(x_i) - base_i + log_label_ik of many theta, (K, draws x n), or None where rounding forbids."""
    model, K, S, n = problem.mixture, problem.mixture.components, len(thetas), len(problem.x)
    own = {name: np.concatenate([_full(t[name], K) for t in thetas]) for name in model.family.parameters}
    with np.errstate(divide="ignore"):
        log_weight = np.maximum(np.log([t["weight"] for t in thetas]), -1e30)
    W = model.family.natural(np, **own)
    if (np.finfo(float).eps * (np.abs(W) @ problem.largest) > TOLERANCE).any():
        return None
    W[:, 0] += log_weight.ravel()
    joint = (W @ problem.features).reshape(S, K, n).transpose(1, 0, 2)
    if problem.log_label is not None:
        joint = joint + np.maximum(problem.log_label.T, -1e30)[:, None, :]
    return np.ascontiguousarray(joint).reshape(K, S * n)


def _full(value, K):
    """A field with its shared component axis repeated."""
    return np.repeat(value, K, axis=0) if len(value) == 1 else value


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

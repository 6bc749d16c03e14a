"""Raw chains as a Fit: log posterior per draw, relabelling, allocations, pointwise log likelihood, predictive draws.

Rows are read in runs of draws (`spec/many.py`), so that no array of draws x rows x components is ever held; what is
stored of draws x rows is bounded by STORED numbers: beyond, evenly spaced draws are kept, which LOO and predictive
checks in ArviZ take as they are.
"""

import numpy as np

from bayesmix.fit import Fit
from bayesmix.mcmc.allocations import draw_allocations
from bayesmix.predict import evenly
from bayesmix.spec import many

STORED = 2**25  # numbers (256 MiB) that the pointwise log likelihood, and the predictive draws, may have in the fit
PREDICTIVE = 100  # posterior predictive data sets kept per chain
INTERVAL = 0.9  # probability of the stored interval of each row's allocation probabilities
INTERVAL_DRAWS = 1000  # draws that it is taken from


def pack(model, data, problem, posterior, stats, em, passport, settings, seed):
    """The Fit of chains given as one dict of draws each, with their sampler statistics."""
    import xarray as xr

    fields = all_fields(model, data, posterior)
    chains, draws = fields["weight"].shape[:2]
    flat, label = many.stack(fields), model.log_label(data)
    kept, spoken = evenly(draws, max(1, STORED // (chains * data.n))), informative(data, label)
    slot = np.full(draws, -1)
    slot[kept] = np.arange(len(kept))
    slot = np.concatenate([np.where(slot >= 0, slot + c * len(kept), -1) for c in range(chains)])
    pointwise, total = np.empty((chains * len(kept), len(spoken))), np.empty(chains * draws)
    relabel = Relabel(problem, em.optima[0].theta if em is not None else None, chains * draws)
    for run, r, rows in many.by_draws(model, data.x, flat, label):
        rows = rows if data.weight is None else rows * data.weight
        total[run] = rows.sum(axis=1)
        stored = np.flatnonzero(slot[run] >= 0)
        pointwise[slot[run][stored]] = rows[stored][:, spoken]
        relabel.see(run, r)
    log_posterior = total + many.log_prior(model, flat)
    if em is None:  # the reference is the best draw, known only now
        best = log_posterior.argmax()
        relabel = Relabel(problem, {name: v[best] for name, v in flat.items()}, chains * draws)
        for run, r, _ in many.by_draws(model, data.x, flat, label):
            relabel.see(run, r)
    shape = (chains, draws)
    sample_stats = xr.Dataset(
        {n: (("chain", "draw"), np.stack([s[n] for s in stats])) for n in stats[0]},
        coords={"chain": np.arange(chains), "draw": np.arange(draws)},
    ).assign(total_log_likelihood=(("chain", "draw"), total.reshape(shape)))
    coords = {"chain": np.arange(chains), "draw": kept, "obs": spoken}
    pointwise = pointwise.reshape(chains, len(kept), len(spoken))
    fit = Fit(
        engine="mcmc",
        mixture=model,
        data=data,
        draws=fields,
        log_posteriors=log_posterior.reshape(shape),
        permutation=relabel.permutation.reshape(*shape, model.components),
        settings=settings | {"notes": [*settings.get("notes", ()), *thinning(len(kept), draws, chains, data.n)]},
        certificate=passport,
        optima=em.optima if em is not None else (),
        runs=em.runs if em is not None else (),
        groups={
            "sample_stats": sample_stats,
            "log_likelihood": xr.Dataset({"x": (("chain", "draw", "obs"), pointwise)}, coords=coords),
        },
    )
    fit.groups["allocation"] = allocation(fit, relabel.total / (chains * draws))
    fit.groups["posterior_predictive"] = predictive(fit, np.random.default_rng(int(seed)))
    return fit


def thinning(kept, draws, chains, n):
    """A sentence for the record where not every draw's pointwise log likelihood is stored, as a list."""
    if kept == draws:
        return []
    return [
        f"The pointwise log likelihood is stored of {kept} of the {draws} draws of each chain, evenly spaced, and LOO "
        f"is computed of those: all would take {8e-9 * chains * draws * n:.2g} GB. `fit.pointwise(rows)` has them all."
    ]


def informative(data, log_label):
    """Indices of the rows whose term depends on theta: weight zero, or nothing observed, is the same in every draw.

    Pareto-smoothed LOO cannot be computed of a constant.
    """
    silent = np.isnan(data.x).all(axis=1)
    if log_label is not None:
        silent &= (log_label == log_label[:, :1]).all(axis=1)
    if data.weight is not None:
        silent |= data.weight == 0
    return np.flatnonzero(~silent)


def all_fields(model, data, posterior):
    """field -> (chain, draw, ...) of every parameter, the constant ones repeated."""
    chains, draws = len(posterior), len(next(iter(posterior[0].values())))
    constant, fields = model.draw_unconstrained(np.random.default_rng(0), data.d), {}
    for name in model.parameters:
        if name in posterior[0]:
            fields[name] = np.stack([p[name] for p in posterior])
        else:
            fields[name] = np.broadcast_to(constant[name], (chains, draws, *constant[name].shape)).copy()
    return fields


def passes(problem, fields):
    """(chain, draw, theta, r (n, K), row terms (n,)) of every draw, one after another, theta in centred coordinates.

    For whoever wants single draws; what takes runs of them is faster (`spec/many.py`).
    """
    inward, draws = problem.inward(many.stack(fields)), fields["weight"].shape[1]
    for run, r, rows in many.by_draws(problem.mixture, problem.x, inward, problem.log_label):
        for i, s in enumerate(range(run.start, run.stop)):
            yield *divmod(s, draws), {name: v[s] for name, v in inward.items()}, r[i].T, rows[i]


class Relabel:
    """The permutation of each draw nearest to a reference theta, and the sum of the relabelled responsibilities.

    `permutation` (draws, K) makes the responsibilities agree most with those of the reference; under an order there
    is no label symmetry and it stays the identity. `total` (n, K) over the draws is the allocation probability.
    """

    def __init__(self, problem, reference, draws):
        K = problem.mixture.components
        self.blocks = [np.array(b) for b in problem.free_blocks if len(b) > 1] if problem.relabelings > 1 else []
        self.permutation = np.tile(np.arange(K), (draws, 1))
        self.total = np.zeros((len(problem.x), K))
        self.target = None if reference is None else problem.responsibilities(problem.inward(reference))[0]

    def see(self, run, r):
        """Take in the responsibilities r (draws, K, n) of a run of draws."""
        if self.target is None:
            return
        if self.blocks:
            from scipy.optimize import linear_sum_assignment

            overlap = (r @ self.target).transpose(0, 2, 1)  # (draws, new component, old component)
            for block in self.blocks:
                for s, one in enumerate(overlap[:, block][:, :, block], start=run.start):
                    self.permutation[s, block] = block[linear_sum_assignment(one, maximize=True)[1]]
        perm = self.permutation[run]
        if (perm == np.arange(perm.shape[1])).all():
            self.total += r.sum(axis=0).T
        else:
            self.total += np.take_along_axis(r, perm[:, :, None], axis=1).sum(axis=0).T


def allocation(fit, mean):
    """p(z_i = k | data), (n, K), with its interval over the draws: where r_ik lies with probability INTERVAL."""
    import xarray as xr

    which = evenly(int(np.prod(fit.shape)), INTERVAL_DRAWS)
    fields = many.some(many.stack(fit.relabelled), which)
    lower, upper = np.empty(mean.shape), np.empty(mean.shape)
    tails = [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2]
    for block, r, _ in many.by_rows(fit.mixture, fit.data.x, fields, fit._log_label):
        r = np.ascontiguousarray(r.transpose(2, 1, 0))
        lower[block], upper[block] = np.quantile(r, tails, axis=2, overwrite_input=True)
    variables = {"probability": mean, "lower": lower, "upper": upper}
    return xr.Dataset(
        {name: (("obs", "component"), value) for name, value in variables.items()},
        coords={"obs": np.arange(fit.data.n), "component": np.arange(fit.mixture.components)},
        attrs={"interval": INTERVAL, "interval_draws": len(which)},
    )


def predictive(fit, rng):
    """Replicated data sets from evenly spaced draws, at most PREDICTIVE per chain.

    The known labels are kept, and the cells that were not observed are missing there too.
    """
    import xarray as xr

    chains, draws = fit.shape
    kept = evenly(draws, min(PREDICTIVE, max(1, STORED // (chains * fit.data.x.size))))
    model, label = fit.mixture, fit.mixture.log_label(fit.data)
    x = np.empty((chains, len(kept), fit.data.n, fit.data.d))
    for c in range(chains):
        for j, s in enumerate(kept):
            theta = fit.theta(c, s, relabelled=False)
            with np.errstate(divide="ignore"):
                log_p = np.broadcast_to(np.log(theta["weight"]), (fit.data.n, model.components))
            z = draw_allocations(log_p if label is None else log_p + label, rng)
            x[c, j] = model.family.draw(z, rng, **model.own(theta))
    x[:, :, np.isnan(fit.data.x)] = np.nan
    return xr.Dataset(
        {"x": (("chain", "draw", "obs", "feature"), x)},
        coords={
            "chain": np.arange(chains),
            "draw": kept,
            "obs": np.arange(fit.data.n),
            "feature": list(fit.data.names),
        },
    )

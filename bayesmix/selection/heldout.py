"""Held-out log density: rows that the fit has not seen, fold by fold.

    sum_i weight_i log p(x_i, label_i | the other folds),

at the optimum of the other folds for EM, averaged over their posterior for MCMC. The folds are the same for every
candidate, so that differences have an error of their own, row by row. The priors are those of the whole data.

References: Smyth (2000), Statistics and Computing 10:63-72; Vehtari, Gelman & Gabry (2017), Statistics and Computing
27:1413-1432, eq. (24), for the error of a sum over rows.
"""

import numpy as np

from bayesmix.selection.criteria import MISSING, Cell, criterion
from bayesmix.selection.refit import folds_of, refit
from bayesmix.spec import many
from bayesmix.spec.special import logsumexp

CHAINS, DRAWS, TUNE = 2, 500, 300  # of each fold's Gibbs run


@criterion(
    "held-out, EM", sign=1, meaning="log density of held-out rows at the optimum of the others; larger is better"
)
def by_em(subject):
    if not subject.plan["folds"]:
        return MISSING

    def density(training, testing, rng):
        run = refit(subject.model, training, rng, subject.plan["refit_restarts"])
        if run is None:
            return None
        joint = subject.model.log_joint(testing.x, run.theta, subject.model.log_label(testing))
        return logsumexp(joint, axis=1)

    return over_folds(subject, density, "every restart of a fold collapsed.")


@criterion(
    "held-out, MCMC", sign=1, needs="mcmc",
    meaning="log density of held-out rows under the posterior of the others, by Gibbs; larger is better",
)  # fmt: skip
def by_mcmc(subject):
    if not subject.plan["folds"] or not subject.plan["mcmc_folds"]:
        return MISSING
    if subject.plan["sampler"][str(subject.candidate.name)] != "gibbs":
        return Cell(np.nan, reason="Refits by MCMC are made by Gibbs only, which this model does not allow.")

    def density(training, testing, rng):
        from bayesmix.mcmc.sample import fit_mcmc

        run = refit(subject.model, training, rng, subject.plan["refit_restarts"])
        if run is None:
            return None
        fit = fit_mcmc(
            subject.model, training, draws=DRAWS, tune=TUNE, chains=CHAINS, sampler="gibbs", workers=1, progress=False,
            start=[run.theta] * CHAINS, seed=int(rng.integers(2**32)),
        )  # fmt: skip
        log_label = subject.model.log_label(testing)
        rows = [part for _, _, part in many.by_draws(subject.model, testing.x, many.stack(fit.draws), log_label)]
        rows = np.concatenate(rows)
        return logsumexp(rows, axis=0) - np.log(len(rows))

    found = over_folds(subject, density, "every restart of a fold collapsed.")
    return found if found.reason else Cell(found.value, found.se, subject.mcmc_fault, found.rows)


def over_folds(subject, density, lost):
    """The Cell of density(training data, testing data, rng) -> (rows,) summed over the folds; None is a lost fold."""
    data, count = subject.data, subject.plan["folds"]
    if count > data.n:
        return Cell(np.nan, reason=f"There are {data.n} rows, fewer than {count} folds.")
    fold = folds_of(data, count, subject.seeds["folds"])
    rows = np.empty(data.n)
    for f, child in enumerate(np.random.SeedSequence(subject.seeds["refits"]).spawn(count)):
        out = fold == f
        found = density(data.take(~out), data.take(out), np.random.default_rng(child))
        if found is None:
            return Cell(np.nan, reason=f"Fold {f}: {lost}")
        rows[out] = found
    rows = rows * data.row_weight
    reason = "" if np.isfinite(rows).all() else "A held-out row is impossible under the fit of the others."
    return Cell(float(rows.sum()), float(np.sqrt(len(rows) * rows.var(ddof=1))), reason, rows)

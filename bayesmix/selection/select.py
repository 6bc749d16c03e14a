"""`select`: the dossier on several models of the same data."""

from dataclasses import replace

import numpy as np

from bayesmix.data.data import Data
from bayesmix.em.kernel import Problem
from bayesmix.em.progress import meter
from bayesmix.errors import InputError
from bayesmix.seed import seed_of
from bayesmix.selection import examine as _examine  # registers the criteria
from bayesmix.selection import likelihood_ratio
from bayesmix.selection.candidates import candidates_of
from bayesmix.selection.counting import usual_prior
from bayesmix.selection.criteria import CRITERIA, Cell
from bayesmix.selection.dossier import Dossier
from bayesmix.selection.kept import Kept

ENGINES = ("both", "em", "mcmc")
DECIDES = {"both": "log evidence", "mcmc": "log evidence", "em": "BIC"}
SAMPLERS = ("gibbs", "nutpie", "pymc", "numpyro")
CHUNK = 10  # bootstrap replicates that one job makes


def select(
    model,
    data,
    components=None,
    *,
    engine="both",
    by=None,
    prior=None,
    restarts=20,
    draws=1000,
    tune=500,
    chains=4,
    sampler=None,
    bootstrap=0,
    stability=0,
    folds=0,
    mcmc_folds=False,
    refit_restarts=5,
    smc=0,
    seed=None,
    workers=2,
    progress=None,
    folder=None,
):
    """The Dossier of several models of the same data: how many components, or which family, or neither.

    A number whose assumptions fail is greyed with the reason, a candidate that has not converged or is degenerate
    is never chosen, and where candidates tie, or one that cannot be judged is still in the race, the choice is None.
    Numbers of components are chosen by the posterior of the groups in use over all candidates, which sees through
    components that only repeat others (`selection/counting.py` has the rule and its sources): without odds of 3 to 1
    there is no choice, and `Dossier.credible` holds the numbers that have 95 % of the probability.

    Args:
        model: a `Mixture`, compared with itself at every number of `components`; or a list of them, or a dict of
            name -> Mixture. One that is left to its default priors gets the same priors whatever K is.
        data: a `Data`, or anything that `Data(x)` takes.
        components: numbers of components; left out, 1 to 6.
        engine: "em" (information criteria at the optimum), "both", or "mcmc" ("both", as chains start from EM).
        by: the criterion that decides, a column of the table that ranks: "log evidence" by default, "BIC" for "em".
        prior: probabilities of the candidates before the data, in their order, up to a factor; left out, those of
            K - 1 ~ beta-negative-binomial(1, 4, 3) for numbers of components (.57, .21, .10, .05, .03, .02 for 1 to
            6, up to a factor), and equal ones for a list of models.
        restarts: of EM; five times as many where only one of them reached the best optimum.
        draws, tune, chains: of MCMC; five times as many draws where the numbers from Gibbs chains cannot be used yet.
        sampler: left out, "gibbs" where the priors allow it, else "nutpie", and `settings["notes"]` says for whom.
        bootstrap: replicates of the likelihood ratio test of K against K + 1; 0 leaves it out, 99 is usual.
        stability: refits to resampled rows; 0 leaves it out, 20 is usual.
        folds: of the held-out log density, by EM; 0 leaves it out, 10 is usual. mcmc_folds: by Gibbs too.
        refit_restarts: restarts of every one of these refits.
        smc: runs of sequential Monte Carlo, beside the chains, that must agree on the evidence; 0 leaves it out, 8 is
            usual, and dear.
        seed: any whole number; left out, a fresh one is drawn and recorded.
        workers: processes; the result does not depend on it.
        progress: None shows a bar after two seconds if stderr is a terminal, True at once, False never; a function
            is called as progress(done, total).
        folder: where every finished candidate is stored; the same call again computes only what is missing.

    Raises:
        InputError: a candidate does not fit the data, an argument is wrong, or the folder holds another comparison.

    References: Celeux, Fruehwirth-Schnatter & Robert (2019), Model selection for mixture models, in Handbook of
    Mixture Analysis, chapter 7; Fruehwirth-Schnatter, Malsiner-Walli & Gruen (2021), Bayesian Analysis 16:1279-1307,
    for the groups in use and the prior.
    """
    data = data if isinstance(data, Data) else Data(data)
    candidates = candidates_of(model, data, components)
    plan = _plan(
        engine=engine, restarts=restarts, draws=draws, tune=tune, chains=chains, bootstrap=bootstrap,
        stability=stability, folds=folds, mcmc_folds=bool(mcmc_folds), refit_restarts=refit_restarts, smc=smc,
        workers=workers,
    )  # fmt: skip
    prior = _prior(prior, candidates)
    by = by or DECIDES[engine]
    if by not in CRITERIA or not CRITERIA[by].sign:
        ranking = [n for n, c in CRITERIA.items() if c.sign]
        raise InputError(f"select(by={by!r}): expected one of {ranking}.")
    samplers, notes = _samplers(candidates, data, sampler, engine)
    given = None if seed is None else seed_of("select", seed)
    asked = plan | {"sampler": samplers, "seed": given}
    box = Kept.open(folder, asked, data) if folder is not None else None
    asked = box.asked if box else asked
    if asked["seed"] is None:
        asked = asked | {"seed": seed_of("select", None)}
    if box:
        box.begin(asked)
    records = _records(candidates, data, asked, box, workers, progress)
    if asked["bootstrap"]:
        records = _tested(records, asked, box, workers, progress)
    return Dossier(tuple(records), by, prior, asked | {"notes": notes})


def _plan(workers, **values):
    """The arguments as plain values. Raises InputError for a wrong one."""
    if values["engine"] not in ENGINES:
        raise InputError(f"select(engine={values['engine']!r}): expected one of {ENGINES}.")
    least = {"bootstrap": 0, "stability": 0, "folds": 0, "smc": 0}
    for name, value in (values | {"workers": workers}).items():
        if name in ("engine", "mcmc_folds"):
            continue
        low = least.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
            raise InputError(f"select({name}=...): expected a whole number of at least {low}, got {value!r}.")
    if values["smc"] == 1:
        raise InputError("select(smc=1): the error is that of the runs' mean; give at least 2, or 0 for none.")
    if values["folds"] == 1:
        raise InputError("select(folds=1): a single fold leaves nothing to fit; give at least 2, or 0 for none.")
    return {n: v if isinstance(v, str | bool) else int(v) for n, v in values.items()}


def _prior(prior, candidates):
    count = len(candidates)
    if prior is None:
        numbers = all(isinstance(c.name, int) for c in candidates)
        return usual_prior([c.name for c in candidates]) if numbers else np.full(count, 1 / count)
    p = np.asarray(prior, dtype=float)
    if p.shape != (count,) or not (p >= 0).all() or not np.isfinite(p).all() or not p.sum() > 0:
        raise InputError(f"select(prior=...): expected {count} numbers >= 0, one per candidate, got {prior!r}.")
    return p / p.sum()


def _samplers(candidates, data, sampler, engine):
    """(name -> sampler, sentences on candidates that Gibbs does not serve)."""
    if sampler is not None and sampler not in SAMPLERS:
        raise InputError(f"select(sampler={sampler!r}): expected one of {SAMPLERS}, or None.")
    if engine == "em":
        return {}, []
    if sampler not in (None, "gibbs"):
        return {str(c.name): sampler for c in candidates}, []
    from bayesmix.mcmc.gibbs import refuse

    out, notes = {}, []
    for c in candidates:
        try:
            refuse(Problem.of(c.model, data))
            out[str(c.name)] = "gibbs"
        except InputError as error:
            if sampler == "gibbs":
                raise
            out[str(c.name)] = "nutpie"
            why = str(error).removeprefix('fit_mcmc(sampler="gibbs"): ')
            notes.append(f"{c.name}: sampled by NUTS (nutpie), since Gibbs does not serve it: {why}")
    return out, notes


def _records(candidates, data, plan, box, workers, progress):
    """The Record of every candidate, in order; those that are stored are read."""
    records = {c.name: box.read(c, data) for c in candidates if box and box.has(c)}
    left = [c for c in candidates if c.name not in records]
    left.sort(key=lambda c: -c.model.components)  # the longest first
    with meter(progress, "candidates") as step:
        step(len(records), len(candidates))
        for c, record in zip(left, _each(_examine.examine, [(c, data, plan) for c in left], workers), strict=True):
            records[c.name] = record
            if box:
                box.write(c, record)
            step(len(records), len(candidates))
    return [records[c.name] for c in candidates]


def _tested(records, plan, box, workers, progress):
    """The Records with the likelihood ratio test against the one with one more component, where there is one."""
    by_count = {r.name: r for r in records if isinstance(r.name, int)}
    cells, jobs = {}, []
    for K, record in by_count.items():
        larger = by_count.get(K + 1)
        if larger is None:
            continue
        if record.em is None or larger.em is None:
            cells[K] = Cell(np.nan, reason="One of the two has no fit: every restart collapsed.")
            continue
        reason = likelihood_ratio.why_not(record.em, larger.em)
        stored = box.simulated(K) if box else None
        if reason:
            cells[K] = Cell(np.nan, reason=reason)
        elif stored is not None:
            cells[K] = likelihood_ratio.cell(record.em, larger.em, stored)
        else:
            seed = _examine.seeds_of(plan["seed"], K)["likelihood ratio"]
            children = np.random.SeedSequence(seed).spawn(plan["bootstrap"])
            for at in range(0, len(children), CHUNK):
                args = (_bare(record.em), _bare(larger.em), children[at : at + CHUNK], plan["refit_restarts"])
                jobs.append((K, args))
    found = {K: [] for K, _ in jobs}
    with meter(progress, "bootstrap replicates") as step:
        results = _each(likelihood_ratio.replicates, [args for _, args in jobs], workers)
        for done, ((K, _), part) in enumerate(zip(jobs, results, strict=True), start=1):
            found[K].append(part)
            step(done, len(jobs))
    for K, parts in found.items():
        simulated = np.concatenate(parts)
        if box:
            box.keep_simulated(K, simulated)
        cells[K] = likelihood_ratio.cell(by_count[K].em, by_count[K + 1].em, simulated)
    return [_with_cell(r, cells.get(r.name)) for r in records]


def _bare(fit):
    """The EM fit without its runs, which are long to send to a worker."""
    return replace(fit, runs=fit.runs[:1], optima=fit.optima[:1])


def _with_cell(record, cell):
    return record if cell is None else replace(record, cells=record.cells | {likelihood_ratio.NAME: cell})


def _each(function, arguments, workers):
    """function(*arguments), one after the other or in workers, in order, as they come."""
    if workers > 1 and len(arguments) > 1:
        from joblib import Parallel, delayed

        return Parallel(n_jobs=workers, return_as="generator")(delayed(function)(*a) for a in arguments)
    return (function(*a) for a in arguments)

"""Everything that is computed of one candidate by itself: fits, verdict, and each criterion's cell."""

import warnings
from dataclasses import dataclass, field, replace

import numpy as np

from bayesmix.diagnostics.checks.several_modes import REAL
from bayesmix.em.fit_em import fit_em
from bayesmix.errors import InputError
from bayesmix.selection import by_em, by_mcmc, heldout, stability  # noqa: F401  they register their criteria
from bayesmix.selection.criteria import CRITERIA, MISSING, Cell, Subject
from bayesmix.selection.groups import Groups, groups_of
from bayesmix.selection.trust import idle, seldom, spare

PURPOSES = ("em", "mcmc", "evidence", "stability", "refits", "likelihood ratio", "smc")
MORE = 5  # times as many restarts, and draws, in the next try
AGAIN = f"The chains were started a second time, in optima of at least {REAL:.0%} of the estimated mass."
CLIMBS = 25  # draws of each chain from which EM climbs: 100 of four meet a region of 3 % with probability .95


@dataclass(frozen=True, eq=False)
class Record:
    """What is known of one candidate.

    em, mcmc: its fits, or None. verdict: of `bm.diagnose`, of the chains where there are any. barred: why it cannot
    be chosen, whatever its numbers, or "". cells: criterion -> Cell. advice: what `bm.diagnose` says to do. groups:
    the `Groups` in use in its draws, or None. idle: whether the best optimum of EM has empty or twin components.
    """

    name: int | str
    model: object
    em: object = field(repr=False)
    mcmc: object = field(repr=False)
    verdict: str
    barred: str
    cells: dict
    advice: str = ""
    groups: Groups | None = None
    idle: bool = False

    def cell(self, name):
        """The Cell of a criterion, an empty one where it was not computed."""
        return self.cells.get(name, MISSING)


def seeds_of(seed, key):
    """purpose -> whole number for the candidate of this key; the folds are the same for all candidates."""
    own = np.random.SeedSequence(seed, spawn_key=(key,)).generate_state(len(PURPOSES))
    shared = np.random.SeedSequence(seed).generate_state(1)
    return {"folds": int(shared[0])} | {name: int(value) for name, value in zip(PURPOSES, own, strict=True)}


def examine(candidate, data, plan):
    """The Record of a candidate. It depends on nothing but these three, so candidates can run anywhere."""
    from bayesmix.diagnostics.diagnose import diagnose

    seeds = seeds_of(plan["seed"], candidate.key)
    try:
        em = census(candidate.model, data, plan["restarts"], seeds["em"])
    except InputError as error:  # every restart collapsed
        cells = {name: Cell(np.nan, reason=str(error)) for name, c in CRITERIA.items() if c.needs in engines(plan)}
        return Record(candidate.name, candidate.model, None, None, "degenerate", str(error), cells)
    subject, failure = None, ""
    if "mcmc" in engines(plan):
        try:
            subject = chains(candidate, data, plan, seeds, em)
        except InputError as error:  # every chain failed, say
            failure = str(error)
    subject = subject or Subject(candidate, data, plan, seeds, em, diagnosis=diagnose(em, progress=False))
    mcmc, diagnosis = subject.mcmc, subject.diagnosis
    cells = {}
    for name, criterion in CRITERIA.items():
        if criterion.needs == "mcmc" and mcmc is None:
            if failure:
                cells[name] = Cell(np.nan, reason=failure)
        else:
            with warnings.catch_warnings():  # ArviZ warns of Pareto's k: the cell says it
                warnings.filterwarnings("ignore", message="Estimated shape parameter of Pareto")
                cells[name] = criterion.function(subject)
    barred = failure or bar(subject)
    groups = None if mcmc is None else groups_of(mcmc)
    return Record(
        candidate.name, candidate.model, em, mcmc, diagnosis.verdict, barred, cells, diagnosis.advice, groups,
        idle(em, diagnosis),
    )  # fmt: skip


def engines(plan):
    """The engines whose criteria are computed."""
    return ("em",) if plan["engine"] == "em" else ("em", "mcmc")


def census(model, data, restarts, seed):
    """The EM fit; where too few restarts agree on the best optimum, one with five times as many."""
    fit = fit_em(model, data, restarts=restarts, seed=seed, progress=False)
    return fit_em(model, data, restarts=MORE * restarts, seed=seed, progress=False) if seldom(fit) else fit


def chains(candidate, data, plan, seeds, em):
    """The Subject with its chains; Gibbs chains whose numbers cannot be used are run again, longer.

    One with spare components has to be beaten only: it needs an evidence, not averages over its draws. Chains that
    stayed in different regions start again in those that hold at least 1 % of the estimated mass, which is what
    `bm.diagnose` counts as real: a chain that was started in less and could not leave it says nothing about the rest.
    """
    from bayesmix.mcmc.sample import fit_mcmc

    sampler = plan["sampler"][str(candidate.name)]
    start = em
    for length in (1, MORE) if sampler == "gibbs" else (1,):
        fit = fit_mcmc(
            em.mixture, em.data, draws=length * plan["draws"], tune=plan["tune"], chains=plan["chains"], start=start,
            sampler=sampler, seed=seeds["mcmc"], workers=1, progress=False,
        )  # fmt: skip
        if start is not em:
            fit = replace(fit, optima=em.optima, settings=fit.settings | {"notes": [*fit.settings["notes"], AGAIN]})
        subject = Subject(candidate, data, plan, seeds, em, fit, verdict_on(fit, em))
        fault = subject.region_fault if spare(subject.diagnosis) > 0 else subject.mcmc_fault
        if not fault and (isinstance(subject.evidence, str) or subject.evidence.ok):
            break
        start = heavy(em, subject.diagnosis)
    return subject


def heavy(em, diagnosis):
    """The EM fit with those of its optima that hold real mass, if chains stayed in different regions; else itself."""
    if "several modes" not in diagnosis.verdicts:
        return em
    share = diagnosis.modes["share"].to_numpy()[: len(em.optima)]
    kept = tuple(mode for mode, s in zip(em.optima, share, strict=True) if s >= REAL)
    return replace(em, optima=kept) if kept else em


def verdict_on(fit, em):
    """The Diagnosis by the checks that can carry a verdict, from fewer climbs than `bm.diagnose` makes."""
    from bayesmix.diagnostics.checks.prior_conflict import prior_conflict
    from bayesmix.diagnostics.diagnose import judged
    from bayesmix.diagnostics.evidence import Evidence
    from bayesmix.diagnostics.findings import CHECKS

    evidence = Evidence(replace(fit, optima=em.optima, runs=em.runs), em, climbs=CLIMBS)
    return judged(evidence, [c for c in CHECKS if c is not prior_conflict])


def bar(subject):
    """Why a candidate cannot be chosen, or ""."""
    if subject.diagnosis.verdict == "degenerate":
        return next(f.sentence for f in subject.diagnosis.findings if f.verdict == "degenerate")
    return subject.region_fault if subject.mcmc is not None else subject.em_fault

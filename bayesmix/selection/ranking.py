"""Who leads by a criterion, who ties with whom, and whether anybody can be chosen.

Two candidates tie when they differ by no more than the criterion's margin, or than twice the standard error of the
difference: sqrt(n var(d_i)) where the criterion is a sum over the same rows (Vehtari, Gelman & Gabry 2017, eq. 24),
else sqrt(se_a^2 + se_b^2).

Numbers of components are nested: more of them can always repeat the density of fewer, with components that are empty
or twins of others. So a larger number that ties with a smaller one is no rival if it is more probable than not, by its
own draws, that it has no more groups in use (`groups.py`) than the smaller has components: it says the same. A tie of
candidates that use all their components is a tie. A larger number without a usable optimum is no rival either if it
is one that leaves a component empty, or has twins: EM says the same. By the evidence, numbers of components are chosen
from the groups in use over all candidates (`counting.py`).

References: Rousseau & Mengersen (2011), JRSS B 73:689-710, for what overfitted mixtures do with spare components;
Malsiner-Walli, Fruehwirth-Schnatter & Gruen (2016), Statistics and Computing 26:303-324, for counting those in use.
"""

from dataclasses import dataclass

import numpy as np

RULED_OUT = 10.0  # nats: twice what Kass & Raftery (1995, section 3.2) call very strong, as stand-ins are rough
TIE = 2.0  # standard errors
REPEATS = 0.5  # probability: more probable than not


@dataclass(frozen=True)
class Gap:
    """How far a candidate is behind another, positive if it is, and the standard error of that."""

    value: float
    se: float
    tied: bool


def gap(criterion, behind, ahead):
    """The Gap between two usable cells."""
    value = criterion.sign * (ahead.value - behind.value)
    if ahead.rows is not None and behind.rows is not None and len(ahead.rows) == len(behind.rows):
        difference = ahead.rows - behind.rows
        se = float(np.sqrt(len(difference) * difference.var(ddof=1)))
    else:
        se = float(np.hypot(*(0.0 if np.isnan(c.se) else c.se for c in (ahead, behind))))
    return Gap(float(value), se, bool(abs(value) <= max(criterion.margin, TIE * se)))


def leaders(criterion, records):
    """The Records with a usable cell that lead: the best, then those that tie with it; barred ones included."""
    usable = [r for r in records if r.cell(criterion.name).usable]
    if not usable or criterion.sign == 0:
        return ()
    best = max(usable, key=lambda r: criterion.sign * r.cell(criterion.name).value)
    tied = [
        r for r in usable if r is not best and gap(criterion, r.cell(criterion.name), best.cell(criterion.name)).tied
    ]
    return (best, *tied)


@dataclass(frozen=True)
class Choice:
    """The Record that is chosen, or None; why; and what would settle it."""

    record: object
    why: str
    settle: tuple = ()


def choose(criterion, records, named):
    """The Choice by one criterion.

    A candidate is chosen only if it is barred by nothing, ties with nobody, and every candidate whose number is
    missing is out of the question (`ruled_out`). named: a Record's name in words.
    """
    by = criterion.name
    front = leaders(criterion, records)
    missing = [r for r in records if not r.cell(by).usable]
    if not front:
        reasons = {r.cell(by).reason or "it was not computed." for r in records}
        return Choice(None, f"{by} can be used for no candidate: {' '.join(sorted(reasons))}", advice(missing, named))
    front, repeats = without_repeats(front)
    best, *tied = front
    if tied:
        others = " and ".join(named(r) for r in tied)
        far = max((gap(criterion, r.cell(by), best.cell(by)) for r in tied), key=lambda g: g.value)
        why = f"{named(best)} and {others} tie by {by}: they differ by at most {far.value:.2f}{error(far)}."
        return Choice(None, why, settled(criterion, far, tied))
    if best.barred:
        why = f"{named(best)} leads by {by} but cannot be chosen: {best.barred}"
        return Choice(None, why, advice([best], named))
    open_ = [r for r in missing if not ruled_out(criterion, r, best)]
    if open_:
        whom = " and ".join(named(r) for r in open_)
        why = (
            f"{named(best)} leads by {by}, but {whom} cannot be compared with it: "
            f"{open_[0].cell(by).reason or 'it was not computed.'}"
        )
        return Choice(None, why, advice(open_, named))
    short = short_lead(criterion, best, records, named)
    if short:
        return Choice(None, *short)
    if repeats:
        others = " and ".join(f"{named(r)} ({r.groups.at_most(best.name):.0%})" for r in repeats)
        why = f"{named(best)} ties by {by} with {others}, which repeat{'s' * (len(repeats) == 1)} it with spare "
        return Choice(best, why + "components (share of the draws with no more groups in use).")
    return Choice(best, f"{named(best)} leads by {by}{second(criterion, best, records, named)}.")


def without_repeats(front):
    """(those of a tie that are left, the larger numbers of components among them that only repeat a smaller one)."""
    counts = [r.name for r in front]
    if not all(isinstance(c, int) for c in counts):
        return front, ()
    least = min(counts)
    repeats = [r for r in front if says_the_same(r, least)]
    return tuple(r for r in front if r not in repeats), tuple(sorted(repeats, key=lambda r: r.name))


def says_the_same(record, number):
    """Whether a larger number of components has, by its own draws, no more than this number of groups in use."""
    return record.name > number and record.groups is not None and record.groups.at_most(number) >= REPEATS


def short_lead(criterion, best, records, named):
    """(why, what would settle it) if a choice between numbers of components needs a larger lead, else None."""
    if not criterion.lead or not all(isinstance(r.name, int) for r in records):
        return None
    rivals = [r for r in records if r is not best and r.cell(criterion.name).usable and not says_the_same(r, best.name)]
    if not rivals:
        return None
    value, at = min((gap(criterion, r.cell(criterion.name), best.cell(criterion.name)).value, r.name) for r in rivals)
    if value > criterion.lead:
        return None
    rival = next(r for r in rivals if r.name == at)
    why = (
        f"{named(best)} leads by {criterion.name} by {value:.2f} before {named(rival)}, too little between numbers of "
        f"components, where {criterion.lead:g} is asked: it takes spare components to cost more than they do."
    )
    return why, ('Chains (engine="both") weigh the candidates without that shortcut; so would more rows.',)


def ruled_out(criterion, record, best):
    """Whether a candidate without a usable number is so far behind that it need not have one, or repeats a smaller one.

    Judged by a rough stand-in for the criterion, in nats: the evidence by Laplace's approximation over all optima, a
    predictive density by -AIC / 2, a criterion of EM by itself. Without one, nobody is ruled out.
    """
    numbers = isinstance(record.name, int) and isinstance(best.name, int)
    if criterion.needs == "em" and numbers and record.idle and record.name > best.name:
        return True
    behind, ahead = stand_in(criterion, record), stand_in(criterion, best)
    if best.cell(criterion.name).usable and criterion.name == "log evidence":
        ahead = best.cell(criterion.name).value
    return bool(ahead - behind > RULED_OUT)


def stand_in(criterion, record):
    """The stand-in, larger is better; NaN where there is none, which rules nobody out.

    An evidence that must not be used, since the chains may have missed a part of the posterior, still is a part of it.
    """
    if criterion.name == "log evidence":
        laplace = record.cell("Laplace evidence")
        return float(np.fmax(laplace.value, record.cell("log evidence").value)) if laplace.usable else np.nan
    if criterion.needs == "em" and criterion.name in record.cells:
        return criterion.sign * record.cell(criterion.name).value / (2 if criterion.sign < 0 else 1)
    height, df = record.cell("log likelihood"), record.cell("df")
    return float(height.value - df.value) if height.usable else np.nan


def second(criterion, best, records, named):
    """How far the next one is behind, in words."""
    by = criterion.name
    others = [r for r in records if r is not best and r.cell(by).usable]
    if not others:
        return ""
    nearest = min(others, key=lambda r: gap(criterion, r.cell(by), best.cell(by)).value)
    found = gap(criterion, nearest.cell(by), best.cell(by))
    return f", {found.value:.2f} ahead of {named(nearest)}{error(found)}"


def error(found):
    """The standard error of a gap in words, or ""."""
    return f" (standard error {found.se:.2f})" if found.se > 0 else ""


def settled(criterion, far, tied):
    """What would settle a tie."""
    if criterion.name == "log evidence" and TIE * far.se > max(criterion.margin, abs(far.value) / 2):
        return ("Longer chains (draws=...) would make the error of the evidence smaller.",)
    return (
        "The data do not tell these candidates apart: more rows would, or prior knowledge (prior=...); or take the "
        "simpler one, and say that it is a convention.",
    )


def advice(records, named):
    """What the diagnosis of these candidates says to do."""
    return tuple(f"{named(r)}: {line}" for r in records for line in r.advice.splitlines() if line)

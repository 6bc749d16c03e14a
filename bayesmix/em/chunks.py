"""EM on rows that are read in chunks: the E-step's sums are additive, so a pass adds up the chunks' own.

Everything else works as in memory, on what one first pass found: the moments of the columns (origin, units and
the priors that were left out) and a bounded sample of rows (random starts, matching of components).
"""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from bayesmix.data import chunks as reading
from bayesmix.em.kernel import Problem
from bayesmix.errors import InputError
from bayesmix.spec.encode import encode
from bayesmix.spec.missing import filled, observed
from bayesmix.spec.priors import Flat, FromData

NUMBERS = 2**20  # features or responsibilities held at once while a chunk is summed (8 MiB)


@dataclass(frozen=True)
class Stream:
    """The rows of a problem that has only a sample of them in memory."""

    chunks: object
    survey: reading.Survey

    @property
    def sd(self):
        """(d,) standard deviations of the columns, of all rows."""
        return self.survey.moments.sd

    def e_step(self, problem, theta, beta):
        """The Pass over all chunks."""
        total = None
        for block in self.blocks(problem):
            here = block.e_step(theta, beta)
            total = here if total is None else replace(
                total,
                objective=total.objective + here.objective,
                log_likelihood=total.log_likelihood + here.log_likelihood,
                counts=total.counts + here.counts,
                stats=total.stats + here.stats,
            )  # fmt: skip
        return total

    def blocks(self, problem):
        """The rows again, as problems of their own, small enough to be held with their features."""
        model, classes, n = problem.mixture, self.survey.classes, 0
        wide = max(model.components, problem.x.shape[1], features(model.family, problem.x.shape[1]))
        step = max(1, NUMBERS // wide)
        for chunk in self.chunks:
            chunk = reading.recoded(chunk, classes)
            label = model.log_label(chunk)
            for at in range(0, chunk.n, step):
                rows = slice(at, at + step)
                part = None if label is None else label[rows]
                weight = None if chunk.weight is None else chunk.weight[rows]
                yield replace(
                    problem, x=chunk.x[rows] - problem.origin, log_label=part, weight=weight, added=True, stream=None
                )
            n += chunk.n
        if n != self.survey.n:
            raise InputError(
                f"data: the first pass read {self.survey.n} rows and a later one {n}; the chunks must be the same in "
                "every loop (a function must return a new iterator each time)."
            )


def features(family, d):
    """How many sufficient statistics a family has in d dimensions."""
    return family.sufficient(np.ones((1, d))).shape[1]


def problem_of(model, chunks, impute=None):
    """The resolved model, the sample (a `Data`) and the problem of rows that are read in chunks."""
    found = reading.survey(chunks, lambda chunk: check(model, chunk))
    if (found.moments.count == 0).any():
        name = found.sample.names[int((found.moments.count == 0).argmax())]
        raise InputError(f"data: all cells of column {name!r} are missing; leave that column out.")
    resolved = model.resolve(found.sample)
    if not found.whole:
        resolved = replace(resolved, family=resolve(model.family, found))
    gaps = (found.moments.count < found.n).any()
    problem = Problem.of(resolved, found.sample, impute if gaps else None)
    if not problem.exponential:
        raise InputError(
            f"fit_em: {type(model.family).__name__} has no additive statistics, so its rows must be in memory; pass "
            "them as one array, or a sample of them."
        )
    moved = resolved.moved(-found.origin)
    if moved is not None:
        x = problem.x + (problem.origin - found.origin)
        problem = replace(problem, mixture=moved, x=x, origin=found.origin)
    return resolved, found, replace(problem, stream=Stream(chunks, found))


def check(model, chunk):
    """Raise InputError where a chunk's rows are outside the family's sample space."""
    family = model.family
    if family.columns not in (None, chunk.d):
        raise InputError(f"{type(family).__name__}(): expected {family.columns} column(s), got {chunk.d}.")
    if chunk.missing and not family.marginalises:
        raise InputError(f"{type(family).__name__} does not support missing cells; drop or fill these rows.")
    family.check(filled(chunk.x), chunk.names)


def resolve(family, survey):
    """The family with every left-out prior as explicit numbers, from the moments of all rows.

    A default is a function of a few moments of each column. Two rows with those moments stand for the data;
    which moments they are is told by the sample, whose default the two rows with the sample's moments must give.
    """
    if not any(isinstance(p.prior, FromData | Flat) for p in family.parameters.values()):
        return family
    wanted, mine = numbers(family.resolve(observed(survey.sample.x))), reading.Moments.of(survey.sample.x)
    d = survey.sample.d
    choices = [(kind,) * d for kind in STAND_INS]
    if d <= 4:
        choices += [c for c in product(STAND_INS, repeat=d) if len(set(c)) > 1]
    for kinds in choices:
        rows, whole = stand_in(mine, kinds), stand_in(survey.moments, kinds)
        if np.isfinite(rows).all() and np.isfinite(whole).all():
            try:
                with np.errstate(all="ignore"):
                    given = numbers(family.resolve(rows))
            except InputError:  # these two rows are no data for the family, another pair may be
                continue
            if given.shape == wanted.shape and np.allclose(given, wanted, rtol=1e-9, atol=0):
                return family.resolve(whole)
    raise InputError(
        f"fit_em: the priors that {type(family).__name__}() leaves out look at more than the mean, the spread and the "
        "range of each column, and the rows are not in memory; give these priors explicit numbers."
    )


STAND_INS = {
    "moments": lambda m: (m.mean - m.sd, m.mean + m.sd),
    "logarithms": lambda m: (np.exp(m.log_mean - m.log_sd), np.exp(m.log_mean + m.log_sd)),
    "range": lambda m: (m.low, m.high),
}


def stand_in(moments, kinds):
    """(2, d) rows that have the moments of the data, each column those of its kind."""
    both = {kind: np.stack(STAND_INS[kind](moments)) for kind in set(kinds)}
    return np.stack([both[kind][:, j] for j, kind in enumerate(kinds)], axis=1)


def numbers(family):
    """All numbers of a family's specification, one flat array."""
    out = []

    def walk(value):
        if isinstance(value, dict):
            for v in value.values():
                walk(v)
        elif isinstance(value, list | tuple):
            for v in value:
                walk(v)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            out.append(float(value))

    walk(encode(family))
    return np.array(out)


def note(survey):
    """The sentence on what a fit holds of rows that it could not keep, or none."""
    if survey.whole:
        return []
    return [
        f"The {survey.n} rows were read in chunks; what is said of single rows (fit.data, predict_proba(), figures) "
        f"concerns a sample of {survey.sample.n} of them."
    ]

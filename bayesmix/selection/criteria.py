"""The register of criteria: each is one file's function from a `Subject` to a `Cell`, and a column of the table."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

CRITERIA = {}


@dataclass(frozen=True)
class Cell:
    """One number of the table. se: its standard error, NaN where it has none. reason: why it must not be used, or "".

    rows: the terms whose sum it is, (n,), where the difference of two candidates has its error row by row.
    """

    value: float
    se: float = np.nan
    reason: str = ""
    rows: np.ndarray | None = field(default=None, repr=False, compare=False)

    @property
    def usable(self):
        """Whether candidates may be compared by it."""
        return not self.reason and bool(np.isfinite(self.value))


MISSING = Cell(np.nan)


@dataclass(frozen=True)
class Criterion:
    """A column. sign: +1 if larger is better, -1 if smaller, 0 if it ranks nothing.

    margin: differences up to this are ties, whatever their error. lead: what a choice between numbers of components
    needs. needs: the engine whose fit it reads.
    """

    name: str
    function: object
    sign: int
    margin: float
    lead: float
    needs: str
    meaning: str


def criterion(name, *, sign=0, margin=0.0, lead=0.0, needs="em", meaning):
    """Register a criterion: a function of the Subject that returns a Cell."""

    def register(function):
        CRITERIA[name] = Criterion(name, function, sign, margin, lead, needs, meaning)
        return function

    return register


@dataclass(frozen=True, eq=False)
class Subject:
    """What a criterion looks at: one candidate, its fits, and how much may be computed.

    em, mcmc: the fits, None where there is none. diagnosis: of the chains, or of EM alone. plan: the arguments of
    `select` in plain values. seeds: name of a purpose -> whole number.
    """

    candidate: object
    data: object
    plan: dict
    seeds: dict
    em: object = None
    mcmc: object = None
    diagnosis: object = None

    @property
    def model(self):
        return self.candidate.model

    @cached_property
    def em_fault(self):
        """Why the optimum that EM found is no ground for a comparison, or ""."""
        from bayesmix.selection.trust import em_fault

        return em_fault(self.em, self.diagnosis)

    @cached_property
    def mcmc_fault(self):
        """Why averages over the draws are no ground for a comparison, or ""."""
        from bayesmix.selection.trust import mcmc_fault

        return mcmc_fault(self.diagnosis)

    @cached_property
    def region_fault(self):
        """Why the draws do not show where the posterior lies, or ""; in which proportion is another question."""
        from bayesmix.selection.trust import region_fault

        return region_fault(self.diagnosis)

    @cached_property
    def evidence(self):
        """The `LogEvidence` by bridge sampling; a text where there can be none."""
        from bayesmix.diagnostics.bridge import log_evidence
        from bayesmix.errors import InputError

        try:
            return log_evidence(self.mcmc, diagnosis=self.diagnosis, seed=self.seeds["evidence"])
        except InputError as error:
            return str(error)

    @cached_property
    def smc(self):
        """The `LogEvidence` by sequential Monte Carlo; None where it was not asked for, a text where there is none."""
        from bayesmix.errors import InputError
        from bayesmix.selection.smc import smc_evidence

        if not self.plan.get("smc"):
            return None
        try:
            return smc_evidence(self.model, self.data, runs=self.plan["smc"], seed=self.seeds["smc"])
        except InputError as error:
            return str(error)

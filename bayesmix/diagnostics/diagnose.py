"""`diagnose`: the findings and the verdict."""

from dataclasses import dataclass, replace

import numpy as np

from bayesmix.diagnostics import checks  # noqa: F401  registers the checks
from bayesmix.diagnostics.evidence import Evidence
from bayesmix.diagnostics.findings import CHECKS, LEVELS, VERDICTS
from bayesmix.em.fit_em import fit_em
from bayesmix.em.progress import meter
from bayesmix.errors import InputError
from bayesmix.fit import Fit

WHAT = {
    "degenerate": "Empty, twin or collapsed components carry the result: there are fewer groups than components.",
    "several modes": "The posterior has several separate optima, and the chains do not share them in proportion.",
    "not converged": "Chains in one region still disagree about quantities that no relabelling can change.",
    "undecided": "The evidence is not enough to call this fit sound.",
    "label switching": "The components exchange names between draws; relabelled and invariant summaries can be used.",
    "sound": "No check found a reason to distrust this fit.",
}


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """Findings, worst first, and the verdicts that they support."""

    findings: tuple
    evidence: Evidence

    @property
    def verdicts(self):
        """All verdicts that apply, worst first."""
        found = {f.verdict for f in self.findings if f.verdict}
        return tuple(v for v in VERDICTS if v in found) or ("sound",)

    @property
    def verdict(self):
        """The first of `verdicts`."""
        return self.verdicts[0]

    @property
    def table(self):
        """R-hat, ESS and MCSE of invariants, relabelled and raw parameters."""
        return self.evidence.table

    @property
    def occupancy(self):
        """Chain x optimum: the share of each chain's checkpoints from which EM climbs to it; None without chains."""
        return self.evidence.matching.occupancy if self.evidence.matching is not None else None

    @property
    def moves(self):
        """Optimum x optimum: how often chains went from one (row) to another (column); None without chains."""
        import pandas as pd

        return pd.DataFrame(self.evidence.matching.moves) if self.evidence.matching is not None else None

    @property
    def modes(self):
        """The optima, those included that only chains met: region, estimated mass with its error, visited or not.

        For an EM fit alone its census.
        """
        if self.evidence.masses is None and self.evidence.fit is None:
            return None  # draws without a specification
        return self.evidence.masses if self.evidence.masses is not None else self.evidence.fit.modes

    @property
    def advice(self):
        """What to do next, one sentence per line."""
        return "\n".join(dict.fromkeys(f.advice for f in self.findings if f.advice))

    def summary(self):
        """The verdict, why, and what to do, as text."""
        lines = [f"Verdict: {self.verdict}. {WHAT[self.verdict]}"]
        lines += [f"  [{f.level}] {f.sentence}" for f in self.findings]
        if self.advice:
            lines += ["What to do:"] + [f"  {line}" for line in self.advice.splitlines()]
        return "\n".join(lines)


def diagnose(fit, em=None, *, progress=None):
    """The Diagnosis of an MCMC fit beside its EM census, or of an EM fit alone.

    EM climbs from up to 100 draws of each chain, so that every chain is matched to the optima it was in. Without a
    census (chains that began at prior draws) `fit_em` makes one with the seed of the fit.

    Args:
        fit: an MCMC or EM `Fit`.
        em: the EM fit of the same model; by default the census that the MCMC fit started from.
        progress: None shows a bar after two seconds if stderr is a terminal, True at once, False never; a function
            is called as progress(done, total).

    Raises:
        InputError: something else than fits was given, or fits of different models.
    """
    if not isinstance(fit, Fit) or (em is not None and (not isinstance(em, Fit) or em.engine != "em")):
        raise InputError("diagnose(fit, em): expected an MCMC or EM fit and, optionally, an EM fit.")
    reason = ""
    if fit.engine == "mcmc":
        if em is not None:
            check_alike(fit, em)
        elif not fit.optima:
            try:
                em = fit_em(fit.mixture, fit.data, seed=fit.settings.get("seed") or 0, progress=progress)
            except InputError as error:  # becomes a finding
                reason = str(error)
        if em is not None:
            fit = replace(fit, optima=em.optima, runs=em.runs)
    with meter(progress, "Climbing from the draws") as step:
        return judged(Evidence(fit, em, step, reason))


def judged(evidence, by=CHECKS):
    """The Diagnosis by the checks `by`."""
    findings = [f for f in (c(evidence) for c in by) if f is not None]
    rank = {v: i for i, v in enumerate(VERDICTS)}
    findings.sort(key=lambda f: (-LEVELS.index(f.level), rank.get(f.verdict, len(rank))))
    return Diagnosis(tuple(findings), evidence)


def check_alike(fit, em):
    """Raise InputError unless both fits are of the same fields and data."""
    shapes = [{n: v.shape[2:] for n, v in f.draws.items()} for f in (fit, em)]
    if shapes[0] != shapes[1] or not np.array_equal(fit.data.x, em.data.x, equal_nan=True):
        raise InputError(
            "diagnose(fit, em): the two fits are of different models or data; fit the same model to the same data."
        )

"""`diagnose`: the findings and the verdict."""

from dataclasses import dataclass

from bayesmix.diagnostics import checks  # noqa: F401  registers the checks
from bayesmix.diagnostics.evidence import Evidence
from bayesmix.diagnostics.findings import CHECKS, LEVELS, VERDICTS
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
        """Chain x optimum: share of checkpoints."""
        return self.evidence.occupancy

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


def diagnose(fit, em=None):
    """The Diagnosis of an MCMC fit beside its EM census, or of an EM fit alone.

    Args:
        fit: an MCMC or EM `Fit`. em: the EM fit of the same model; by default the census that the
            MCMC fit started from.
    """
    if not isinstance(fit, Fit) or (em is not None and (not isinstance(em, Fit) or em.engine != "em")):
        raise InputError("diagnose(fit, em): expected an MCMC or EM fit and, optionally, an EM fit.")
    if em is not None and fit.engine == "mcmc" and em.optima != fit.optima:
        from dataclasses import replace

        fit = replace(fit, optima=em.optima, runs=em.runs)
    evidence = Evidence(fit, em)
    findings = [f for f in (c(evidence) for c in CHECKS) if f is not None]
    rank = {v: i for i, v in enumerate(VERDICTS)}
    findings.sort(key=lambda f: (-LEVELS.index(f.level), rank.get(f.verdict, len(rank))))
    return Diagnosis(tuple(findings), evidence)

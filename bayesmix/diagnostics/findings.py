"""Findings, verdicts and the register of checks.

Thresholds are named constants of the checks. Those without a citation were chosen on some of the seeds 0 to 8 of the
bench of verdicts (tests/diagnosis_bench), after wrong verdicts of seeds 100, 200 and 300, and are judged on others
(reports/verdicts.md).
"""

from dataclasses import dataclass

VERDICTS = ("degenerate", "several modes", "not converged", "undecided", "label switching", "sound")
LEVELS = ("good", "note", "warning", "problem")
CHECKS = []


@dataclass(frozen=True, eq=False)
class Finding:
    """One thing that a check found: a finished sentence with its evidence.

    level: "good", "note", "warning" or "problem". verdict: the verdict that it supports, or None.
    table: the evidence as a DataFrame, or None. advice: what to do next, or "".
    """

    name: str
    level: str
    sentence: str
    verdict: str | None = None
    table: object = None
    advice: str = ""

    def __post_init__(self):
        if self.level not in LEVELS:
            raise ValueError(f"Finding(level=...): expected one of {LEVELS}, got {self.level!r}.")
        if self.verdict not in (None, *VERDICTS):
            raise ValueError(f"Finding(verdict=...): expected one of {VERDICTS} or None, got {self.verdict!r}.")


def check(function):
    """Register a check: a function of the Evidence that returns a Finding, or None when it has nothing to say."""
    CHECKS.append(function)
    return function

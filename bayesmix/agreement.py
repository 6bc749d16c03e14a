"""The certificate: every reading of the log posterior, term by term, must give one number."""

import math
from dataclasses import asdict, dataclass

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Certificate:
    """The largest disagreement between readings, per named term, over prior draws.

    terms: term -> max over draws and readings of |difference| / max(1, |term|).
    readings: the names of the readings compared, the reference first.
    """

    terms: dict
    readings: tuple
    draws: int
    seed: int

    @property
    def max_error(self):
        """The largest error of all terms; NaN counts as infinite."""
        return max(self.terms.values(), default=0.0)

    @property
    def ok(self):
        """Whether every term agrees to 1e-9."""
        return bool(self.max_error <= TOLERANCE)

    @property
    def worst(self):
        """The name of the term with the largest error."""
        return max(self.terms, key=self.terms.get) if self.terms else ""

    def summary(self):
        """One sentence."""
        readings = ", ".join(self.readings)
        if self.ok:
            return (
                f"All readings of the log posterior ({readings}) agree to {self.max_error:.1e} on {self.draws} prior "
                f"draws, term by term."
            )
        return (
            f"The readings of the log posterior ({readings}) DISAGREE: the term `{self.worst}` differs by "
            f"{self.max_error:.1e} relative, where at most {TOLERANCE:.0e} is allowed; do not compare EM with MCMC."
        )

    def to_dict(self):
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values):
        return cls(values["terms"], tuple(values["readings"]), values["draws"], values["seed"])


def compare(readings, seed):
    """The certificate of {reading: [terms of draw 0, terms of draw 1, ...]}, terms being dicts.

    The first reading is the reference; another may lack terms that it does not evaluate, but a term
    that the reference lacks must be zero.
    """
    names = list(readings)
    reference, worst = readings[names[0]], {}
    for name in names[1:]:
        for ours, theirs in zip(reference, readings[name], strict=True):
            for term, value in theirs.items():
                expected = ours.get(term, 0.0)
                error = 0.0 if value == expected else abs(value - expected) / max(1.0, abs(expected))
                error = math.inf if math.isnan(error) else error
                worst[term] = max(worst.get(term, 0.0), float(error))
    return Certificate(worst, tuple(names), len(reference), seed)

"""When to stop restarting: the probability that the next restart ends in an optimum not seen yet.

If s of the optima found were reached by exactly one of n restarts, s / n estimates that probability
(Good and Turing): a singleton is a restart that ended where no other did, so s counts the restarts that
would have been surprises given all others. Its upper limit is that of a binomial proportion s of n
(Clopper and Pearson), which treats these n surprises as independent; with s = 0 it is 1 - (1 - c)^(1/n),
about 3 / n for c = 95 %. The next start must be drawn like those before: optima that the kind of start never
leads to remain unseen, whatever the number of restarts.

References: Good (1953), Biometrika 40:237-264; Clopper & Pearson (1934), Biometrika 26:404-413.
"""

import math
from dataclasses import dataclass

from bayesmix.errors import InputError
from bayesmix.spec.special import betaincinv

WORD = "until-stable"
ROUND = 20  # restarts between two looks


@dataclass(frozen=True)
class UntilStable:
    """Restart until an unseen optimum is improbable: `fit_em(..., restarts=bm.UntilStable(bound=0.02))`.

    bound: stop when the upper limit of the probability that the next restart ends in an unseen optimum is below it.
    confidence: of that upper limit.
    cap: the most restarts.
    """

    bound: float = 0.05
    confidence: float = 0.95
    cap: int = 1000

    def __post_init__(self):
        for name in ("bound", "confidence"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0 < value < 1:
                raise InputError(f"UntilStable({name}=...): expected a number between 0 and 1, got {value!r}.")
        if isinstance(self.cap, bool) or not isinstance(self.cap, int) or self.cap < 1:
            raise InputError(f"UntilStable(cap=...): expected a whole number of at least 1, got {self.cap!r}.")


@dataclass(frozen=True)
class Coverage:
    """What the restarts say about optima that none of them met."""

    restarts: int
    singletons: int  # optima reached exactly once
    unseen: float  # estimated probability that the next restart ends in an unseen optimum
    upper: float  # its upper limit
    confidence: float

    @property
    def sentence(self):
        """The same in words."""
        once = f"{self.singletons} of the optima {'was' if self.singletons == 1 else 'were'} reached only once"
        return (
            f"In {self.restarts} restarts {once if self.singletons else 'every optimum found was reached repeatedly'}: "
            f"the probability that one more restart ends in an unseen optimum is estimated as {self.unseen:.2g} "
            f"(Good-Turing), with {self.confidence:.0%} confidence below {self.upper:.2g}."
        )


def coverage(modes, restarts, confidence=0.95):
    """The `Coverage` of a census of so many restarts; collapsed restarts count as tries, never as optima."""
    once = sum(m.times_reached == 1 for m in modes if m.kind != "collapsed")
    if once >= restarts:
        upper = 1.0
    elif once == 0:  # the quantiles of Beta(1, N) in closed form, which spares a small fit the import of SciPy
        upper = -math.expm1(math.log1p(-confidence) / restarts)
    else:
        upper = float(betaincinv(once + 1, restarts - once, confidence))
    return Coverage(restarts, once, once / restarts, upper, confidence)


def rule(restarts):
    """What `fit_em(restarts=...)` was given as an `UntilStable`, or None for a number."""
    if isinstance(restarts, UntilStable):
        return restarts
    if isinstance(restarts, str):
        if restarts != WORD:
            raise InputError(f"fit_em(restarts={restarts!r}): expected a whole number or {WORD!r}.")
        return UntilStable()
    return None

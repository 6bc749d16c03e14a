"""A bench of verdicts: generated cases whose truth is known by construction, made-up draws and real MCMC output.

CASES        name -> Case(name, truth, real, make); truth holds the verdicts that are right, the best first
sounds(i)    the i-th of any number of sound fits, of all families and sizes
"""

from diagnosis_bench import doubtful, labels, optima, slow, sound_cases, spare  # noqa: F401  registers the cases
from diagnosis_bench.register import CASES, Case
from diagnosis_bench.sound import sounds

__all__ = ["CASES", "Case", "sounds"]

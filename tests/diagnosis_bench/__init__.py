"""A bench of verdicts: generated cases whose truth is known by construction, made-up draws and real MCMC output.

CASES        name -> Case(name, truth, real, make); truth is the verdict, or the several that are right
sounds(i)    the i-th of any number of sound fits, of all families and sizes
"""

from diagnosis_bench.cases import CASES, Case
from diagnosis_bench.sound import sounds

__all__ = ["CASES", "Case", "sounds"]

"""The register of the bench: what a case is, and how one is written."""

from dataclasses import dataclass
from functools import partial
from zlib import crc32

import numpy as np

import bayesmix as bm
from diagnosis_bench.settings import setting

CASES = {}


@dataclass(frozen=True)
class Case:
    """A kind of situation: `make(seed)` returns (fit, em); `truth` are the verdicts that are right, the best first."""

    name: str
    truth: tuple
    real: bool
    make: object


def case(name, truth, real, **variants):
    """Register make(rng, seed, **arguments) for each variant: {suffix: arguments}."""

    def register(make):
        for suffix, arguments in variants.items():
            full = f"{name}: {suffix.replace('_', ' ')}"

            CASES[full] = Case(
                full, (truth,) if isinstance(truth, str) else truth, real, partial(_build, make, full, arguments)
            )
        return make

    return register


def _build(make, name, arguments, seed):
    """(fit, em); each case has its own stream of random numbers for each seed."""
    return make(np.random.default_rng([seed, crc32(name.encode())]), seed, **arguments)


def fitted(rng, seed, kind="gaussian", K=2, n=100, search=None, **options):
    """The EM fit of a setting; search: arguments of `fit_em`."""
    model, data = setting(kind, K, n, rng, **options)
    return bm.fit_em(model, data, seed=seed, **search or {})

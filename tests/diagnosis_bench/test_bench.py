"""A few cases of every verdict, within seconds; `make study` runs all of them on other seeds."""

import pytest

import bayesmix as bm
from bayesmix.diagnostics.findings import VERDICTS
from diagnosis_bench import CASES, sounds

QUICK = (
    "perfect switching: bernoulli K2",
    "free movement: between two",
    "a chain beside the others: one",
    "few draws, made up: K2",
)


@pytest.mark.parametrize("name", QUICK)
def test_a_case(name):
    fit, em = CASES[name].make(0)
    diagnosis = bm.diagnose(fit, em, progress=False)
    assert diagnosis.verdict in CASES[name].truth, diagnosis.summary()


@pytest.mark.parametrize("i", [1])
def test_a_sound_fit_is_not_accused(i):
    diagnosis = bm.diagnose(*sounds(i, seed=0), progress=False)
    assert diagnosis.verdicts == ("sound",), diagnosis.summary()


def test_what_the_bench_promises():
    """At least five cases for each verdict, sixty in all, half of them real MCMC output."""
    truths = [case.truth[0] for case in CASES.values()]
    assert len(CASES) >= 60 and min(truths.count(v) for v in VERDICTS) >= 5
    assert sum(case.real for case in CASES.values()) >= len(CASES) / 2
    assert all(set(case.truth) <= set(VERDICTS) for case in CASES.values())


@pytest.mark.certify
@pytest.mark.parametrize("name", sorted(set(CASES) - set(QUICK)))
def test_every_case(name):
    fit, em = CASES[name].make(0)
    diagnosis = bm.diagnose(fit, em, progress=False)
    assert diagnosis.verdict in CASES[name].truth, diagnosis.summary()

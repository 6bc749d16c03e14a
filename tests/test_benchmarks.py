"""The guard of the benchmarks: it accepts quiet samples and rejects loud ones. Nothing is timed here."""

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def guard(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import guard

    yield guard
    sys.modules.pop("guard")


@pytest.mark.parametrize("foreign,clean", [(0.0, 3), (0.05, 3), (0.5, 0)])
def test_foreign_load_is_noticed(guard, monkeypatch, foreign, clean):
    """A clock of our own: each call takes 1 s of this process's time and `foreign` seconds of somebody else's."""
    now = {"wall": 0.0, "own": 0.0, "busy": 0.0}

    def call():
        now["wall"] += 1.0
        now["own"] += 1.0
        now["busy"] += 1.0 + foreign

    monkeypatch.setattr(guard.time, "perf_counter", lambda: now["wall"])
    monkeypatch.setattr(guard, "own", lambda: now["own"])
    monkeypatch.setattr(guard, "busy", lambda: now["busy"])
    timing = guard.measure(call, tries=6)
    assert timing.seconds == pytest.approx(1.0) and timing.clean == clean
    assert timing.guarded is (clean > 0) and timing.rejected == (0 if clean else 6)


def test_a_slow_call_ends_within_its_budget(guard, monkeypatch):
    now, calls = {"wall": 0.0}, []

    def call():
        calls.append(1)
        now["wall"] += 15.0

    monkeypatch.setattr(guard.time, "perf_counter", lambda: now["wall"])
    monkeypatch.setattr(guard, "own", lambda: 0.0)
    monkeypatch.setattr(guard, "busy", lambda: now["wall"])
    assert guard.measure(call).clean == 0 and len(calls) == 2

"""The guard of the benchmarks: it accepts quiet samples and rejects loud ones. Nothing is timed here."""

import subprocess
import sys
from pathlib import Path

import numpy as np
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


# ---- sampling ----------------------------------------------------------------------------------------


@pytest.mark.certify
def test_the_sampling_benchmark_runs():
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "bench_mcmc.py", "--quick"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "| 1-D, K = 2, n = 60 | bayesmix, Gibbs |" in done.stdout


@pytest.mark.certify
@pytest.mark.parametrize("d,form", [(1, "mixture"), (2, "mixture"), (2, "batched")])
def test_the_hand_written_models_have_our_density(monkeypatch, d, form):
    """The same priors on both sides: equal log densities, Jacobians included, so equal posteriors."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import bench_mcmc

    import bayesmix as bm

    x = np.random.default_rng(0).normal(size=(20, d))
    model = bench_mcmc.one_d(2) if d == 1 else bench_mcmc.full(d, 2)
    task = bench_mcmc.Task("", bm.Data(x), model, ())
    mine, theirs = model.to_pymc(task.data), bench_mcmc.hand_written(task, form)
    point = mine.initial_point(0)
    assert set(point) == set(theirs.initial_point(0))
    rng = np.random.default_rng(1)
    for _ in range(3):
        point = {name: value + 0.3 * rng.normal(size=np.shape(value)) for name, value in point.items()}
        a, b = (m.compile_logp(mode="FAST_COMPILE")(point) for m in (mine, theirs))
        assert a == pytest.approx(b, rel=1e-12)

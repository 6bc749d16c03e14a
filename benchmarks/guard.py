"""Timing on a shared machine: samples during which other processes were busy are thrown away.

A sample is clean when the busy time of all cores (/proc/stat) exceeds the CPU time of this process and its
children by at most 12 % of one core. Where /proc is absent every sample counts, and the table says so.
"""

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

LIMIT = 0.12  # of a core, by other processes
TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
STAT = Path("/proc/stat")
SHORTEST = 0.25  # seconds of a sample: /proc/stat counts in hundredths


@dataclass(frozen=True)
class Timing:
    """Median seconds per call, how many samples it rests on, and how many were rejected."""

    seconds: float
    clean: int
    rejected: int

    @property
    def guarded(self):
        """Whether every sample behind the median was clean."""
        return self.clean > 0


def busy():
    """CPU seconds that all processes have used, or None."""
    if not STAT.exists():
        return None
    user, nice, system, _idle, _wait, irq, soft, steal = map(int, STAT.read_text().split("\n")[0].split()[1:9])
    return (user + nice + system + irq + soft + steal) / TICK


def own():
    """CPU seconds of this process and its finished children."""
    return sum(
        u.ru_utime + u.ru_stime for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def measure(call, *, samples=3, tries=12, shortest=SHORTEST, budget=20.0, guarded=True):
    """The median time of call() over clean samples of at least `shortest` seconds each.

    After `tries` samples, or after the first sample past `budget` seconds, it stops; with no clean one it returns
    the median of all, marked by `clean` = 0.
    """
    opened = time.perf_counter()
    call()  # compile, fill caches
    begin = time.perf_counter()
    if begin - opened < 2.0:
        call()
    once = max(time.perf_counter() - begin, 1e-7) if begin - opened < 2.0 else begin - opened
    repeat = max(1, round(shortest / once))
    good, bad = [], []
    for _ in range(tries if guarded else samples):
        foreign, mine, begin = busy(), own(), time.perf_counter()
        for _ in range(repeat):
            call()
        wall = time.perf_counter() - begin
        others = 0.0 if foreign is None else (busy() - foreign) - (own() - mine)
        # two ticks of the counter are its resolution
        clean = others <= LIMIT * wall + 2 / TICK
        (good if clean else bad).append(wall / repeat)
        if len(good) >= samples or time.perf_counter() - opened > budget:
            break
    return Timing(median(good or bad), len(good), len(bad))

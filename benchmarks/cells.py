"""The cells and the report of `bench_mcmc.py`: what was measured, how quiet the machine was, which goals are met."""

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import guard

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Run:
    """Seconds before sampling and of sampling, worst ESS, and whether the machine was quiet meanwhile."""

    setting_up: float
    sampling: float
    ess: float
    quiet: bool = True

    @property
    def rate(self):
        return self.ess / self.sampling

    @property
    def total(self):
        return self.ess / (self.sampling + self.setting_up)


def timed(call):
    """(what it returned, wall seconds, whether others used less than 12 % of a core)."""
    foreign, mine, begin = guard.busy(), guard.own(), time.perf_counter()
    value = call()
    wall = time.perf_counter() - begin
    others = 0.0 if foreign is None else (guard.busy() - foreign) - (guard.own() - mine)
    return value, wall, others <= guard.LIMIT * wall + 2 / guard.TICK


@dataclass(frozen=True)
class Cell:
    """Runs of one sampler on one problem, over the seeds."""

    runs: list

    @property
    def clean(self):
        return all(r.quiet for r in self.runs)

    @property
    def rate(self):
        return median(r.rate for r in self.runs)

    @property
    def total(self):
        return median(r.total for r in self.runs)

    def row(self, task, who, guarded):
        rates, quality = [r.rate for r in self.runs], "" if self.clean and guarded else " (unguarded)"
        return (
            f"| {task} | {who} | {len(self.runs)} | {median(r.setting_up for r in self.runs):.3g} | "
            f"{median(r.sampling for r in self.runs):.3g} | {median(r.ess for r in self.runs):.0f} | "
            f"{self.rate:.4g} ({min(rates):.3g} to {max(rates):.3g}) | {self.total:.4g}{quality} |"
        )


@dataclass(frozen=True)
class Gradients:
    """Timings of the log density with gradient: ours, our rows alone, a list of MvNormal, one batched MvNormal."""

    timings: tuple

    @property
    def clean(self):
        return all(t.guarded for t in self.timings)

    def row(self, task, who, guarded):
        times = " | ".join(f"{1e6 * t.seconds:.4g}" for t in self.timings)
        return f"| {task} | {times}{'' if self.clean and guarded else ' (unguarded)'} |"


class Report:
    """Lines for the terminal and, as they come, for RESULTS_MCMC.md; what was measured, for the goals."""

    def __init__(self, guarded, minutes, only=""):
        self.lines, self.guarded, self.only, self.results = [], guarded, only, {}
        self.end = time.perf_counter() + 60 * minutes
        self.failed, self.left = [], []

    def say(self, text=""):
        print(text, flush=True)
        self.lines.append(text)
        if self.guarded:
            (HERE / "RESULTS_MCMC.md").write_text("\n".join(self.lines) + "\n", encoding="utf-8")

    def cell(self, task, who, call):
        """The line of one cell, and its result under (task name, who). A cell that fails does not end the rest."""
        if self.only not in f"{task.name}, {who}":
            return
        if time.perf_counter() > self.end:
            self.left.append(f"{task.name}: {who}")
            return
        try:
            found = call()
        except Exception as error:  # said in the table, and the exit status
            self.failed.append(f"{task.name}: {who}")
            self.say(f"| {task.name} | {who} | failed: {' '.join(str(error).split())[:200]} |")
            return
        self.results[task.name, who] = found
        self.say(found.row(task.name, who, self.guarded))

    def goal(self, what, ours, theirs, wanted):
        """The line of a goal: ours(Cell) over theirs(Cell), or what of them was not measured."""
        values = []
        for side in (ours, theirs):
            if isinstance(side, tuple):
                task, whos, read = side
                cells = [self.results[task, who] for who in whos if (task, who) in self.results]
                if not cells:
                    return self.say(f"* {what}: not measured")
                values.append((max(map(read, cells)), all(c.clean for c in cells)))
            else:
                values.append((side, True))
        (a, clean), (b, also) = values
        quality = "" if clean and also and self.guarded else " (unguarded)"
        met = "met" if a / b >= wanted else "not met"
        return self.say(f"* {what}: {a / b:.3g}x of {wanted:g}x, {met}{quality}")

    def time(self, call):
        return guard.measure(call, guarded=self.guarded, samples=3 if self.guarded else 1, budget=8.0)

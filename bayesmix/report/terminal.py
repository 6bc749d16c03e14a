"""What the command line prints: rich tables and progress bars."""

import sys
import time
from contextlib import contextmanager

from bayesmix.report import words

COLOURS = {"good": "green", "note": "blue", "warning": "yellow", "problem": "red"}


def console(stderr=False):
    """A rich console on the current stdout or stderr."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else 120, highlight=False)


def show_table(table, title):
    """Print a `words.Table`."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    out = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for j, name in enumerate(table.head):
        out.add_column(Text(name), justify="left" if j in table.left else "right", overflow="fold")
    for row in table.rows:
        out.add_row(*(Text(cell) for cell in row))
    console().print(out)


def show_modes(fit):
    """Print the EM census."""
    frame = words.census(fit)
    columns = ("objective", "log_posterior", "gap", "reached", "share", "kind", "log_mass")
    frame = frame[[name for name in columns if name in frame]]
    show_table(words.frame_table(frame, "optimum"), "Optima found by EM")
    for m, mode in enumerate(fit.optima[1:6], start=1):
        say(f"Optimum {m}: {mode.differs}.")
    if len(fit.optima) > 6:
        say(f"... and {len(fit.optima) - 6} more.")


def show_diagnosis(diagnosis):
    """Print the verdict, the findings and the advice."""
    from rich.padding import Padding
    from rich.text import Text

    level = words.LEVELS.get(diagnosis.verdict, "warning")
    out = console()
    out.print(Text.assemble("\nVerdict: ", (diagnosis.verdict, f"bold {COLOURS[level]}")))
    for f in diagnosis.findings:
        line = Text.assemble((f.level, COLOURS.get(f.level, "")), f": {f.sentence}")
        out.print(Padding(line, (0, 0, 0, 2)))
    for line in words.advice(diagnosis):
        out.print(Text(f"What to do: {line}"))


def show_comparison(table):
    """Print the MAP beside the posterior."""
    show_table(words.comparison_table(table), "MAP beside posterior")
    for sentence in words.comparison_sentences(table):
        say(sentence)


def show_certificates(fresh, kept):
    """Print the recomputed certificate beside the stored one, term by term."""
    terms = {**fresh.terms, **kept.terms}
    rows = [[f"{c.terms[t]:.1e}" if t in c.terms else "–" for c in (fresh, kept)] for t in terms]
    rows = tuple((t, *row) for t, row in zip(terms, rows, strict=True))
    show_table(words.Table(("term", "error now", "error stored"), rows), "Certificate")
    say(f"Now: {fresh.summary()}")
    say(f"Stored: {kept.summary()}")


def say(sentence):
    """Print a line of plain text."""
    console().print(sentence, markup=False, soft_wrap=True)


@contextmanager
def progress(what):
    """A function (done, total) that moves a bar on stderr; drawn only on a terminal, gone when finished."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    out = console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    if not out.is_terminal:
        yield lambda done, total: None
        return
    with Progress(*columns, console=out, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def waiting(what):
    """A spinner on stderr while something of unknown length runs; drawn only on a terminal."""
    out = console(stderr=True)
    if not out.is_terminal:
        yield
        return
    with out.status(what):
        yield


class Clock:
    """Seconds since it was made, as text."""

    def __init__(self):
        self.start = time.perf_counter()

    def __str__(self):
        return f"{time.perf_counter() - self.start:.1f} s"

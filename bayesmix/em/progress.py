"""A progress bar that appears only when there is something to wait for."""

import sys
import time
from contextlib import contextmanager

PATIENCE = 2.0  # seconds before a bar appears


@contextmanager
def meter(progress, what):
    """A function step(done, total) for the `progress=` argument of a long computation.

    None: a rich bar on stderr after two seconds, if stderr is a terminal. True: a rich bar at once.
    False: nothing. Anything else is the function itself.
    """
    if callable(progress):
        yield progress
        return
    if progress is False or (progress is None and not sys.stderr.isatty()):
        yield lambda done, total: None
        return
    begin, bar = time.monotonic(), None

    def step(done, total):
        nonlocal bar
        if bar is None and (progress or time.monotonic() - begin > PATIENCE):
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            bar = Progress(*columns, console=Console(file=sys.stderr), transient=not progress)
            bar.add_task(what)
            bar.start()
        if bar is not None:
            bar.update(bar.task_ids[0], completed=done, total=total)

    try:
        yield step
    finally:
        if bar is not None:
            bar.stop()

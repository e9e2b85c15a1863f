"""Progress on stderr: a bar on a terminal, elsewhere a line every few seconds."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hrm_data.terminal import console_for
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress(total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with the number of puzzles done since the last call."""
    console = console_for(stderr=True)
    if console.is_terminal:
        columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("scoring", total=total)
            yield lambda count: bar.advance(task, count)
        return
    done, last_line = 0, time.monotonic()

    def advance(count: int) -> None:
        nonlocal done, last_line
        done += count
        if done == total or time.monotonic() - last_line >= _SECONDS_BETWEEN_LINES:
            last_line = time.monotonic()
            console.print(f"{done} of {total} puzzles")

    yield advance

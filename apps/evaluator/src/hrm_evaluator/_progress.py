"""Says on stderr how far the work is: a bar on a terminal, now and then a line elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress(total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that is told how many more puzzles are done."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("scoring", total=total)
            yield lambda count: bar.advance(task, count)
        return
    done, said = 0, time.monotonic()

    def advance(count: int) -> None:
        nonlocal done, said
        done += count
        if done == total or time.monotonic() - said >= _SECONDS_BETWEEN_LINES:
            said = time.monotonic()
            console.print(f"{done} of {total} puzzles", highlight=False)

    yield advance

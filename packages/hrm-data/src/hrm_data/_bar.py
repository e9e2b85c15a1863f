"""A progress bar for builds: on a terminal a bar, elsewhere a line now and then."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hrm_data._progress import Progress

if TYPE_CHECKING:
    from rich.console import Console

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress_bar(console: Console) -> Iterator[Progress]:
    """Show, inside the block, what the yielded function is told; nothing of a bar stays behind."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    if not console.is_terminal or console.is_dumb_terminal:
        yield _Lines(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        work = bar.add_task("", total=None)

        def show(done: int, total: int, what: str) -> None:
            bar.update(work, completed=done, total=total or None, description=what)

        yield show


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console, self._said = console, time.monotonic()

    def __call__(self, done: int, total: int, what: str) -> None:
        if time.monotonic() - self._said >= _SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            share = f"{done:,} of {total:,}" if total else f"{done:,}"
            self._console.print(f"{what}: {share}", highlight=False)

"""Progress of long work: the callback that reports it, and a progress bar that shows it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console

_SECONDS_BETWEEN_LINES = 10.0


class Progress(Protocol):
    """A callback that long work calls now and then. It may raise to stop the work, as Ctrl-C does."""

    def __call__(self, done: int, total: int, what: str) -> None:
        """Report that `done` of `total` parts of the work `what` are finished; `total` is 0 if it is unknown."""


def no_progress(done: int, total: int, what: str) -> None:
    """Ignore the report."""


@contextmanager
def progress_bar(console: Console) -> Iterator[Progress]:
    """Yield a `Progress` that shows its reports: a bar on a terminal, elsewhere a line every ten seconds.

    The bar is removed when the block ends. What the package logs meanwhile is printed too.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    with _logged(console):
        if not console.is_terminal or console.is_dumb_terminal:
            yield _Lines(console)
            return
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Bar(*columns, console=console, transient=True) as bar:
            work = bar.add_task("", total=None)

            def show(done: int, total: int, what: str) -> None:
                bar.update(work, completed=done, total=total or None, description=what)

            yield show


@contextmanager
def _logged(console: Console) -> Iterator[None]:
    """Print what the package logs, level INFO and above."""
    logger, handler = logging.getLogger("hrm_data"), _Printed(console)
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _Printed(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        from hrm_data.terminal import plain_lines

        self._console.print(
            plain_lines(record.getMessage()), highlight=False, markup=False, emoji=False, soft_wrap=True
        )


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console, self._printed = console, time.monotonic()

    def __call__(self, done: int, total: int, what: str) -> None:
        if time.monotonic() - self._printed >= _SECONDS_BETWEEN_LINES:
            self._printed = time.monotonic()
            share = f"{done:,} of {total:,}" if total else f"{done:,}"
            self._console.print(f"{what}: {share}", highlight=False, markup=False)

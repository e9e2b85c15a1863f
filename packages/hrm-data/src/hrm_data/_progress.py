"""How a build tells how far it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told now and then how far a build is; may raise to stop it, as Ctrl-C does."""

    def __call__(self, done: int, total: int, what: str) -> None:
        """`done` of `total` parts of the work called `what` are finished; `total` is 0 where it is not known."""


def no_progress(done: int, total: int, what: str) -> None:
    """Tell nobody."""

"""Stop requests by SIGINT and SIGTERM."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class StopNow(BaseException):
    """Raised to abandon repeatable work after a stop request."""


class StopRequest:
    """Whether SIGINT or SIGTERM has come."""

    is_set = False
    _at_once = False

    def set(self) -> None:
        """Request a stop."""
        self.is_set = True
        if self._at_once:
            raise StopNow

    @contextmanager
    def acts_at_once(self) -> Iterator[None]:
        """Raise `StopNow` in the block when a stop is requested."""
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Yield a request that the first SIGINT or SIGTERM sets; a second signal acts as before the block."""
    request = StopRequest()
    before: dict[int, Any] = {}

    def handle(_signal: int, _frame: FrameType | None) -> None:
        restore()
        request.set()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, handle)
    try:
        yield request
    finally:
        restore()

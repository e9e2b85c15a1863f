import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class StopNow(BaseException):
    """Work that need not be finished is left, because a stop was asked for."""


class StopRequest:
    """Whether SIGINT or SIGTERM has come."""

    is_set = False
    _at_once = False

    def set(self) -> None:
        """Ask for a stop."""
        self.is_set = True
        if self._at_once:
            raise StopNow

    @contextmanager
    def acts_at_once(self) -> Iterator[None]:
        """Let a stop that is asked for inside the block leave it with :class:`StopNow`."""
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Yield a request that the first SIGINT or SIGTERM sets; the second acts as before the block."""
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

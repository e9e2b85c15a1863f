"""Announces a stop request as soon as it comes."""

import signal
from collections.abc import Callable
from types import FrameType

from hrm_train import Callback


class StopNotice(Callback):
    """Callback of a run that says at once that a stop was asked for; the step or evaluation in hand goes on first.

    It puts itself before the handlers that the loop has just set. The loop takes both away when it ends.

    Args:
        announce: Told that the run is stopping; called from a signal handler.
    """

    def __init__(self, announce: Callable[[], None]) -> None:
        self._announce = announce

    def started(self, step: int) -> None:
        """Stand before the loop's handlers."""
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler):
                signal.signal(number, self._before(handler))

    def _before(self, handler: Callable[[int, FrameType | None], object]) -> Callable[[int, FrameType | None], None]:
        def handle(number: int, frame: FrameType | None) -> None:
            self._announce()
            handler(number, frame)

        return handle

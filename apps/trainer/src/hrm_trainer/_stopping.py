"""Announces a stop request as soon as it comes."""

import signal
from collections.abc import Callable
from types import FrameType

from hrm_train import Callback


class StopNotice(Callback):
    """Announces a stop request at once; the current step or evaluation is finished first.

    Its signal handlers call those of the loop. The loop removes both when it ends.

    Args:
        announce: Called from a signal handler when the run is stopping.
    """

    def __init__(self, announce: Callable[[], None]) -> None:
        self._announce = announce

    def started(self, step: int) -> None:
        """Install the signal handlers."""
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler):
                signal.signal(number, self._before(handler))

    def _before(self, handler: Callable[[int, FrameType | None], object]) -> Callable[[int, FrameType | None], None]:
        def handle(number: int, frame: FrameType | None) -> None:
            self._announce()
            handler(number, frame)

        return handle

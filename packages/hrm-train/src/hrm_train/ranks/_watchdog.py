"""Ends a process that waits for ever for another rank."""

import os
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType

from hrm_train.ranks._ranks import Ranks


class Watchdog:
    """Ends this rank with a message and exit code 1 when it has taken no step for too long.

    A collective operation waits inside MLX, where neither an exception nor a signal reaches it. The ring backend
    notices a dead rank by itself; the watchdog is for a rank that hangs, for a host without connection, and for other
    backends. A process alone has no watchdog.

    Args:
        seconds: Longest time for a step together with the evaluation and the checkpoint after it.
        ranks: The processes that train together.
        last_checkpoint: Names the newest checkpoint for the message.
    """

    def __init__(self, seconds: float, ranks: Ranks, last_checkpoint: Callable[[], str]) -> None:
        self._seconds, self._ranks, self._last_checkpoint = seconds, ranks, last_checkpoint
        self._last = time.monotonic()
        self._done = threading.Event()

    def beat(self) -> None:
        """Note that a step was taken."""
        self._last = time.monotonic()

    def __enter__(self) -> "Watchdog":
        self.beat()
        if self._ranks.size > 1:
            threading.Thread(target=self._end_when_late, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()

    def _end_when_late(self) -> None:
        while not self._done.wait(min(1.0, self._seconds / 4)):
            if time.monotonic() - self._last > self._seconds:
                print(
                    f"rank {self._ranks.rank}: no step for {self._seconds:g} s, another rank hangs or cannot be "
                    f"reached; the last checkpoint is {self._last_checkpoint()} (train.rank_timeout sets how long to "
                    "wait)",
                    file=sys.stderr,
                    flush=True,
                )
                os._exit(1)

"""Ends a process whose other ranks are stuck, where it would wait for them for ever."""

import os
import sys
import threading
import time
from types import TracebackType

from hrm_train.ranks._ranks import Ranks


class Watchdog:
    """Ends this rank, with a message and exit code 1, when it has not come a step further for too long.

    A collective operation waits inside MLX, where neither an exception nor a signal reaches it. The ring notices by
    itself when a rank dies; this is for a rank that hangs, for a host that is cut off, and for other backends.
    A process alone is not watched.

    Args:
        seconds: How long a step, with the evaluation and the checkpoint after it, may take.
        ranks: The processes that train together.
    """

    def __init__(self, seconds: float, ranks: Ranks) -> None:
        self._seconds, self._ranks = seconds, ranks
        self._last = time.monotonic()
        self._done = threading.Event()

    def beat(self) -> None:
        """Say that a step was taken."""
        self._last = time.monotonic()

    def __enter__(self) -> "Watchdog":
        self.beat()
        if self._ranks.size > 1:
            threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()

    def _watch(self) -> None:
        while not self._done.wait(min(1.0, self._seconds / 4)):
            if time.monotonic() - self._last > self._seconds:
                print(
                    f"rank {self._ranks.rank}: no step for {self._seconds:g} s, another rank hangs or cannot be "
                    "reached; the last checkpoint is intact (train.rank_timeout sets how long to wait)",
                    file=sys.stderr,
                    flush=True,
                )
                os._exit(1)

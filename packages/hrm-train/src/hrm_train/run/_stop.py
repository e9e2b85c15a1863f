"""Stop requests by SIGINT, SIGTERM and SIGHUP."""

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ONE_REQUEST = 1.5  # seconds: `timeout`, uv and a closing terminal send more than one signal for one request
_PATIENCE = 2.0  # seconds in which repeatable work may end by itself
_POLL = 0.1


class StopNow(BaseException):
    """Raised to abandon repeatable work after a stop request."""


class StopRequest:
    """Whether a stop signal has come, noted at its arrival, also while MLX computes.

    Args:
        announce: Called at the first request, from any thread.

    Attributes:
        is_set: Whether a stop is requested.
        is_repeated: Whether a later signal asks to stop at once.
    """

    def __init__(self, announce: Callable[[], object] = lambda: None) -> None:
        self.is_set = self.is_repeated = False
        self._announce = announce
        self._first = 0.0
        self._at_once = False
        self._rescue: Callable[[], NoReturn] | None = None
        self._lock = threading.RLock()  # reentrant: a signal handler may interrupt its owner

    def arrived(self) -> None:
        """Note a signal that has just come."""
        with self._lock:
            now, is_first = time.monotonic(), not self.is_set
            if is_first:
                self.is_set, self._first = True, now
            elif now - self._first > _ONE_REQUEST:
                self.is_repeated = True
        if is_first:  # without the lock, which the main thread may wait for with the lock of a display
            self._announce()

    def act(self) -> None:
        """Raise what the requests so far ask for; called in the main thread."""
        if self.is_repeated:
            raise KeyboardInterrupt
        if self._at_once:
            raise StopNow

    def rescue_if_late(self) -> None:
        """End the process if the repeatable work has not ended in time; called by the thread that notes arrivals."""
        with self._lock:
            if self._rescue is not None and self.is_set and time.monotonic() - self._first > _PATIENCE:
                self._rescue()

    def await_repeats(self) -> None:
        """Wait until another signal would no longer be the same request."""
        if self.is_set:
            time.sleep(max(0.0, self._first + _ONE_REQUEST - time.monotonic()))

    @contextmanager
    def acts_at_once(self, rescue: Callable[[], NoReturn], *, raises: bool = True) -> Iterator[None]:
        """Make stop requests end repeatable work.

        Python code in the block is left by `StopNow`. MLX cannot be interrupted: if the block has not ended two
        seconds after the request, another thread calls `rescue`.

        Args:
            rescue: Saves and ends the process, without any computation by MLX.
            raises: Whether `StopNow` is raised.
        """
        self._rescue = rescue
        self._at_once = raises
        try:
            try:
                yield
            finally:
                self._at_once = False
        finally:
            with self._lock:  # a rescue that has begun ends the process
                self._rescue = None


@contextmanager
def stop_requests(announce: Callable[[], object] = lambda: None) -> Iterator[StopRequest]:
    """Yield a request that SIGINT, SIGTERM and SIGHUP set; a later signal raises KeyboardInterrupt.

    Signals within 1.5 s are one request. An ignored SIGHUP, as under `nohup`, stays ignored. Python delivers signals
    to the main thread only; in other threads the request is never set.

    Args:
        announce: Called at the first request, from any thread.
    """
    request = StopRequest(announce)
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    reading, writing = os.pipe()
    for end in (reading, writing):
        os.set_blocking(end, False)
    done = threading.Event()

    def note_arrivals() -> None:
        with suppress(BlockingIOError):
            for number in os.read(reading, 64):
                if number in SIGNALS:
                    request.arrived()

    def watch() -> None:
        while not done.is_set():
            select.select([reading], [], [], _POLL if request.is_set else None)
            note_arrivals()
            request.rescue_if_late()

    def handle(_number: int, _frame: FrameType | None) -> None:
        note_arrivals()  # the thread may not have run yet
        request.act()

    thread = threading.Thread(target=watch, name="stop requests", daemon=True)
    thread.start()
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    before: dict[signal.Signals, Any] = {}
    for number in SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, handle)
    try:
        yield request
    finally:
        try:
            request.await_repeats()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(wakeup)
            done.set()
            os.write(writing, b"\0")
            thread.join()
            os.close(reading)
            os.close(writing)

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType


class BackgroundWriter:
    """Writes in a thread of its own, one thing after the other.

    What a write raises comes out of the next call, or of leaving the ``with`` block. Leaving it waits for
    the write in hand; an error that is under way already is not replaced.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._last: Future[None] | None = None

    def submit(self, write: Callable[[], None]) -> None:
        """Start a write, after the one before has ended: no more than one is ever behind."""
        self.wait()
        self._last = self._pool.submit(write)

    def check(self) -> None:
        """Raise the error of a write that has failed, without waiting for one that is in hand."""
        if self._last is not None and self._last.done():
            self.wait()

    def wait(self) -> None:
        """Wait for the write in hand and raise its error, if it has one."""
        last, self._last = self._last, None
        if last is not None:
            last.result()

    def __enter__(self) -> "BackgroundWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True)
        if error is None:
            self.wait()

"""Writes checkpoints in the background, one after another."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType


class BackgroundWriter:
    """A thread that does one write at a time.

    The next call, or the end of the `with` block, raises the error of a failed write. The end of the block waits for
    the current write; an error that leaves the block is not replaced.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._last: Future[None] | None = None

    def submit(self, write: Callable[[], None]) -> None:
        """Start a write once the previous one has ended, so that at most one is pending."""
        self.wait()
        self._last = self._pool.submit(write)

    def check(self) -> None:
        """Raise the error of a failed write; does not wait for a current one."""
        if self._last is not None and self._last.done():
            self.wait()

    def wait(self) -> None:
        """Wait for the current write, and raise its error if it failed."""
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

"""Calls from any thread: MLX computes in the main thread, and for all other threads in one worker."""

import atexit
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

import mlx.core as mx

from hrm_ops._fork import check_process

T = TypeVar("T")

_lock = threading.RLock()


def from_any_thread(function: Callable[[], T], *uses: Any) -> T:
    """Call a function that computes with MLX, from whatever thread; calls wait for each other.

    MLX ties streams, compiled functions and arrays that are not evaluated to the thread that made them, and a thread
    that compiles or draws random numbers can abort the process when it ends. So the main thread calls the function
    itself, and all other threads have one worker call it, which lives until the process ends.

    Args:
        function: Computes. All arrays that it returns or keeps must be evaluated.
        *uses: The arrays that it uses: trees of them, such as a module. For the worker, those that the calling thread
            has not evaluated yet are evaluated first.

    Returns:
        What the function returns.

    Raises:
        HRMOpsError: If this process was forked after MLX had been used.

    Example:
        >>> import threading
        >>> import mlx.core as mx
        >>> from hrm_ops import from_any_thread
        >>> def total(x: mx.array) -> float:
        ...     return from_any_thread(lambda: x.sum().item(), x)
        >>> thread = threading.Thread(target=lambda: print(total(mx.ones(3))))
        >>> thread.start()
        >>> thread.join()
        3.0
    """
    check_process()
    if threading.current_thread() in (threading.main_thread(), _worker.thread):
        with _lock:
            return function()
    if uses:
        mx.eval(uses)
    return _worker.call(function)


class _Worker:
    """A thread that calls functions one after the other; it starts with the first."""

    def __init__(self) -> None:
        self.thread: threading.Thread | None = None
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._starting = threading.Lock()
        self._idle = threading.Event()

    def call(self, function: Callable[[], T]) -> T:
        """Have the function called, and return or raise what it does."""
        with self._starting:
            if self.thread is None:
                # A daemon: the process ends although it waits. It is stopped after all threads that may call it.
                self.thread = threading.Thread(target=self._work, name="MLX", daemon=True)
                self.thread.start()
                atexit.register(self._stop)
        future: Future[T] = Future()
        self._tasks.put(partial(_complete, future, function))
        try:
            return future.result()
        finally:
            del future  # an exception that is kept must not keep itself through this frame

    def _work(self) -> None:
        while task := self._tasks.get():
            task()
            del task  # and the arrays that it refers to
        self._idle.set()
        # Waits for ever. If it ended, MLX would free this thread's Python objects: after Python's end it would abort,
        # and before it could wait for a thread that waits for MLX's cache.
        threading.Event().wait()

    def _stop(self) -> None:
        self._tasks.put(None)
        if self.thread is not None and self.thread.is_alive():  # a forked child has no such thread
            self._idle.wait()


def _complete(future: "Future[T]", function: Callable[[], T]) -> None:
    try:
        with _lock:
            future.set_result(function())
    except BaseException as error:  # is raised in the thread that waits
        future.set_exception(error)


_worker = _Worker()

"""Prefetches training batches in a background thread."""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from types import TracebackType

from hrm_data._errors import HRMDataError
from hrm_data.dataset._loader import NumpyBatch, TrainLoader


class PrefetchLoader:
    """The batches of a `TrainLoader`; a thread makes the next ones while one is in use.

    `position` counts the batches returned, not those prefetched, so it can be saved and set like that of a
    `TrainLoader`; setting it drops the prefetched batches. `waited` is the total time that `next` has waited, in
    seconds.

    Args:
        loader: Makes the batches; do not use it elsewhere.
        depth: Maximum number of prefetched batches.

    Raises:
        HRMDataError: `depth` is not positive. `next` raises the loader's errors.
    """

    def __init__(self, loader: TrainLoader, depth: int = 2) -> None:
        if depth < 1:
            raise HRMDataError(f"depth is {depth}; at least 1 batch must be prefetched")
        self.waited = 0.0
        self._loader, self._depth = loader, depth
        self._position = loader.position
        self._worker: _Worker | None = None

    def __iter__(self) -> Iterator[NumpyBatch]:
        """Itself: iteration goes on at `position`."""
        return self

    def __next__(self) -> NumpyBatch:
        """The batch at `position`, which then is one more."""
        if self._worker is None:
            self._worker = _Worker(self._loader, self._position, self._depth)
            weakref.finalize(self, self._worker.stop)  # at the latest when this is forgotten, or at exit
        began = time.perf_counter()
        batch = self._worker.take()
        self.waited += time.perf_counter() - began
        if isinstance(batch, BaseException):
            self.close()
            raise batch
        self._position += 1
        return batch

    @property
    def position(self) -> int:
        """Batches given out so far."""
        return self._position

    @position.setter
    def position(self, value: int) -> None:
        if value < 0:
            raise HRMDataError(f"position is {value}; it must not be negative")
        self.close()
        self._position = value

    def close(self) -> None:
        """End the thread and drop the prefetched batches; the next `next` starts it again at `position`."""
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    def __enter__(self) -> PrefetchLoader:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


class _Worker:
    """One thread, from one position on, until it is stopped or fails."""

    def __init__(self, loader: TrainLoader, position: int, depth: int) -> None:
        self._ready: deque[NumpyBatch | BaseException] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(
            target=self._run, args=(loader, position, depth), name="hrm-data prefetch", daemon=True
        )
        self._thread.start()

    def take(self) -> NumpyBatch | BaseException:
        """The next batch, or what went wrong with it."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready)
            batch = self._ready.popleft()
            self._changed.notify_all()
            return batch

    def stop(self) -> None:
        """End the thread and drop its batches."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()
        self._ready.clear()

    def _run(self, loader: TrainLoader, position: int, depth: int) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or len(self._ready) < depth)
                if self._stopped:
                    return
            made: NumpyBatch | BaseException
            try:
                made = loader.batch_at(position)
            except BaseException as error:  # `take` passes it on
                made = error
            with self._changed:
                self._ready.append(made)
                self._changed.notify_all()
            if isinstance(made, BaseException):
                return
            position += 1

"""Reading items in a background thread, so that the ones that have arrived can be told from those still to come."""

from collections.abc import Iterable, Iterator
from queue import Empty, Queue
from threading import Thread
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
_END = object()
_WAIT = 0.05  # seconds in which the next item still belongs to the current burst


class BackgroundReader(Generic[Item]):
    """Items that may arrive slowly.

    Args:
        items: Iterated in a background thread.
        buffer: Most items in memory.
    """

    def __init__(self, items: Iterable[Item], buffer: int = 1024) -> None:
        self._queue: Queue[Any] = Queue(buffer)
        Thread(target=self._read, args=(items,), daemon=True).start()

    def bursts(self) -> Iterator[Iterator[Item]]:
        """Yield items in bursts: a burst ends when no further item has arrived.

        Raises:
            Exception: Any exception that the iteration raised.
        """
        while (first := self._queue.get()) is not _END:
            yield self._burst(first)

    def _burst(self, item: Any) -> Iterator[Item]:
        while item is not _END:
            if isinstance(item, BaseException):
                raise item
            yield item
            try:
                item = self._queue.get(timeout=_WAIT)
            except Empty:
                return
        self._queue.put(_END)  # ends bursts() too

    def _read(self, items: Iterable[Item]) -> None:
        try:
            for item in items:
                self._queue.put(item)
        except BaseException as error:
            self._queue.put(error)
        self._queue.put(_END)

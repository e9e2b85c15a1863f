"""Draws items in another thread, and knows whether the next one is there already."""

from collections.abc import Iterable, Iterator
from queue import Empty, Queue
from threading import Thread
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
_END = object()
_WAIT = 0.05  # seconds in which the next item still belongs to those before it


class Ahead(Generic[Item]):
    """Items that may come slowly.

    Args:
        items: Drawn in another thread.
        most: How many are held at most.
    """

    def __init__(self, items: Iterable[Item], most: int = 1024) -> None:
        self._queue: Queue[Any] = Queue(most)
        Thread(target=self._draw, args=(items,), daemon=True).start()

    def bursts(self) -> Iterator[Iterator[Item]]:
        """Yield items in bursts: each ends when there is no further item for the moment, the last one at the end.

        Raises:
            Exception: What drawing raised.
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
        self._queue.put(_END)  # for bursts

    def _draw(self, items: Iterable[Item]) -> None:
        try:
            for item in items:
                self._queue.put(item)
        except BaseException as error:
            self._queue.put(error)
        self._queue.put(_END)

"""A copy of the puzzle table, made in parts while training continues."""

from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, Queue

import mlx.core as mx
import numpy as np

from hrm_train._errors import HRMTrainError
from hrm_train.step._puzzle_table import PuzzleTable

PART = 32 * 2**20  # bytes that are copied at once


class TableCopy:
    """The rows of a puzzle table as they are now, given out in parts.

    Steps write into the table in place, and memory may not hold a second one. So one part is copied after each
    step, and the copy gets back the rows that steps have overwritten in parts not yet copied. A table has at most one
    copy at a time.

    The training thread copies parts between steps, and another thread reads them.

    Args:
        table: The table; its first part is copied at once.

    Attributes:
        shape: Shape of the table.
    """

    def __init__(self, table: PuzzleTable) -> None:
        self._table = table
        self.shape: tuple[int, ...] = table.weight.shape
        self._taken, self._dropped = 0, False
        self._parts: Queue[mx.array | None] = Queue(maxsize=1)
        self._overwritten: list[tuple[mx.array, mx.array]] = []
        table.overwritten = self._overwritten
        self.take()

    @property
    def is_done(self) -> bool:
        """Whether all parts are copied, or the reader has ended."""
        return self._table.overwritten is not self._overwritten

    def take(self) -> None:
        """Copy the next part, if any is left; waits until the reader has taken the part before the last one."""
        if self.is_done:
            return
        if not self._dropped:
            rows, width = self.shape
            stop = min(rows, self._taken + max(1, PART // (4 * width)))
            part = self._as_it_was(self._taken, stop)
            mx.eval(part)  # at once: a step would copy the whole table while work refers to it
            self._taken = stop
            self._parts.put(part)
        if self._dropped or self._taken == self.shape[0]:
            self._end()

    def take_rest(self) -> None:
        """Copy all parts that are left."""
        while not self.is_done:
            self.take()

    def parts(self) -> Iterator[mx.array]:
        """Yield the parts `[n, E]` in order, each as soon as it is copied.

        Raises:
            HRMTrainError: If the copy is abandoned.
        """
        missing = self.shape[0]
        while missing:
            part = self._parts.get()
            if part is None:
                raise HRMTrainError("the copy of the puzzle table was abandoned")
            yield part
            missing -= part.shape[0]

    def drop(self) -> None:
        """Tell the copy that its reader has ended."""
        self._dropped = True
        with suppress(Empty):
            self._parts.get_nowait()

    def abandon(self) -> None:
        """Abandon a copy that is not done, which raises in its reader; called by the training thread."""
        if self.is_done:
            return
        self.drop()
        self._end()
        self._parts.put(None)

    def _end(self) -> None:
        self._table.overwritten = None
        self._overwritten.clear()

    def _as_it_was(self, start: int, stop: int) -> mx.array:
        table, size = self._table.weight, stop - start
        part = mx.concatenate(
            [table[start:stop], mx.zeros((1, table.shape[1]))]
        )  # the last row takes rows of other parts
        for identifiers, rows in reversed(self._overwritten):  # the oldest rows last: they are those of the beginning
            inside = (identifiers >= start) & (identifiers < stop)
            part[mx.where(inside, identifiers - start, size)] = rows
        return part[:size]


class StillTable:
    """The rows of a puzzle table while no step is taken, given out in parts without any computation.

    It refers to the table, so it must be dropped before the next step.

    Args:
        table: The table.

    Attributes:
        shape: Shape of the table.
    """

    def __init__(self, table: PuzzleTable) -> None:
        mx.eval(table.weight)
        self._rows = np.array(table.weight, copy=False)
        self.shape: tuple[int, ...] = self._rows.shape

    def parts(self) -> Iterator[np.ndarray]:
        """Yield the parts `[n, E]` in order."""
        size = max(1, PART // (4 * self.shape[1]))
        for start in range(0, self.shape[0], size):
            yield self._rows[start : start + size]

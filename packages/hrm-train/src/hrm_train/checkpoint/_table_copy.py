"""A copy of a puzzle table that training goes on writing into."""

from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, Queue

import mlx.core as mx

from hrm_train._errors import HRMTrainError
from hrm_train.step._step import TrainStep

PART = 32 * 2**20  # bytes that are copied at once


class TableCopy:
    """The rows of a puzzle table as they are now, given out in parts.

    A step writes into the table in place, and a large one has no room beside it for a second. So one part is copied
    after each step, and what steps overwrite in parts that are still to come is put back in the copy. Of one table
    there can be one copy at a time.

    Parts are copied in the thread that trains, between steps, and read in another one.

    Args:
        step: Whose table; the first part is copied at once.

    Attributes:
        shape: Of the table.
    """

    def __init__(self, step: TrainStep) -> None:
        self._step = step
        self.shape: tuple[int, ...] = step.model.puzzle_emb.weight.shape
        self._taken, self._dropped = 0, False
        self._parts: Queue[mx.array | None] = Queue(maxsize=1)
        self._overwritten: list[tuple[mx.array, mx.array]] = []
        step.overwritten = self._overwritten
        self.take()

    @property
    def is_done(self) -> bool:
        """Whether all is copied, or nobody reads any more."""
        return self._step.overwritten is not self._overwritten

    def take(self) -> None:
        """Copy the next part, if there is one; waits until the part before the last one has been read."""
        if self.is_done:
            return
        if not self._dropped:
            rows, width = self.shape
            stop = min(rows, self._taken + max(1, PART // (4 * width)))
            part = self._as_it_was(self._taken, stop)
            mx.eval(part)  # now: a step copies the whole table while anything refers to it
            self._taken = stop
            self._parts.put(part)
        if self._dropped or self._taken == self.shape[0]:
            self._end()

    def take_rest(self) -> None:
        """Copy all that is left."""
        while not self.is_done:
            self.take()

    def parts(self) -> Iterator[mx.array]:
        """Yield the parts ``[n, E]`` in their order, each as soon as it is there.

        Raises:
            HRMTrainError: If the copy is given up.
        """
        missing = self.shape[0]
        while missing:
            part = self._parts.get()
            if part is None:
                raise HRMTrainError("the copy of the puzzle table was given up")
            yield part
            missing -= part.shape[0]

    def drop(self) -> None:
        """Say that nobody reads any more."""
        self._dropped = True
        with suppress(Empty):
            self._parts.get_nowait()

    def give_up(self) -> None:
        """End the copy, and whoever is reading it with an error; in the thread that trains."""
        self.drop()
        self._end()
        self._parts.put(None)

    def _end(self) -> None:
        self._step.overwritten = None
        self._overwritten.clear()

    def _as_it_was(self, start: int, stop: int) -> mx.array:
        table, size = self._step.model.puzzle_emb.weight, stop - start
        part = mx.concatenate([table[start:stop], mx.zeros((1, table.shape[1]))])  # a last row for those of other parts
        for identifiers, rows in reversed(self._overwritten):  # what was overwritten first was there at the beginning
            inside = (identifiers >= start) & (identifiers < stop)
            part[mx.where(inside, identifiers - start, size)] = rows
        return part[:size]

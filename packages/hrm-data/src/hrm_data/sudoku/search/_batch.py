"""Depth-first search on many Sudokus at once.

Every slot of the batch is one search with its own stack. A sweep of constraint propagation (naked and hidden
singles on bit masks) advances all slots together; a slot that ends is refilled at once, so slow searches do not
delay others. Each slot is independent: results do not change with the size of the batch.
The batch is the last axis, so that every operation runs over contiguous memory.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hrm_data._random import mix
from hrm_data.sudoku._board import Board

SLOTS = 1024
"""Searches side by side: enough to hide the cost of a call, few enough for the second-level cache."""

Cells = np.ndarray
"""Candidates as bit masks, `[n, n, slots]` uint16."""


def _once_twice(parts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Bits that occur in at least one, and in at least two of the parts."""
    twice = parts[0] & parts[1]
    once = parts[0] | parts[1]
    both = np.empty_like(once)
    for part in parts[2:]:
        np.bitwise_and(once, part, out=both)
        np.bitwise_or(twice, both, out=twice)
        np.bitwise_or(once, part, out=once)
    return once, twice


Settle = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Takes slots whose search ended and whether each found a solution; returns those to start again, and those done."""


class BatchSearch:
    """Searches side by side; `item` names the caller's item in each slot, -1 where a slot is idle.

    Args:
        board: Geometry.
        items: How many items there will be.
        guess: Guess where propagation ends; otherwise a search ends there without a solution.
        keys: One uint64 for each item, to guess at random; otherwise the smallest digit is guessed.
    """

    def __init__(self, board: Board, items: int, *, guess: bool = True, keys: np.ndarray | None = None) -> None:
        self.board = board
        self.guess = guess
        self.keys = keys
        slots = max(1, min(SLOTS, items))
        self.cand: Cells = np.zeros((board.n, board.n, slots), np.uint16)
        self.item = np.full(slots, -1, np.int64)
        self.guesses = np.zeros(slots, np.int64)
        self._depth = np.zeros(slots, np.int64)
        self._stack = np.zeros((8, board.cells, slots), np.uint16)

    def run(self, items: np.ndarray, state: Callable[[np.ndarray], np.ndarray], settle: Settle) -> None:
        """Search for each of `items`, until `settle` has called all of them done.

        `state(items)` gives the candidates `[n * n, len(items)]` uint16 with which their searches start.
        """
        again, free = np.zeros(0, np.int64), np.arange(len(self.item))
        queued = 0
        while True:
            fresh = items[queued : queued + free.size]
            queued += fresh.size
            self.item[free[: fresh.size]] = fresh
            self._retire(free[fresh.size :])
            start = np.concatenate([again, free[: fresh.size]])
            if start.size:
                self._load(start, state(self.item[start]))
            active = np.count_nonzero(self.item >= 0)
            if not active:
                return
            if active <= len(self.item) // 2:
                self._compact()
            again, free = settle(*self.step())

    def resume(self, slots: np.ndarray) -> None:
        """Continue after a solution as if it were a dead end."""
        self._flat()[:, slots] = 0

    def boards(self, slots: np.ndarray) -> np.ndarray:
        """The digits of solved slots, `[len(slots), n * n]` uint8."""
        return (np.bitwise_count(self._flat()[:, slots] - np.uint16(1)).T + 1).astype(np.uint8)

    def step(self) -> tuple[np.ndarray, np.ndarray]:
        """One sweep; returns the slots whose search ended, and whether each ended at a solution."""
        bad, changed = self._sweep()
        idle = self.item < 0
        bad &= ~idle
        calm = np.flatnonzero(~(bad | changed | idle))
        flat = self._flat()
        calm_cells = flat[:, calm]
        solved = ~np.bitwise_or.reduce(calm_cells & (calm_cells - np.uint16(1)), axis=0).astype(bool)
        stuck = calm[~solved]
        pop = np.flatnonzero(bad & (self._depth > 0))
        if pop.size:
            self._depth[pop] -= 1
            flat[:, pop] = self._stack[self._depth[pop], :, pop].T
        if self.guess and stuck.size:
            self._branch(stuck, calm_cells[:, ~solved])
            stuck = stuck[:0]
        dead = np.flatnonzero(bad)
        dead = dead[~np.isin(dead, pop, assume_unique=True)]
        won = calm[solved]
        return (
            np.concatenate([won, dead, stuck]),
            np.repeat([True, False], [won.size, dead.size + stuck.size]),
        )

    def _load(self, slots: np.ndarray, cells: np.ndarray) -> None:
        self._flat()[:, slots] = cells
        self._depth[slots] = 0
        self.guesses[slots] = 0

    def _retire(self, slots: np.ndarray) -> None:
        self.item[slots] = -1
        self._flat()[:, slots] = 0
        self._depth[slots] = 0

    def _compact(self) -> None:
        """Drop idle slots."""
        keep = np.flatnonzero(self.item >= 0)
        self.cand = np.ascontiguousarray(self.cand[:, :, keep])
        self._stack = np.ascontiguousarray(self._stack[:, :, keep])
        self.item, self.guesses, self._depth = self.item[keep], self.guesses[keep], self._depth[keep]

    def _flat(self) -> np.ndarray:
        return self.cand.reshape(self.board.cells, -1)

    def _branch(self, slots: np.ndarray, cells: np.ndarray) -> None:
        """Guess a digit in the cell with the fewest candidates; keep the rest on the stack."""
        count = np.bitwise_count(cells).astype(np.uint16)
        count[count == 1] = self.board.n + 1
        order = (count << np.uint16(7)) + np.arange(self.board.cells, dtype=np.uint16)[:, None]
        cell = (np.minimum.reduce(order, axis=0) & np.uint16(127)).astype(np.int64)
        which = np.arange(len(slots))
        options = cells[cell, which]
        guess = options & (~options + np.uint16(1))
        if self.keys is not None:
            guess = self._random_bit(self.keys[self.item[slots]] + self.guesses[slots].astype(np.uint64), options)
        depth = self._depth[slots]
        while depth.max() >= len(self._stack):
            self._stack = np.concatenate([self._stack, np.zeros_like(self._stack)])
        rest = cells.copy()
        rest[cell, which] = options ^ guess
        self._stack[depth, :, slots] = rest.T
        self._depth[slots] = depth + 1
        self.guesses[slots] += 1
        self._flat()[cell, slots] = guess

    def _random_bit(self, keys: np.ndarray, options: np.ndarray) -> np.ndarray:
        """Return one of the set bits of each of `options`, drawn by its key."""
        skip = (mix(keys) % np.bitwise_count(options)).astype(np.int64)
        options = options.copy()
        for i in range(self.board.n - 1):
            options = np.where(i < skip, options & (options - np.uint16(1)), options)
        guess: np.ndarray = options & (~options + np.uint16(1))
        return guess

    def _sweep(self) -> tuple[np.ndarray, np.ndarray]:
        """Naked singles, then hidden singles, on all slots: (contradiction, changed), both `[slots]` bool."""
        board, cand = self.board, self.cand
        n, r, c = board.n, board.rows, board.cols
        one = np.uint16(1)
        boxed_shape = (c, r, r, c, len(self.item))

        single = cand - one
        single &= cand
        np.minimum(single, one, out=single)
        single -= one
        single &= cand  # the digit where a cell has one candidate, else 0
        by_box = single.reshape(boxed_shape)
        row = np.bitwise_or.reduce(single, axis=1)
        col = np.bitwise_or.reduce(single, axis=0)
        box = np.bitwise_or.reduce(np.bitwise_or.reduce(by_box, axis=1), axis=2)
        # A digit that is the only candidate of two cells of a unit shows as a sum that is not the union.
        bad = (np.add.reduce(single, axis=1, dtype=np.uint16) ^ row).max(axis=0)
        bad |= (np.add.reduce(single, axis=0, dtype=np.uint16) ^ col).max(axis=0)
        twin = np.add.reduce(np.add.reduce(by_box, axis=1, dtype=np.uint16), axis=2, dtype=np.uint16)
        bad |= (twin ^ box).reshape(n, -1).max(axis=0)

        taken = row[:, None] | col[None]
        taken.reshape(boxed_shape)[...] |= box[:, None, :, None]
        np.bitwise_not(taken, out=taken)
        taken |= single
        new = cand & taken

        by_box = new.reshape(boxed_shape)
        once, twice = _once_twice([new[:, j] for j in range(n)])
        missing = once.copy()
        row = once & ~twice
        once, twice = _once_twice([new[i] for i in range(n)])
        missing &= once
        col = once & ~twice
        once, twice = _once_twice([by_box[:, i, :, j] for i in range(r) for j in range(c)])
        missing &= once.reshape(n, -1)
        box = once & ~twice
        bad |= np.bitwise_and.reduce(missing, axis=0) ^ np.uint16(board.full)
        bad |= np.minimum.reduce(new.reshape(board.cells, -1), axis=0) == 0

        hidden = np.bitwise_or(row[:, None], col[None], out=taken)
        hidden.reshape(boxed_shape)[...] |= box[:, None, :, None]
        hidden &= new
        spread = np.subtract(hidden, one, out=single)
        two = hidden & spread  # two digits that both have no other place than this cell
        bad |= np.bitwise_or.reduce(two.reshape(board.cells, -1), axis=0)
        np.minimum(hidden, one, out=spread)
        spread -= one
        hidden |= spread
        new &= hidden

        changed = np.bitwise_or.reduce((cand ^ new).reshape(board.cells, -1), axis=0).astype(bool)
        self.cand = new
        return bad.astype(bool), changed

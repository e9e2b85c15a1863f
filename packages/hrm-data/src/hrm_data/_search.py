"""Depth-first search on many Sudokus at once.

Every slot of the batch is one search with its own stack. A sweep of constraint propagation (naked and hidden
singles on bit masks) advances all slots together; a slot that ends is refilled at once, so slow searches hold
nobody up. What a slot does depends on that slot alone: results do not change with the size of the batch.
The batch is the last axis, so that every operation runs over contiguous memory.
"""

from __future__ import annotations

import numpy as np

from hrm_data._board import Board
from hrm_data._random import mix

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


class BatchSearch:
    """Searches in `slots` slots; `item` names the caller's item in each slot, -1 where a slot is idle."""

    def __init__(self, board: Board, slots: int, *, guess: bool = True, randomise: bool = False) -> None:
        self.board = board
        self.guess = guess
        self.randomise = randomise
        n = board.n
        self.cand: Cells = np.zeros((n, n, slots), np.uint16)
        self.item = np.full(slots, -1, np.int64)
        self.guesses = np.zeros(slots, np.int64)
        self.key = np.zeros(slots, np.uint64)
        self._depth = np.zeros(slots, np.int64)
        self._stack = np.zeros((8, board.cells, slots), np.uint16)

    @property
    def slots(self) -> int:
        """How many searches run side by side."""
        return len(self.item)

    def load(self, slots: np.ndarray, cells: np.ndarray) -> None:
        """Start new searches in these slots from candidates `cells`, `[n * n, len(slots)]` uint16."""
        self._flat()[:, slots] = cells
        self._depth[slots] = 0
        self.guesses[slots] = 0

    def resume(self, slots: np.ndarray) -> None:
        """Go on behind a solution that was found, as if it had been a dead end."""
        self._flat()[:, slots] = 0

    def retire(self, slots: np.ndarray) -> None:
        """Leave these slots idle."""
        self.item[slots] = -1
        self._flat()[:, slots] = 0
        self._depth[slots] = 0

    def compact(self) -> np.ndarray:
        """Drop idle slots; returns the old numbers of those that stay."""
        keep = np.flatnonzero(self.item >= 0)
        self.cand = np.ascontiguousarray(self.cand[:, :, keep])
        self._stack = np.ascontiguousarray(self._stack[:, :, keep])
        for name in ("item", "guesses", "key", "_depth"):
            setattr(self, name, getattr(self, name)[keep])
        return keep

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
        if self.randomise:
            guess = self._random_bit(slots, options)
        depth = self._depth[slots]
        while depth.max() >= len(self._stack):
            self._stack = np.concatenate([self._stack, np.zeros_like(self._stack)])
        rest = cells.copy()
        rest[cell, which] = options ^ guess
        self._stack[depth, :, slots] = rest.T
        self._depth[slots] = depth + 1
        self.guesses[slots] += 1
        self._flat()[cell, slots] = guess

    def _random_bit(self, slots: np.ndarray, options: np.ndarray) -> np.ndarray:
        """One of the set bits, drawn from the slot's key and the number of its guesses."""
        bits = mix(self.key[slots] + self.guesses[slots].astype(np.uint64))
        skip = (bits % np.bitwise_count(options)).astype(np.int64)
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
        boxed_shape = (c, r, r, c, self.slots)

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

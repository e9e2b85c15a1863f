"""Takes clues out of completed grids while a condition holds."""

from __future__ import annotations

import numpy as np

from hrm_data.sudoku._board import Board
from hrm_data.sudoku.search._batch import BatchSearch
from hrm_data.sudoku.search._solve import solved_by_singles


def dig(
    grids: np.ndarray,
    order: np.ndarray,
    target: np.ndarray,
    board: Board,
    *,
    singles: bool,
    kept: np.ndarray | None = None,
) -> np.ndarray:
    """Try to take out every clue once, in the order given, until `target` clues are left.

    Args:
        grids: Completed grids, `[N, n * n]` uint8.
        order: Cells in the order of trial, `[N, n * n]`.
        target: Number of clues at which to stop, `[N]`; 0 digs until no clue can go.
        board: Geometry.
        singles: Keep the puzzle solvable by naked and hidden singles; otherwise keep its solution unique.
        kept: Cells that have a clue at first, `[N, n * n]` bool, by default all; they come first in `order`.

    Returns:
        Which cells keep their clue, `[N, n * n]` bool.
    """
    total, full = len(grids), np.uint16(board.full)
    bits = (np.uint16(1) << (grids.T - np.uint8(1)).astype(np.uint16)).astype(np.uint16)
    kept = np.ones((board.cells, total), bool) if kept is None else np.ascontiguousarray(kept.T)
    trials = kept.sum(axis=0)
    left = trials.copy()
    trial = np.zeros(total, np.int64)
    search = BatchSearch(board, total, guess=not singles)

    def state(items: np.ndarray) -> np.ndarray:
        cell = order[items, trial[items]]
        cells = np.where(kept[:, items], bits[:, items], full)
        cells[cell, np.arange(len(items))] = full if singles else full ^ bits[cell, items]
        return cells

    def settle(slots: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        items = search.item[slots]
        gone = items[found if singles else ~found]  # solved by singles, or no solution with another digit
        kept[order[gone, trial[gone]], gone] = False
        left[gone] -= 1
        trial[items] += 1
        done = (trial[items] == trials[items]) | (left[items] <= target[items])
        return slots[~done], slots[done]

    search.run(np.flatnonzero(left > target), state, settle)
    return np.ascontiguousarray(kept.T)


def restore(grids: np.ndarray, kept: np.ndarray, order: np.ndarray, target: np.ndarray, board: Board) -> np.ndarray:
    """Put clues back in order up to `target`, as long as singles do not solve the puzzle.

    Arguments and result are those of `dig`; `kept` says which cells have a clue now.
    """
    kept = kept.copy()
    rows = np.arange(len(grids))
    for at in range(board.cells):
        cell = order[:, at]
        open_ = np.flatnonzero((kept.sum(axis=1) < target) & ~kept[rows, cell])
        if not open_.size:
            continue
        trial = kept[open_]
        trial[np.arange(open_.size), cell[open_]] = True
        hard = ~solved_by_singles(grids[open_] * trial, board)
        kept[open_[hard], cell[open_[hard]]] = True
    return kept

"""Take clues out of completed grids for as long as a condition holds."""

from __future__ import annotations

import numpy as np

from hrm_data._board import Board
from hrm_data._search import BatchSearch
from hrm_data._solver import SLOTS, solved_by_singles


def dig(grids: np.ndarray, order: np.ndarray, target: np.ndarray, board: Board, *, singles: bool) -> np.ndarray:
    """Try to take out every clue once, in the order given, until `target` clues are left.

    Args:
        grids: Completed grids, `[N, n * n]` uint8.
        order: Cells in the order of trial, `[N, n * n]`.
        target: Number of clues at which to stop, `[N]`; 0 digs until no clue can go.
        board: Geometry.
        singles: Keep the puzzle solvable by naked and hidden singles; otherwise keep its solution unique.

    Returns:
        Which cells keep their clue, `[N, n * n]` bool.
    """
    total, full = len(grids), np.uint16(board.full)
    bits = (np.uint16(1) << (grids.T - np.uint8(1)).astype(np.uint16)).astype(np.uint16)
    kept = np.ones((board.cells, total), bool)
    left = np.full(total, board.cells)
    trial = np.zeros(total, np.int64)
    search = BatchSearch(board, min(SLOTS, max(total, 1)), guess=not singles)
    waiting = np.flatnonzero(left > target)
    ended = np.arange(search.slots)
    queued = 0
    while True:
        free = ended[search.item[ended] < 0]
        fresh = waiting[queued : queued + free.size]
        queued += fresh.size
        search.item[free[: fresh.size]] = fresh
        busy = ended[search.item[ended] >= 0]
        if busy.size:
            item = search.item[busy]
            cell = order[item, trial[item]]
            state = np.where(kept[:, item], bits[:, item], full)
            column = np.arange(busy.size)
            state[cell, column] = full if singles else full ^ bits[cell, item]
            search.load(busy, state)
        active = np.count_nonzero(search.item >= 0)
        if not active:
            return np.ascontiguousarray(kept.T)
        if active <= search.slots // 2:
            search.compact()
        ended, found = search.step()
        item = search.item[ended]
        gone = item[found if singles else ~found]
        kept[order[gone, trial[gone]], gone] = False
        left[gone] -= 1
        trial[item] += 1
        done = (trial[item] == board.cells) | (left[item] <= target[item])
        search.retire(ended[done])


def restore(grids: np.ndarray, kept: np.ndarray, order: np.ndarray, target: np.ndarray, board: Board) -> np.ndarray:
    """Give clues back in order, until there are `target`, where singles still do not solve the puzzle.

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

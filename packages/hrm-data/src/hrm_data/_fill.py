"""Random completed Sudoku grids."""

from __future__ import annotations

import numpy as np

from hrm_data._board import Board
from hrm_data._random import permutations
from hrm_data._search import BatchSearch
from hrm_data._solver import SLOTS, candidates, digits


def random_grids(keys: np.ndarray, board: Board) -> np.ndarray:
    """One completed grid for each key, `[N, n * n]` uint8, found by randomised depth-first search.

    The first box is a random permutation, which is no restriction: relabelling maps any grid to one like it.
    Every later guess is random too, so that the grids are not symmetric copies of one pattern.
    """
    total = len(keys)
    start = np.zeros((total, board.cells), np.uint8)
    start[:, board.box_of_cell() == 0] = permutations(keys, board.n, salt=10) + 1
    result = np.zeros_like(start)
    search = BatchSearch(board, min(SLOTS, max(total, 1)), randomise=True)
    ended = np.arange(search.slots)
    queued = 0
    while True:
        fresh = np.arange(queued, min(queued + ended.size, total))
        queued += fresh.size
        into = ended[: fresh.size]
        search.item[into] = fresh
        search.key[into] = keys[fresh]
        search.load(into, candidates(start[fresh], board))
        search.retire(ended[fresh.size :])
        active = np.count_nonzero(search.item >= 0)
        if not active:
            return result
        if active <= search.slots // 2:
            search.compact()
        ended, found = search.step()
        result[search.item[ended[found]]] = digits(search, ended[found])

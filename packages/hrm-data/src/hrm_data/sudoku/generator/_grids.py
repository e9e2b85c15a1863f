"""Random completed Sudoku grids."""

from __future__ import annotations

import numpy as np

from hrm_data._random import permutations
from hrm_data.sudoku._board import Board
from hrm_data.sudoku.search._batch import BatchSearch
from hrm_data.sudoku.search._solve import candidates


def random_grids(keys: np.ndarray, board: Board) -> np.ndarray:
    """One completed grid for each key, `[N, n * n]` uint8, found by randomised depth-first search.

    The first box is a random permutation, which is no restriction: relabelling maps any grid to one like it.
    Every later guess is random too, so that the grids are not symmetric copies of one pattern.
    """
    total = len(keys)
    start = np.zeros((total, board.cells), np.uint8)
    start[:, board.box_of_cell() == 0] = permutations(keys, board.n, salt=10) + 1
    result = np.zeros_like(start)
    search = BatchSearch(board, total, keys=keys)

    def settle(slots: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        result[search.item[slots[found]]] = search.boards(slots[found])
        return slots[:0], slots

    search.run(np.arange(total), lambda items: candidates(start[items], board), settle)
    return result

"""Solves Sudokus: the solution, whether it is the only one, and how much search that took."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hrm_data.sudoku._board import Board, Box, as_board, as_grids
from hrm_data.sudoku.search._batch import BatchSearch


class Solved(NamedTuple):
    """The result of `solve`, one entry for each puzzle."""

    solution: np.ndarray
    """`[N, n * n]` uint8, the first solution, zeros without one."""
    solutions: np.ndarray
    """`[N]` int64: 0, 1, or 2 for two or more."""
    steps: np.ndarray
    """`[N]` int64, guesses made; 0 where naked and hidden singles settle the puzzle."""


def solve(grids: np.ndarray, box: Box | Board = (3, 3)) -> Solved:
    """Solve puzzles by naked and hidden singles and, where these end, by depth-first search.

    The search takes the first cell with the fewest candidates and its smallest digit, and goes on until it
    has seen two solutions or everything. With exactly one solution every guess has one dead end, so `steps`
    is the number of backtracks too, the kind of count that the Sudoku-Extreme data call `rating`.

    Args:
        grids: `[N, n * n]` or `[N, n, n]` integers, 0 for a blank.
        box: Rows and columns of a box.

    Raises:
        HRMDataError: Wrong shape, dtype or digit.
    """
    board = as_board(box)
    given = as_grids(grids, board)
    total = len(given)
    result = Solved(np.zeros_like(given), np.zeros(total, np.int64), np.zeros(total, np.int64))
    search = BatchSearch(board, total)

    def settle(slots: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        won = slots[found]
        items = search.item[won]
        first = result.solutions[items] == 0
        result.solutions[items] += 1
        result.solution[items[first]] = search.boards(won[first])
        search.resume(won[first])
        done = np.concatenate([won[~first], slots[~found]])
        result.steps[search.item[done]] = search.guesses[done]
        return slots[:0], done

    search.run(np.arange(total), lambda items: candidates(given[items], board), settle)
    return result


def solved_by_singles(grids: np.ndarray, board: Board) -> np.ndarray:
    """Whether naked and hidden singles alone solve puzzles `[N, n * n]` that have a solution, `[N]` bool."""
    result = np.zeros(len(grids), bool)
    search = BatchSearch(board, len(grids), guess=False)

    def settle(slots: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        result[search.item[slots[found]]] = True
        return slots[:0], slots

    search.run(np.arange(len(grids)), lambda items: candidates(grids[items], board), settle)
    return result


def candidates(grids: np.ndarray, board: Board) -> np.ndarray:
    """Candidates before any propagation, `[n * n, N]` uint16, of digits `[N, n * n]`."""
    bits = np.array([board.full] + [1 << d for d in range(board.n)], np.uint16)
    return np.ascontiguousarray(bits[grids].T)

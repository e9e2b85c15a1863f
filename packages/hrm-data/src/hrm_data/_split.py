"""Train or test, decided by the orbit of a puzzle, so that no symmetric copy can lie on the other side."""

from __future__ import annotations

import numpy as np

from hrm_data._board import Board, Box, as_board
from hrm_data._defaults import TEST_SHARE
from hrm_data._errors import HRMDataError
from hrm_data._orbit import orbit_invariant
from hrm_data._random import mix

_SALT = np.uint64(975)  # with it the few orbits of 4x4 and 6x6 come near the share asked for


def by_puzzle(board: Board) -> bool:
    """Whether the orbit of the puzzle, not of its solution, decides: there are too few solutions."""
    return board.n < 6


def split_keys(puzzles: np.ndarray, solutions: np.ndarray, box: Box | Board) -> np.ndarray:
    """The invariant that decides the split, `[N]` uint64."""
    board = as_board(box)
    return orbit_invariant(solutions, board, puzzles=puzzles if by_puzzle(board) else None)


def in_test(keys: np.ndarray, share: float) -> np.ndarray:
    """Whether orbits belong to the test split, `[N]` bool; about `share` of all orbits do."""
    if not 0.0 <= share <= 1.0:
        raise HRMDataError(f"test_share is {share}; it is a share, from 0 to 1")
    chosen: np.ndarray = (mix(keys + _SALT) >> np.uint64(11)).astype(np.float64) * 2.0**-53 < share
    return chosen


def split_of(
    puzzles: np.ndarray, solutions: np.ndarray, box: Box | Board = (3, 3), *, test_share: float = TEST_SHARE
) -> np.ndarray:
    """Whether each puzzle belongs to the test split, `[N]` bool, decided by its orbit.

    All puzzles on the symmetric copies of one solution fall to the same side, so clues that are restored from
    the solution cannot lead from one side to the other. Boards of 4x4 have only two orbits of solutions:
    there the orbit of the puzzle decides, and a test puzzle is safe from restored clues if it is minimal.

    Args:
        puzzles: `[N, n * n]` or `[N, n, n]`, 0 for a blank.
        solutions: Their solutions.
        box: Rows and columns of a box.
        test_share: Share of the orbits that falls to `test`.

    Raises:
        HRMDataError: Shapes, digits or the share are wrong.
    """
    return in_test(split_keys(puzzles, solutions, box), test_share)

"""The orbit of a Sudoku: a number that all symmetric copies share, and the split that it decides."""

from __future__ import annotations

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data._random import in_test, mix
from hrm_data._split import TEST_SHARE
from hrm_data.sudoku._board import Board, Box, as_board, as_grids

_CHUNK = 256
_ROUNDS = 3


def orbit_invariant(
    solutions: np.ndarray, box: Box | Board = (3, 3), *, puzzles: np.ndarray | None = None
) -> np.ndarray:
    """Return a 64-bit number for each grid that no symmetry of Sudoku changes.

    Symmetries are relabelling of digits, permutation of bands, of rows within bands, of stacks, of columns
    within stacks, and transposition where the box is square. Lines are first told apart by the cycle types of
    the permutations that map one line of a kind (row, column, digit) to another; then colours of cells are
    refined, as in the Weisfeiler-Leman test, with the lines, boxes, bands and stacks on which they lie. Only
    sums over sets enter, so that the order of anything cannot matter. Grids of different orbits nearly always
    differ.

    Args:
        solutions: Completed grids, `[N, n * n]` or `[N, n, n]`.
        box: Rows and columns of a box.
        puzzles: Take the orbits of these puzzles (0 for a blank) rather than those of their solutions.

    Returns:
        `[N]` uint64.

    Raises:
        HRMDataError: Shapes or digits are wrong, or a solution has blanks.
    """
    board = as_board(box)
    grids = as_grids(solutions, board, "solutions")
    if not grids.all():
        raise HRMDataError("solutions holds blanks; solve the puzzles first")
    given = np.ones(grids.shape, np.uint8)
    if puzzles is not None:
        given = (as_grids(puzzles, board, "puzzles") > 0).astype(np.uint8)
        if given.shape != grids.shape:
            raise HRMDataError(f"{len(given)} puzzles do not match {len(grids)} solutions")
    parts = [
        _invariant(grids[start : start + _CHUNK], given[start : start + _CHUNK], board)
        for start in range(0, len(grids), _CHUNK)
    ]
    return np.concatenate([np.zeros(0, np.uint64), *parts])


def by_puzzle(board: Board) -> bool:
    """Return whether the orbit of the puzzle decides, not that of its solution: small boards have too few solutions."""
    return board.n < 6


def split_keys(puzzles: np.ndarray, solutions: np.ndarray, box: Box | Board) -> np.ndarray:
    """Return the invariant that decides the split, `[N]` uint64."""
    board = as_board(box)
    return orbit_invariant(solutions, board, puzzles=puzzles if by_puzzle(board) else None)


def split_of(
    puzzles: np.ndarray, solutions: np.ndarray, box: Box | Board = (3, 3), *, test_share: float = TEST_SHARE
) -> np.ndarray:
    """Return whether each puzzle belongs to the test split, `[N]` bool, decided by its orbit.

    All puzzles on symmetric copies of one solution are in the same split, so that restored clues never turn a
    training puzzle into a test puzzle. Boards of 4x4 have only two orbits of solutions: there the orbit of the puzzle
    decides, and a minimal test puzzle is safe from restored clues.

    Args:
        puzzles: `[N, n * n]` or `[N, n, n]`, 0 for a blank.
        solutions: Their solutions.
        box: Rows and columns of a box.
        test_share: Share of the orbits that falls to `test`.

    Raises:
        HRMDataError: Shapes, digits or the share are wrong.
    """
    return in_test(split_keys(puzzles, solutions, box), test_share)


def _salted(x: np.ndarray, salt: int) -> np.ndarray:
    salted: np.ndarray = mix(x + np.uint64(salt * 0x632BE59BD9B4E019 % 2**64))
    return salted


def _invariant(grids: np.ndarray, given: np.ndarray, board: Board) -> np.ndarray:
    n, total, r, c = board.n, len(grids), board.rows, board.cols
    grid = grids.reshape(total, n, n).astype(np.intp) - 1
    col_of = np.argsort(grid, axis=2)  # [N, row, digit]
    row_of = np.argsort(grid, axis=1)  # [N, digit, column]
    band, stack = np.arange(n) // r, np.arange(n) // c
    side = 0 if r == c else 1  # transposition swaps rows and columns: then their colours must be made alike
    everywhere = np.zeros(n, np.intp)
    rows = _salted(_line_colours(grid, col_of, band, stack), 0)
    cols = _salted(_line_colours(grid.swapaxes(1, 2), row_of.swapaxes(1, 2), stack, band), side)
    digits = _line_colours(col_of.swapaxes(1, 2), row_of, everywhere, everywhere)
    flat = grid.reshape(total, -1)

    cell = given.reshape(total, n, n).astype(np.uint64)
    for _ in range(_ROUNDS):
        cell = _salted(cell, 2)
        row = _salted(rows + cell.sum(axis=2), 3)
        col = _salted(cols + cell.sum(axis=1), 3 + side)
        row += np.repeat(_salted(row.reshape(total, c, r).sum(axis=2), 5), r, axis=1)
        col += np.repeat(_salted(col.reshape(total, r, c).sum(axis=2), 5), c, axis=1)
        box = _salted(cell.reshape(total, c, r, r, c).sum(axis=(2, 4)), 6)
        digit = _salted(digits + np.take_along_axis(cell, col_of, 2).sum(axis=1), 7)
        around = _salted(row, 8)[:, :, None] + _salted(col, 8 + side)[:, None, :]
        around += np.take_along_axis(digit, flat, 1).reshape(total, n, n)
        around.reshape(total, c, r, r, c)[...] += box[:, :, None, :, None]
        cell = cell * np.uint64(3) + around
    lines = _salted(row, 10).sum(axis=1) + _salted(col, 10 + side).sum(axis=1) + _salted(digit, 12).sum(axis=1)
    result: np.ndarray = mix(_salted(cell, 13).sum(axis=(1, 2)) + lines)
    return result


def _line_colours(lines: np.ndarray, inverse: np.ndarray, lines_in: np.ndarray, places_in: np.ndarray) -> np.ndarray:
    """Colours `[N, n]` of lines from how each is permuted into every other.

    `lines[:, i]` maps places to symbols and `inverse[:, j]` symbols to places. Of their product the places are counted
    that one, two and three applications bring back, to themselves and to the band `places_in`. The product for (j, i)
    is the inverse of that for (i, j) and has the same counts.
    """
    total, n = lines.shape[:2]
    first, second = np.triu_indices(n, 1)
    start = (np.arange(total)[:, None] * n + second)[:, :, None] * n
    once = inverse.reshape(-1)[start + lines[:, first]]
    own = np.arange(once.size).reshape(once.shape) // n * n
    code = np.broadcast_to((lines_in[first] == lines_in[second]).astype(np.uint64), once.shape[:2])
    place, power = np.arange(n), once
    for _ in range(3):
        for brought_back in (power == place, places_in[power] == places_in):
            code = code * np.uint64(16) + brought_back.view(np.uint8).sum(axis=2, dtype=np.uint8)
        power = once.reshape(-1)[own + power]
    colour = np.zeros((total, n, n), np.uint64)
    colour[:, first, second] = colour[:, second, first] = _salted(code, 1)
    result: np.ndarray = colour.sum(axis=2)
    return result

"""The rules of Sudoku as masks over the cells."""

from __future__ import annotations

import numpy as np

from hrm_data.sudoku._board import Board


def violations(grids: np.ndarray, board: Board) -> np.ndarray:
    """Cells whose digit stands twice in their row, column or box, `[N, n * n]` bool; blanks (0) never do.

    `grids` is `[N, n * n]`, digits 0..n.
    """
    total, n, r, c = len(grids), board.n, board.rows, board.cols
    rows = grids.reshape(total, n, n)
    boxes = rows.reshape(total, c, r, r, c).swapaxes(2, 3).reshape(total, n, n)
    found = _twice(rows)
    found |= _twice(rows.swapaxes(1, 2)).swapaxes(1, 2)
    found |= _twice(boxes).reshape(total, c, r, r, c).swapaxes(2, 3).reshape(total, n, n)
    return found.reshape(total, n * n)


def _twice(lines: np.ndarray) -> np.ndarray:
    """Entries of the last axis that equal another one there and are not 0."""
    found = np.zeros(lines.shape, bool)
    for shift in range(1, lines.shape[-1]):
        found |= lines == np.roll(lines, shift, axis=-1)
    return found & (lines > 0)

"""The rules of Sudoku, for many boards at once."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hrm_data.sudoku._board import Board


def violations(grids: np.ndarray, board: Board) -> np.ndarray:
    """Return the cells whose digit occurs again in their row, column or box, `[N, n * n]` bool.

    Blanks (0) break no rule.

    Args:
        grids: `[N, n * n]`, digits 0..n.
        board: Geometry.
    """
    total, n, r, c = len(grids), board.n, board.rows, board.cols
    bit_of = np.concatenate([[0], 1 << np.arange(n)]).astype(np.uint16)
    bits = bit_of[grids].reshape(total, n, n)
    boxes = bits.reshape(total, c, r, r, c)
    rows = _twice(bits[:, :, j] for j in range(n))
    cols = _twice(bits[:, i] for i in range(n))
    in_boxes = _twice(boxes[:, :, i, :, j] for i in range(r) for j in range(c))
    twice = rows[:, :, None] | cols[:, None, :]
    twice.reshape(boxes.shape)[...] |= in_boxes[:, :, None, :, None]
    found: np.ndarray = (bits & twice) != 0
    return found.reshape(total, n * n)


def _twice(parts: Iterable[np.ndarray]) -> np.ndarray:
    """Return the bits that are set in at least two of the parts."""
    once: np.ndarray = np.zeros((), np.uint16)
    twice: np.ndarray = np.zeros((), np.uint16)
    for part in parts:
        twice = twice | (once & part)
        once = once | part
    return twice

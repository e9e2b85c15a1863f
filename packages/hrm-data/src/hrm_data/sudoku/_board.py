"""Box shapes, and the numbers that follow from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hrm_data._errors import HRMDataError

Box = tuple[int, int]

MAX_DIGITS = 9


@dataclass(frozen=True)
class Board:
    """Geometry of a Sudoku whose boxes have `rows` rows and `cols` columns; `n = rows * cols` digits."""

    rows: int
    cols: int

    @property
    def n(self) -> int:
        """Digits, and cells in a row, column or box."""
        return self.rows * self.cols

    @property
    def cells(self) -> int:
        """Cells of the board."""
        return self.n * self.n

    @property
    def full(self) -> int:
        """Bit mask of all digits, bit `d - 1` for digit `d`."""
        return (1 << self.n) - 1

    def box_of_cell(self) -> np.ndarray:
        """Box number of every cell, `[n * n]` int64, boxes counted in reading order."""
        row, col = np.divmod(np.arange(self.cells), self.n)
        result: np.ndarray = row // self.rows * self.rows + col // self.cols
        return result


def as_board(box: Box | Board) -> Board:
    """The board of a box shape; raises `HRMDataError` for a shape that the package does not handle."""
    if isinstance(box, Board):
        return box
    try:
        rows, cols = (int(side) for side in box)
    except (TypeError, ValueError):
        raise HRMDataError(f"box shape {box!r} is not a pair of integers (rows, columns); write (3, 3)") from None
    if rows < 2 or cols < 2 or rows * cols > MAX_DIGITS:
        raise HRMDataError(
            f"box shape {rows}x{cols} is not supported: both sides must be at least 2 "
            f"and their product at most {MAX_DIGITS}, as in (2, 2), (2, 3), (3, 2), (2, 4) or (3, 3)"
        )
    return Board(rows, cols)


def as_grids(grids: np.ndarray, board: Board, name: str = "grids") -> np.ndarray:
    """Digits as `[N, n * n]` uint8 from `[N, n, n]`, `[N, n * n]` or one board; raises on anything else."""
    array = np.asarray(grids)
    n = board.n
    if array.shape in ((board.cells,), (n, n)):
        array = array[None]
    if array.shape[1:] not in ((board.cells,), (n, n)) or array.ndim < 2:
        raise HRMDataError(
            f"{name} has shape {array.shape}; expected [N, {board.cells}] or [N, {n}, {n}] "
            f"for boxes of {board.rows}x{board.cols}"
        )
    if not np.issubdtype(array.dtype, np.integer):
        raise HRMDataError(f"{name} has dtype {array.dtype}; expected an integer dtype, 0 for a blank")
    if array.size and (array.min() < 0 or array.max() > n):
        raise HRMDataError(f"{name} holds {array.min()}..{array.max()}; digits run from 1 to {n}, 0 is a blank")
    return np.ascontiguousarray(array.reshape(len(array), board.cells), dtype=np.uint8)

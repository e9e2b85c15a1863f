"""The rules of Futoshiki, on boards in which cells and signs alternate."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

BLANK = 0
"""A cell to fill in; cells with a digit hold the digit."""
NOTHING, LEFT, RIGHT, UP, DOWN = SIGNS = (10, 11, 12, 13, 14)
"""Values between cells: no sign, or the side of the smaller digit, `<`, `>`, `^` or `v`."""


class Between(NamedTuple):
    """A sign's row and column on the board, the cells beside it, and the signs for "less" and "greater"."""

    at: tuple[int, int]
    first: tuple[int, int]
    second: tuple[int, int]
    less: int
    greater: int


def between(size: int) -> Iterator[Between]:
    """Yield all places of signs on a board of `size` x `size` cells."""
    for row in range(0, 2 * size - 1, 2):
        for column in range(1, 2 * size - 1, 2):
            yield Between((row, column), (row, column - 1), (row, column + 1), LEFT, RIGHT)
            yield Between((column, row), (column - 1, row), (column + 1, row), UP, DOWN)


def is_cell(size: int) -> np.ndarray:
    """Where a board has cells, `[2n - 1, 2n - 1]` bool."""
    even = np.arange(2 * size - 1) % 2 == 0
    return even[:, None] & even


def repeated(board: np.ndarray) -> np.ndarray:
    """Cells whose digit stands again in their row or column, `[2n - 1, 2n - 1]` bool."""
    digits = np.where((board > BLANK) & (board < NOTHING), board, BLANK)
    rows = (digits[:, :, None] == digits[:, None, :]).sum(axis=2) > 1
    columns = (digits[:, None, :] == digits[None, :, :]).sum(axis=1) > 1
    return (rows | columns) & (digits != BLANK)


def against_signs(board: np.ndarray) -> np.ndarray:
    """Cells beside a sign that their digits break, `[2n - 1, 2n - 1]` bool; blank cells break none."""
    found = np.zeros(board.shape, bool)
    for sign in between((len(board) + 1) // 2):
        first, second = board[sign.first], board[sign.second]
        is_broken = (board[sign.at] == sign.less and first >= second) or (
            board[sign.at] == sign.greater and first <= second
        )
        if is_broken and first != BLANK and second != BLANK:
            found[sign.first] = found[sign.second] = True
    return found

"""Rows of boards that are larger than any board that is read, so that such a board is one problem, not many."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hrm_data.task._lines import Line, Written

_SIDES = (12, 16, 25)
_SEPARATORS = re.compile(r"[\s,;:/|¦\"'()\[\]{}\u2500-\u257f]+")
_CELL = re.compile(r"\d\d?|[A-Za-z]|[.*_?-]+")
_CELLS = re.compile(r"[0-9A-Za-z.*_?-]+")
_SMALL = frozenset("01234.*_?-xX")
"""Characters of a 4x4 board, which in one line looks like a row of a 16x16 board."""


def wide_row(text: str) -> str | None:
    """Return the cells, a character for each, of a row of a 12x12, 16x16 or 25x25 board; None if it is none."""
    parts = [part for part in _SEPARATORS.split(text) if part]
    if len(parts) in _SIDES and all(map(_CELL.fullmatch, parts)):
        parts = [chr(ord("A") + int(part) - 10) if part.isdigit() and int(part) > 9 else part[-1] for part in parts]
    cells = "".join(parts)
    if len(cells) not in _SIDES or len(set(map(len, parts))) != 1 or not _CELLS.fullmatch(cells):
        return None
    last = chr(ord("A") + len(cells) - 10)
    return cells if all(char <= last for char in cells.upper() if char.isalpha() and char != "X") else None


def large_board(text: str) -> str | None:
    """Return the cells of a 12x12, 16x16 or 25x25 board in one line; None if it is none."""
    cells = _SEPARATORS.sub("", text)
    is_board = len(cells) in [side * side for side in _SIDES] and _CELLS.fullmatch(cells)
    return cells if is_board and not cells.isalpha() else None


class WideBoard:
    """Consecutive rows of a board that is too large."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, Line]] = []

    def add(self, number: int, line: Line) -> Iterator[Written]:
        """Add a row; yield the board that it completes, or the rows before it that belong to another board."""
        if self._rows and len(line.cells) != len(self._rows[0][1].cells):
            yield from self.taken()
        self._rows.append((number, line))
        if len(self._rows) == len(line.cells):
            yield from self.taken()

    def taken(self) -> Iterator[Written]:
        """Yield the rows as one board, or one by one if they may be smaller boards; start again with none."""
        rows, self._rows = self._rows, []
        cells = [line.cells for _, line in rows]
        if len(rows) > 1 and not (len(cells[0]) == 16 and _SMALL.issuperset("".join(cells))):
            yield rows[0][0], "\n".join(cells)
        else:
            yield from ((number, line.text) for number, line in rows)

"""Joins lines to boards: a board is one line, or a block with a line for each row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hrm_data.task._lines import Line, Written

_TITLES = 16
"""Titles in memory at once. They are left out when a board follows."""


def boards(lines: Iterable[Line], rows: int) -> Iterator[Written]:
    """Yield boards of `rows` rows, and the lines that are neither boards nor their titles or frames."""
    block = _Block(rows)
    titles: list[Written] = []
    was_frame = False
    for number, line in enumerate(lines, start=1):
        is_frame = line.kind == "frame"
        if line.kind in ("row", "bad row", "rule") and not block.is_ended_by(line):
            block.add(number, line)
            if line.kind != "rule":
                titles.clear()
            if block.is_complete:
                yield from block.taken()
        elif is_frame and was_frame:  # the end of one frame and the beginning of the next
            yield from block.taken()
        elif not (is_frame or line.kind == "between"):
            yield from block.taken()
            if line.kind == "title":
                titles.append((number, line.text))
            if line.kind == "board":
                titles.clear()
            if line.kind == "other" or len(titles) > _TITLES:
                yield from titles
                titles.clear()
            if line.kind in ("board", "other"):
                yield number, line.text
        was_frame = is_frame
    yield from block.taken()
    yield from titles


class _Block:
    """The consecutive lines of a board that takes one line for each row."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._lines: list[tuple[int, Line]] = []

    def add(self, number: int, line: Line) -> None:
        """Add the line with this number."""
        self._lines.append((number, line))
        if not self._certain:
            del self._lines[: -self._rows]

    def is_ended_by(self, line: Line) -> bool:
        """Whether this is a line of spaces, and spaces are no cells here."""
        if line.kind != "rule" or " " not in line.blanks or line.between:
            return False
        return bool(self._certain) and not (self._is_row(line) or not self._blanks)

    @property
    def is_complete(self) -> bool:
        """Whether there are enough rows."""
        return bool(self._certain) and len(self._members) >= self._rows

    def taken(self) -> Iterator[Written]:
        """Yield the board, complete or not, if there is one, and start again with none."""
        members = self._members[-self._rows :] if self._certain else []
        self._lines = []
        if members:
            yield members[0][0], "\n".join(line.text for _, line in members)

    @property
    def _certain(self) -> list[Line]:
        return [line for _, line in self._lines if line.kind != "rule"]

    @property
    def _blanks(self) -> frozenset[str]:
        """What stands for a blank in the rows that are certain."""
        return frozenset().union(*(line.blanks for line in self._certain))

    @property
    def _members(self) -> list[tuple[int, Line]]:
        return [(number, line) for number, line in self._lines if self._is_row(line)]

    def _is_row(self, line: Line) -> bool:
        """Whether this is a row: a line of `-` alone is one if the other rows have `-` and the same frame."""
        if line.kind != "rule":
            return True
        return line.blanks <= (self._blanks or {" "}) and any(line.between == row.between for row in self._certain)

"""The lines of a board that takes one line for each row, and perhaps blank lines between its bands."""

from __future__ import annotations

from collections.abc import Iterator

from hrm_data.task._labels import are_columns, follows
from hrm_data.task._lines import Line, Written

Rows = list[tuple[int, Line]]


class Bands:
    """Consecutive pieces of a board: rows, with a blank line or frames between the pieces.

    Pieces are one board only if all have whole bands and equal gaps, and have together the rows of exactly one board.
    A piece with all rows is a board of its own, and so are the pieces around it.

    Args:
        rows: Rows of a board.
        band: Rows of a band; 0 if blank lines end a board.
    """

    def __init__(self, rows: int, band: int) -> None:
        self._rows = rows
        self._band = band
        self._piece = _Piece(rows)
        self._start()

    def _start(self) -> None:
        self._pieces: list[Rows] = []
        self._last: tuple[int, Line] | None = None
        self._gap = 0
        self._is_broken = False

    def is_ended_by(self, line: Line) -> bool:
        """Whether this is a line of spaces, and spaces are no cells here."""
        return self._piece.is_ended_by(line)

    def add(self, number: int, line: Line) -> Iterator[Written]:
        """Add the line with this number; yield the board that it completes, or rows that belong to another board."""
        if self._piece.is_header_of(line):
            self._piece = _Piece(self._rows)
            yield from self.taken()
        elif not self._piece.fits(line):
            yield from self.taken()
        self._piece.add(number, line)
        if self._piece.is_complete:
            yield from self._closed()
            yield _written(self._taken_piece())

    def pause(self, number: int) -> Iterator[Written]:
        """End a piece at a line, which may stand between bands; yield what surely continues no more."""
        yield from self._end_piece()
        if self._last and self._gap and number - self._last[0] > self._gap:
            yield from self._closed()

    def header(self, between: str | None = None) -> Iterator[Written]:
        """Take the names of columns, if the piece is one row that may be these, perhaps with these separators only."""
        if self._piece.is_header and between in (None, self._piece.between):
            yield from ((number, line.text) for number, line in self._taken_piece())

    def taken(self) -> Iterator[Written]:
        """Yield the board, complete or not, if there is one, and start again with none."""
        yield from self._end_piece()
        yield from self._closed()

    def _taken_piece(self) -> Rows:
        rows = self._piece.rows
        self._piece = _Piece(self._rows)
        return rows

    def _end_piece(self) -> Iterator[Written]:
        piece = self._taken_piece()
        if not piece:
            return
        if self._last:
            gap = piece[0][0] - self._last[0] - 1
            is_shorter = bool(self._gap) and gap < self._gap
            if not follows(piece[0][1].label, self._last[1].label) or (self._gap and gap > self._gap):
                yield from self._closed()
            elif is_shorter:  # the piece before belongs to this one, and not to those before it
                before = self._pieces[-1:]
                self._pieces = self._pieces[:-1]
                yield from self._closed()
                self._pieces = before
                self._is_broken = not before
                self._gap = gap
            else:
                self._gap = gap
        self._last = piece[-1]
        self._pieces.append(piece)
        if not self._band or len(piece) % self._band:
            self._is_broken = True
            yield from self._one_by_one(0)
        elif self._is_broken or sum(map(len, self._pieces)) > self._rows:
            self._is_broken = True
            yield from self._one_by_one(1)

    def _one_by_one(self, kept: int) -> Iterator[Written]:
        """Yield the pieces but for the last `kept` ones."""
        end = len(self._pieces) - kept
        yield from map(_written, self._pieces[:end])
        del self._pieces[:end]

    def _closed(self) -> Iterator[Written]:
        rows = [row for piece in self._pieces for row in piece]
        if len(rows) == self._rows and not self._is_broken:
            yield _written(rows)
        else:
            yield from self._one_by_one(0)
        self._start()


def _written(rows: Rows) -> Written:
    return rows[0][0], "\n".join(line.text for _, line in rows)


class _Piece:
    """Consecutive lines, none of them blank."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._lines: Rows = []

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

    def fits(self, line: Line) -> bool:
        """Whether the label of a row follows those above it."""
        return line.kind == "rule" or not self._certain or follows(line.label, self._certain[-1].label)

    @property
    def is_header(self) -> bool:
        """Whether this is one row that may be the names of columns."""
        return len(self._certain) == 1 and not self._certain[0].label and are_columns(list(self._certain[0].text))

    def is_header_of(self, line: Line) -> bool:
        """Whether this is one row that must be the names of columns, if the next row is this one."""
        if not self.is_header or line.kind == "rule":
            return False
        only_bars = all(char == "|" or not char.isascii() for char in self.between + line.between)
        return bool(line.label) or (only_bars and self.between != line.between)

    @property
    def between(self) -> str:
        """What stands between the cells of the first row."""
        return self._certain[0].between

    @property
    def is_complete(self) -> bool:
        """Whether there are enough rows."""
        return bool(self._certain) and len(self._members) >= self._rows

    @property
    def rows(self) -> Rows:
        """The rows, as many as a board has at most."""
        return self._members[-self._rows :] if self._certain else []

    @property
    def _certain(self) -> list[Line]:
        return [line for _, line in self._lines if line.kind != "rule"]

    @property
    def _blanks(self) -> frozenset[str]:
        """What stands for a blank in the rows that are certain."""
        return frozenset().union(*(line.blanks for line in self._certain))

    @property
    def _members(self) -> Rows:
        return [(number, line) for number, line in self._lines if self._is_row(line)]

    def _is_row(self, line: Line) -> bool:
        """Whether this is a row: a line of `-` alone is one if the other rows have `-` and the same frame."""
        if line.kind != "rule":
            return True
        return line.blanks <= (self._blanks or {" "}) and any(
            line.between == row.between and not row.label for row in self._certain
        )

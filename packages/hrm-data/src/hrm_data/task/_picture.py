"""Pictures of boards as plain text that knows where each token stands, so that an application can colour it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

_SPACED = 16  # wider boards are drawn without spaces between cells


@dataclass(frozen=True)
class Picture:
    """Lines of text, and the place of every token in them; `str()` is the plain text."""

    lines: tuple[str, ...]
    spots: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """Line and column of the one character that stands for a token, by the token's position in `[seq_len]`."""

    def __str__(self) -> str:
        """The lines, joined."""
        return "\n".join(self.lines)

    @property
    def width(self) -> int:
        """Characters in the longest line."""
        return max(map(len, self.lines), default=0)

    def symbol(self, position: int) -> str:
        """The character that stands for a token; empty where it is not shown."""
        if position not in self.spots:
            return ""
        line, column = self.spots[position]
        return self.lines[line][column]

    def segments(
        self, styles: Mapping[int, str], notes: Mapping[int, str] | None = None
    ) -> Iterator[list[tuple[str, str | None]]]:
        """Each line as pieces (text, style); None is the style of what is no token or has none.

        Args:
            styles: Style of a token, by its position.
            notes: Text to put behind a token; its column grows by as much as its longest note.
        """
        notes = notes or {}
        at = {spot: position for position, spot in self.spots.items()}
        extra: dict[int, int] = {}
        for position, note in notes.items():
            if position in self.spots:
                column = self.spots[position][1]
                extra[column] = max(extra.get(column, 0), len(note))
        for row, line in enumerate(self.lines):
            pieces: list[tuple[str, str | None]] = []
            for column, char in enumerate(line):
                width = 1 + extra.get(column, 0)
                token = at.get((row, column))
                if token is None:
                    pieces.append((char * width, None))
                else:
                    pieces.append(((char + notes.get(token, "")).ljust(width), styles.get(token)))
            yield pieces


def draw_grid(symbols: np.ndarray, *, row_length: int | None = None, box: tuple[int, int] | None = None) -> Picture:
    """The picture of a grid of characters, with spaces between them where the grid is not wide.

    Args:
        symbols: `[rows, columns]` of one-character strings.
        row_length: Tokens in a row of the canvas, where it is wider than the grid; by default `columns`.
        box: Rows and columns of boxes to draw lines around; both must divide the grid's.
    """
    rows, cols = symbols.shape
    tall, wide = box or (rows, cols)
    gap = " " if cols <= _SPACED else ""
    rule = "+".join(["", *["-" * ((1 + len(gap)) * wide + len(gap))] * (cols // max(wide, 1)), ""])
    lines, spots = [rule] if box else [], {}
    for row in range(rows):
        line = f"|{gap}" if box else ""
        for col in range(cols):
            spots[row * (row_length or cols) + col] = len(lines), len(line)
            line += str(symbols[row, col])
            if box and (col + 1) % wide == 0:
                line += f"{gap}|"
            line += gap if col + 1 < cols else ""
        lines.append(line)
        if box and (row + 1) % tall == 0:
            lines.append(rule)
    return Picture(tuple(lines), spots)

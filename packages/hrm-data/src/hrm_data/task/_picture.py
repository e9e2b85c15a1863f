"""Pictures of boards: plain text, and the position of each token in it, so that an application can colour it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

_SPACED = 16  # wider boards are drawn without spaces between cells


@dataclass(frozen=True)
class Picture:
    """Lines of text and the position of every token in them; `str()` is the plain text."""

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
        """Return the character of a token; empty if it is not shown."""
        if position not in self.spots:
            return ""
        line, column = self.spots[position]
        return self.lines[line][column]

    def segments(
        self, styles: Mapping[int, str], notes: Mapping[int, str] | None = None
    ) -> Iterator[list[tuple[str, str | None]]]:
        """Yield each line as pieces (text, style); the style is None for tokens without one and for other characters.

        Args:
            styles: Style of a token, by its position.
            notes: Text behind a token, by its position; a column grows by its longest note.
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
    """Draw a grid of characters, with spaces between them unless the grid is wide.

    Args:
        symbols: `[rows, columns]` of one-character strings.
        row_length: Tokens in a row of the canvas, where it is wider than the grid; by default `columns`.
        box: Rows and columns of the boxes to frame; they must divide the grid's.
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

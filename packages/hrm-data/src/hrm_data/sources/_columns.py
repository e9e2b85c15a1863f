"""What files of puzzles are called and how they are encoded, as people publish them."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

QUESTIONS = (
    *("question", "questions", "puzzle", "puzzles", "quiz", "quizzes"),
    *("sudoku", "sudokus", "maze", "mazes", "board", "grid"),
)
"""Names of the column of puzzles, the likeliest first."""
ANSWERS = ("answer", "answers", "solution", "solutions", "solved")
"""Names of the column of solutions."""


def find_column(header: Sequence[str], names: Sequence[str]) -> int | None:
    """Return the position of the first of the names that a header has, in any case; None if it has none."""
    found = [name.strip().strip('"').lower() for name in header]
    return next((found.index(name) for name in names if name in found), None)


def delimiter_of(header: str) -> str:
    """Return what separates the columns of a header: the first of `,`, `;` and tab that it has, or `,`."""
    return next((delimiter for delimiter in ",;\t" if delimiter in header), ",")


def encoding_of(head: bytes) -> str:
    """Return the encoding, UTF-8 or UTF-16, of a text that begins with these bytes."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if head[1:2] == b"\0":
        return "utf-16-le"
    return "utf-16-be" if head[:1] == b"\0" else "utf-8-sig"

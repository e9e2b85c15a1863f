"""What a line of text may be, and puzzles that take one line each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

Written = tuple[int, str]
"""A puzzle as written: the number of its first line, counted from 1, and the text for `Task.parse`."""

_COMMENT = re.compile(r"[#;].*|(?:^|(?<=\s))//.*")


class Line(NamedTuple):
    """What a line of text is.

    Attributes:
        kind: A whole board; a row; a row with a mistake; a line that is a row of blanks or part of a frame (`rule`);
            part of a frame; brackets or commas alone (`between`); blank; a comment; a title; a row of a board that is
            too large (`wide`); anything else.
        text: The cells of a board, row or rule, otherwise the line.
        blanks: The characters that stand for blank cells in this line.
        between: What stands between and around the cells, without white space.
        label: The name of a row, such as `1` or `A`, where one stands in front of the cells.
        cells: The cells of a wide row, a character for each.
    """

    kind: Literal["board", "row", "bad row", "rule", "frame", "between", "blank", "comment", "title", "wide", "other"]
    text: str = ""
    blanks: frozenset[str] = frozenset()
    between: str = ""
    label: str = ""
    cells: str = ""


def without_comment(line: str) -> str:
    """Return a line without its comment: `#` or `;`, or `//` at the beginning or after white space."""
    return _COMMENT.sub("", line).strip()


def one_a_line(lines: Iterable[str]) -> Iterator[Written]:
    """Yield every line that holds more than a comment."""
    for number, line in enumerate(lines, start=1):
        if text := without_comment(line):
            yield number, text

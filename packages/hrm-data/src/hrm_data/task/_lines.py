"""Finds the puzzles in lines of text that a user wrote or downloaded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

Written = tuple[int, str]
"""A puzzle as written: the number of its first line, counted from 1, and the text for `Task.parse`."""

_COMMENT = re.compile(r"[#;].*|(?:^|(?<=\s))//.*")


def without_comment(line: str) -> str:
    """Return a line without its comment: `#` or `;`, or `//` at the beginning or after white space."""
    return _COMMENT.sub("", line).strip()


def one_a_line(lines: Iterable[str]) -> Iterator[Written]:
    """Yield every line that holds more than a comment."""
    for number, line in enumerate(lines, start=1):
        if text := without_comment(line):
            yield number, text


class Rows:
    """The lines collected so far of a board that takes one line for each row."""

    def __init__(self) -> None:
        self.first = 0
        self.texts: list[str] = []

    def add(self, number: int, text: str) -> None:
        """Add the line with this number."""
        self.first = self.first if self.texts else number
        self.texts.append(text)

    def taken(self) -> Iterator[Written]:
        """Yield the board if there is one, and start again with none."""
        texts, self.texts = self.texts, []
        if texts:
            yield self.first, "\n".join(texts)

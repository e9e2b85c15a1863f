"""Finds the puzzles in lines of text that users wrote or downloaded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

Written = tuple[int, str]
"""A puzzle as it is written: the number of its first line, counted from 1, and the text for `Task.parse`."""

_COMMENT = re.compile(r"[#;].*|(?:^|(?<=\s))//.*")


def without_comment(line: str) -> str:
    """A line without what follows a `#` or `;`, or a `//` at its beginning or after white space."""
    return _COMMENT.sub("", line).strip()


def one_a_line(lines: Iterable[str]) -> Iterator[Written]:
    """Every line that holds more than a comment."""
    for number, line in enumerate(lines, start=1):
        if text := without_comment(line):
            yield number, text


def square_boards(lines: Iterable[str], n: int) -> Iterator[Written]:
    """Boards of `n` x `n` characters, in one line or in `n` lines, with or without a frame of `|`, `+`, `-`.

    In a line of several fields that white space or `,:;|` divides, the board is the first of `n * n` characters. Lines
    that are no part of a board are boards of the wrong size.
    """
    rows = _Rows()
    for number, line in enumerate(chain(lines, [""]), start=1):
        text = without_comment(line)
        if text and not text.strip("|+-= "):
            continue  # of a frame
        board = _board_in(text, n * n)
        if board or not text:
            yield from rows.taken()
        if board:
            yield number, board
        elif rows.texts or len(_compact(text)) == n:
            rows.add(number, text.replace("|", " "))
            if len(rows.texts) == n:
                yield from rows.taken()
        elif text:
            yield number, text


def mazes(lines: Iterable[str], n: int, chars: str) -> Iterator[Written]:
    """Mazes of `n` x `n` characters out of `chars`, in one line or in `n` lines with nothing between them.

    A wall at the beginning of a line looks like a comment: a comment has other characters, and another length.
    """
    rows = _Rows()
    for number, line in enumerate(chain(lines, [""]), start=1):
        text = line.rstrip("\r\n")
        if not text.strip() and len(text) != n:
            yield from rows.taken()
        elif text[0] == ";" or (
            text[0] == "#" and set(text[: n * n]) - set(chars) and len(text.rstrip()) not in (n, n * n)
        ):
            continue
        elif len(text) > n * (n - 1):
            yield from rows.taken()
            behind = text[n * n :].strip()
            yield number, text[: n * n].ljust(n * n) if behind[:1] in ("", "#", ";") else text
        else:
            rows.add(number, text)
            if len(rows.texts) == n:
                yield from rows.taken()


def grids(lines: Iterable[str]) -> Iterator[Written]:
    """Grids of digits: rows with `/` or `|` between them in one line, a JSON list of lists, or a line for each row.

    A grid of several lines ends with a blank line, a comment, or where the next one begins.
    """
    rows = _Rows()
    for number, line in enumerate(chain(lines, [""]), start=1):
        text = without_comment(line)
        if not text or "/" in text or "|" in text or text.startswith("[["):
            yield from rows.taken()
        if "/" in text or "|" in text:
            yield number, text
        elif text:
            rows.add(number, text)
            if text.endswith("]]"):
                yield from rows.taken()


class _Rows:
    """The lines of a board of which there may be more to come."""

    def __init__(self) -> None:
        self.first = 0
        self.texts: list[str] = []

    def add(self, number: int, text: str) -> None:
        self.first = self.first if self.texts else number
        self.texts.append(text)

    def taken(self) -> Iterator[Written]:
        """The board, if there is one, which is then none any more."""
        texts, self.texts = self.texts, []
        if texts:
            yield self.first, "\n".join(texts)


def _board_in(text: str, length: int) -> str:
    if len(_compact(text)) == length:
        return text.replace("|", " ")
    return next((field for field in re.split(r"[\s,:|]+", text) if len(field) == length), "")


def _compact(text: str) -> str:
    return re.sub(r"[\s|]", "", text)

"""Finds the Sudokus in lines of text, in one line each or in a line for each row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from hrm_data.task._lines import Rows, Written, without_comment


def square_boards(lines: Iterable[str], n: int) -> Iterator[Written]:
    """Yield boards of `n` x `n` characters, in one line or in `n` lines, with or without a frame of `|`, `+`, `-`.

    In a line of several fields, separated by white space or `,:;|`, the board is the first field of `n * n` characters.
    A line that is no part of a board is yielded alone, so that `parse` can explain the error.
    """
    rows = Rows()
    for number, line in enumerate(chain(lines, [""]), start=1):
        text = without_comment(line)
        if text and not text.strip("|+-= "):
            continue  # part of a frame
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


def _board_in(text: str, length: int) -> str:
    if len(_compact(text)) == length:
        return text.replace("|", " ")
    return next((field for field in re.split(r"[\s,:|]+", text) if len(field) == length), "")


def _compact(text: str) -> str:
    return re.sub(r"[\s|]", "", text)

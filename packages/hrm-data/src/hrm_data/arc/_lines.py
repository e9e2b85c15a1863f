"""Finds the ARC grids in lines of text, in one line each or in a line for each row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from hrm_data.task._lines import Rows, Written, without_comment


def grids(lines: Iterable[str]) -> Iterator[Written]:
    """Yield grids of digits: rows with `/` or `|` between them in one line, a JSON list of lists, or a line a row.

    A grid of several lines ends at a blank line, at a comment, or where the next grid begins.
    """
    rows = Rows()
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

"""Finds the ARC grids in lines of text, in one line each or in a line for each row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from hrm_data.task._lines import Written, without_comment

_WORD = re.compile(r"[^\W\d_]{2,}")


def grids(lines: Iterable[str]) -> Iterator[Written]:
    """Yield grids of digits: rows with `/` or `|` between them in one line, a JSON list of lists, or a line a row.

    A grid of several lines ends at a blank line, at a comment or title, or where the next grid begins.
    """
    rows: list[str] = []
    first = 0
    for number, line in enumerate(chain(lines, [""]), start=1):
        text = without_comment(line)
        is_alone = "/" in text or "|" in text or _WORD.search(text) is not None
        if rows and (not text or is_alone or text.startswith("[[")):
            yield first, "\n".join(rows)
            rows = []
        if is_alone:
            yield number, text
        elif text:
            first = first if rows else number
            rows.append(text)
            if text.endswith("]]"):
                yield first, "\n".join(rows)
                rows = []

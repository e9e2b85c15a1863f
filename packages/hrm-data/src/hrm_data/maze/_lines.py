"""Finds the mazes in lines of text, in one line each or in a line for each row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from hrm_data.task._lines import Rows, Written


def mazes(lines: Iterable[str], n: int, chars: str) -> Iterator[Written]:
    """Yield mazes of `n` x `n` characters out of `chars`, in one line or in `n` consecutive lines.

    `#` begins a comment but is also a wall. A line is a comment if it has other characters, and another length, than
    a maze.
    """
    rows = Rows()
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

"""Joins lines to boards: a board is one line, or a block with a line for each row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hrm_data.task._bands import Bands
from hrm_data.task._lines import Line, Written
from hrm_data.task._wide import WideBoard

_TITLES = 16
"""Titles in memory at once. They are left out when a board follows."""


def boards(lines: Iterable[Line], rows: int, band: int = 0) -> Iterator[Written]:
    """Yield boards of `rows` rows, and the lines that are neither boards nor their titles or frames.

    Args:
        lines: What the lines are.
        rows: Rows of a board.
        band: Rows of a band, if blank lines may separate the bands of a board.
    """
    bands = Bands(rows, band)
    wide = WideBoard()
    titles: list[Written] = []
    was_frame = was_blank = False
    for number, line in enumerate(lines, start=1):
        is_frame = line.kind == "frame"
        is_row = line.kind in ("row", "bad row", "rule") and not bands.is_ended_by(line)
        is_blank = line.kind in ("blank", "rule") and not is_row
        if line.kind not in ("wide", "frame", "between", "blank"):
            yield from wide.taken()
        if is_row:
            yield from bands.add(number, line)
            if line.kind != "rule":
                titles.clear()
        elif is_blank or (is_frame and was_frame):  # two frames: one ends, the next begins
            titles += bands.header()
            yield from bands.taken() if is_blank and was_blank else bands.pause(number)
        elif is_frame:
            titles += bands.header(between="")
        elif line.kind != "between":
            titles += bands.header()
            yield from bands.taken()
            if line.kind == "title":
                titles.append((number, line.text))
            if line.kind in ("board", "wide"):
                titles.clear()
            if line.kind == "other" or len(titles) > _TITLES:
                yield from titles
                titles.clear()
            if line.kind in ("board", "other"):
                yield number, line.text
            if line.kind == "wide":
                yield from wide.add(number, line)
        was_frame, was_blank = is_frame, is_blank
    yield from wide.taken()
    titles += bands.header()
    yield from bands.taken()
    yield from titles

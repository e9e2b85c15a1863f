"""Reading items in a background thread."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest
from hrm_evaluator.puzzles._background import BackgroundReader


def test_lines_are_drawn_when_they_are_needed() -> None:
    drawn = 0

    def endless() -> Iterator[int]:
        nonlocal drawn
        while True:
            drawn += 1
            yield drawn

    reader = BackgroundReader(endless(), buffer=10)
    assert list(islice(next(reader.bursts()), 25)) == list(range(1, 26))
    assert drawn <= 25 + 10 + 1


def test_what_goes_wrong_while_drawing_is_raised() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    taken = []

    def take_all() -> None:
        for burst in BackgroundReader(failing()).bursts():
            taken.extend(burst)

    with pytest.raises(OSError, match="the disk is gone"):
        take_all()
    assert taken == [1]

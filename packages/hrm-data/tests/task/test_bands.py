"""Boards whose bands stand between blank lines, and pieces that are no board."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from hrm_data import HRMDataError
from hrm_data.maze import MazeTask
from hrm_data.sudoku import SudokuTask
from hypothesis import given
from hypothesis import strategies as st

BOXES = [(2, 2), (2, 3), (3, 2), (2, 4), (3, 3)]
BETWEEN_BOARDS = [["Grid 7"], ["", "# the next", ""], ["---", "Hard 2", "---"], ["1" * 80], [], [""]]


@st.composite
def rows_of(draw: st.DrawFn, n: int) -> list[str]:
    rng = draw(st.randoms(use_true_random=False))
    return ["1" + "".join(rng.choice("123456789"[:n] + "....") for _ in range(n - 1)) for _ in range(n)]


def bands_of(rows: list[str], box: tuple[int, int], layout: str) -> list[list[str]]:
    """The lines of each band."""
    height, width = box
    parts = [[row[at : at + width] for at in range(0, len(row), width)] for row in rows]
    frame = "+" + "+".join(["-" * width] * len(parts[0])) + "+"
    lines = {
        "plain": rows,
        "boxes": [" ".join(row) for row in parts],
        "cells": ["  ".join(" ".join(part) for part in row) for row in parts],
        "bars": [" | ".join(" ".join(part) for part in row) for row in parts],
        "frames": [f"|{'|'.join(row)}|" for row in parts],
    }[layout]
    bands = [lines[at : at + height] for at in range(0, len(lines), height)]
    return [[frame, *band, frame] for band in bands] if layout == "frames" else bands


def parsed(task: SudokuTask, lines: list[str]) -> tuple[list[str], list[int]]:
    found, failed = [], []
    for number, text in task.find_puzzles(lines):
        try:
            found.append(task.text(task.parse(text)))
        except HRMDataError:
            failed.append(number)
    return found, failed


@given(st.data())
def test_every_board_in_bands_is_found_and_none_of_a_broken_one(data: st.DataObject) -> None:
    box = data.draw(st.sampled_from(BOXES))
    layout = data.draw(st.sampled_from(["plain", "boxes", "cells", "bars", "frames"]))
    gap = data.draw(st.sampled_from([[""], ["  "], ["", "---+---", ""]]))
    lines: list[str] = []
    expected = []
    for _ in range(data.draw(st.integers(1, 4))):
        lines += [*[""] * (len(gap) + 1), *data.draw(st.sampled_from(BETWEEN_BOARDS))]
        rows = data.draw(rows_of(box[0] * box[1]))
        bands = bands_of(rows, box, layout)
        damage = data.draw(st.sampled_from(["none", "none", "row", "band"]))
        at = data.draw(st.integers(0, len(bands) - 1))
        if damage == "none":
            expected.append("".join(rows))
        elif damage == "row":
            del bands[at][1 if layout == "frames" else 0]
        else:
            del bands[at]
        lines += [line for number, band in enumerate(bands) for line in (gap if number else []) + band]
    assert parsed(SudokuTask(box), lines)[0] == expected


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 6)), min_size=1, max_size=9))
def test_pieces_join_only_to_exactly_one_board_and_no_row_is_lost(pieces: list[tuple[int, int]]) -> None:
    lines: list[str] = []
    runs: list[list[tuple[int, int]]] = [[]]  # the first line and the number of rows of each piece
    for gap, size in pieces:
        lines += [""] * gap
        if gap > 1 or size == 6:
            runs.append([])
        runs[-1].append((len(lines) + 1, size))
        if size == 6:
            runs.append([])
        lines += [f"{len(lines) % 6 + 1}.1{at + 1}.." for at in range(size)]
    expected: list[tuple[int, int]] = []
    for run in runs:
        sizes = [size for _, size in run]
        is_board = sum(sizes) == 6 and not any(size % 2 for size in sizes)
        expected += [(run[0][0], 6)] if is_board else run
    found = list(SudokuTask((2, 3)).find_puzzles(lines))
    assert [(number, text.count("\n") + 1) for number, text in found] == expected
    assert [row for _, text in found for row in text.split("\n")] == [line for line in lines if line]


def test_a_band_may_end_in_a_row_of_dashes() -> None:
    ((_, text),) = SudokuTask((2, 2)).find_puzzles(["1-34", "----", "", "2-4-", "-3-1"])
    assert text == "1-34\n----\n2-4-\n-3-1"


@pytest.mark.parametrize(("after", "drawn"), [(["Grid 2"], 6), (["", "", "Grid 2"], 7), (["", "Grid 2"], 7)])
def test_a_board_in_bands_is_found_as_soon_as_it_is_certain(after: list[str], drawn: int) -> None:
    counter = count()

    def arriving() -> Iterator[str]:
        for line in ["12..", "34..", "", "2.4.", ".3.1", *after, "1234"]:
            next(counter)
            yield line

    assert next(SudokuTask((2, 2)).find_puzzles(arriving())) == (1, "12..\n34..\n2.4.\n.3.1")
    assert next(counter) == drawn


def test_boards_that_cannot_be_told_apart_are_reported_with_the_remedy() -> None:
    lines = ["12..", "34..", "", "2.4.", ".3.1", ""] * 2
    task = SudokuTask((2, 2))
    assert parsed(task, lines) == ([], [1, 4, 7, 10])
    with pytest.raises(HRMDataError, match="two blank lines between boards"):
        task.parse("12..\n34..")


def test_blank_lines_end_the_boards_of_tasks_without_bands() -> None:
    assert len(list(MazeTask(4).find_puzzles(["####", "#S.#", "", "#.G#", "####"]))) == 2

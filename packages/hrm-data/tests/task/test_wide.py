"""Boards that are too large: one problem each."""

from __future__ import annotations

import pytest
from hrm_data import HRMDataError
from hrm_data.sudoku import SudokuTask
from hypothesis import given
from hypothesis import strategies as st

SIDES = {12: 4, 16: 4, 25: 5}
LAYOUTS = ["line", "plain", "boxes", "bands", "numbers", "commas", "frame"]


def large_board(rows: list[list[int]], width: int, layout: str, first: str) -> list[str]:
    """The lines of a board of numbers from 1, 0 for a blank; `first` are the characters from a blank on."""
    lines = ["".join(first[number] for number in row) for row in rows]
    parts = [[line[at : at + width] for at in range(0, len(line), width)] for line in lines]
    rule = "+".join(["-" * (2 * width)] * len(parts[0]))
    if layout == "bands":
        return [line for at, part in enumerate(lines) for line in ([""] if at and at % 4 == 0 else []) + [part]]
    if layout == "frame":
        return [rule, *(" | ".join(" ".join(part) for part in row) for row in parts), rule]
    return {
        "line": ["".join(lines)],
        "plain": lines,
        "boxes": [" ".join(row) for row in parts],
        "numbers": [" ".join(f"{number:2}" if number else " ." for number in row) for row in rows],
        "commas": [",".join(map(str, row)) for row in rows],
    }[layout]


@given(st.data())
def test_a_board_that_is_too_large_is_one_error_that_names_its_size(data: st.DataObject) -> None:
    side = data.draw(st.sampled_from(list(SIDES)))
    rng = data.draw(st.randoms(use_true_random=False))
    rows = [[rng.choice([0, 0, *range(1, side + 1)]) for _ in range(side)] for _ in range(side)]
    rows[0][:2] = [9, side]
    symbols = data.draw(st.sampled_from([".123456789ABCDEFGHIJKLMNOP", "0123456789abcdefghijklmnop"]))
    task = SudokuTask(data.draw(st.sampled_from([(2, 3), (3, 3)])))
    good = "1" + "." * (task.seq_len - 1)
    lines = large_board(rows, SIDES[side], data.draw(st.sampled_from(LAYOUTS)), symbols)
    before, after = (data.draw(st.sampled_from([[], [""], ["Grid 1"], ["# a comment"]])) for _ in range(2))
    found = list(task.find_puzzles([good, *before, *lines, *after, good]))
    assert [text for _, text in found][:: len(found) - 1] == [good, good]
    assert len(found) == 3
    with pytest.raises(HRMDataError, match=f"as a {side}x{side} board"):
        task.parse(found[1][1])


def test_a_list_of_small_boards_and_single_lines_are_no_large_board() -> None:
    task = SudokuTask()
    for lines in (["12..34..2.4..3.1"] * 20, ["0b5f3a526c1e4f0a", "what is this now", "12..34..2.4..3.9"]):
        assert [number for number, _ in task.find_puzzles(lines)] == list(range(1, len(lines) + 1))


def test_a_large_board_that_is_cut_short_is_one_error() -> None:
    rows = ["..1.A..G..9....."] * 15
    assert [number for number, _ in SudokuTask().find_puzzles([*rows, "", "1" * 81])] == [1, 17]

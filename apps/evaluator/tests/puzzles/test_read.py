"""Reading puzzle files of several formats."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from itertools import chain, repeat

import pytest
from hrm_data.sudoku import SudokuTask
from hrm_evaluator.puzzles import _lines
from hrm_evaluator.puzzles._lines import decode_lines
from hrm_evaluator.puzzles._read import read_lines
from hypothesis import given
from hypothesis import strategies as st


class OneEach:
    """A task of which every line is a puzzle."""

    name = "one"

    def parse(self, text: str) -> str:
        return text

    def find_puzzles(self, lines: Iterator[str]) -> Iterator[tuple[int, str]]:
        yield from ((number, line) for number, line in enumerate(lines, 1) if line.strip())


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n")), max_size=6))
def test_any_lines_are_read_without_an_exception(lines: list[str]) -> None:
    for written in read_lines(iter(lines), OneEach(), "here"):  # type: ignore[arg-type]
        assert written.problem or written.text


def test_arc_tasks_and_kaggles_files_give_their_test_inputs() -> None:
    task = {"train": [{"input": [[1]], "output": [[2]]}], "test": [{"input": [[1, 2]]}, {"input": [[3]]}]}
    for content, names in ((task, ["t", "t"]), ({"a": task, "b": task}, ["a", "a", "b", "b"])):
        found = list(read_lines(json.dumps(content, indent=1).split("\n"), OneEach(), "t.json"))  # type: ignore[arg-type]
        assert [item.name for item in found] == names
        assert [item.text for item in found][:2] == ["[[1, 2]]", "[[3]]"]
    for wrong in ("{", "{}", '{"test": 3}', '{"test": [{"output": 3}]}', "[{}]"):
        (item,) = read_lines([wrong], OneEach(), "t.json")  # type: ignore[arg-type]
        assert item.problem


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0\ufeff")), min_size=1, max_size=8),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-16"]),
    st.integers(1, 7),
)
def test_lines_are_the_same_in_every_encoding_and_piece(lines: list[str], end: str, encoding: str, size: int) -> None:
    data = io.BytesIO("".join(line + end for line in lines).encode(encoding))
    assert list(decode_lines(lambda _: data.read(size))) == lines


def test_a_line_without_end_takes_bounded_memory_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_lines, "LONGEST", 1 << 20)
    pieces = chain(repeat(b"1" * (1 << 16), 4096), [b"\nnext\n"])
    tracemalloc.start()
    assert list(decode_lines(lambda _: next(pieces, b""))) == [None, "next"]
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 511), st.booleans()), min_size=16, max_size=16),
    st.sampled_from([1, 2, 3, 4, 5]),
    st.sampled_from(["&#10;", "\n", " "]),
)
def test_the_puzzle_of_a_saved_game_is_its_given_cells(
    cells: list[tuple[int, int, bool]], version: int, end: str
) -> None:
    cells[0] = (1, 0, False)
    marks = {
        1: lambda note: "".join(f"{digit}," for digit in range(1, 5) if note >> digit & 1) or "-",
        2: lambda note: f"{note}|",
        3: str,
        4: lambda note: f"{note}|0",
        5: lambda note: f"0|{note}|7",
    }[version]
    data = "".join(f"{value}|{marks(note)}|{int(is_open)}|" for value, note, is_open in cells)
    (found,) = read_lines(
        f'<opensudoku><game data="version: {version}{end}{data}"/></opensudoku>'.split("\n"), SudokuTask((2, 2)), "here"
    )
    assert found.text == "".join(str(value) if value and not is_open else "." for value, _, is_open in cells)

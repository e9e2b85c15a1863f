"""Reading puzzle files of several formats."""

from __future__ import annotations

import json
from collections.abc import Iterator

from hrm_evaluator.puzzles._read import read_lines
from hypothesis import given
from hypothesis import strategies as st


class OneEach:
    """A task of which every line is a puzzle."""

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

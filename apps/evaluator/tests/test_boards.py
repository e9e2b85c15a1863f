from __future__ import annotations

import io

import numpy as np
import pytest
from hrm_data import SudokuTask, Task
from hrm_evaluator import _boards
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

TASKS = [SudokuTask((2, 2)), SudokuTask((2, 3)), SudokuTask((3, 3))]


def shown(renderable: RenderableType, *, colour: bool = False) -> str:
    console = Console(file=io.StringIO(), width=100, force_terminal=colour, color_system="standard" if colour else None)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


@st.composite
def boards(draw: st.DrawFn, least: int = 0) -> tuple[Task, np.ndarray, np.ndarray]:
    """A task and two of its boards."""
    task = draw(st.sampled_from(TASKS))
    n = task.vocab_size - 2
    cells = st.lists(st.integers(least, n), min_size=n * n, max_size=n * n)
    first, second = (np.array(draw(cells), np.uint8).reshape(n, n) for _ in range(2))
    return task, first, second


@given(boards())
def test_a_board_without_notes_is_the_picture_of_its_task(case: tuple[Task, np.ndarray, np.ndarray]) -> None:
    task, board, _ = case
    assert _boards.draw(task, board, np.full(board.shape, "dim")).plain == str(task.render(board))


@given(boards(least=1))
def test_every_wrong_cell_and_no_other_shows_what_is_right(case: tuple[Task, np.ndarray, np.ndarray]) -> None:
    task, answer, solution = case
    picture = shown(_boards.scored(task, np.zeros_like(answer), answer, solution))
    expected = [f"{a}!{s}" for a, s in zip(answer.ravel(), solution.ravel(), strict=True) if a != s]
    assert [word for word in picture.split() if "!" in word] == expected


@given(boards(least=1))
def test_all_lines_of_a_picture_are_equally_long(case: tuple[Task, np.ndarray, np.ndarray]) -> None:
    task, answer, solution = case
    notes = np.where(answer != solution, "!5", "")
    lines = _boards.draw(task, answer, np.full(answer.shape, ""), notes).plain.split("\n")
    assert len({len(line) for line in lines}) == 1


def test_cells_without_a_known_answer_are_not_wrong() -> None:
    task = TASKS[0]
    answer = np.ones((4, 4), np.uint8)
    assert "!" not in shown(_boards.scored(task, answer, answer, np.zeros_like(answer)))


@pytest.mark.parametrize("wrong", [False, True])
def test_right_cells_are_green_and_wrong_ones_red(wrong: bool) -> None:
    task = TASKS[0]
    solution = task.parse("1234341221434321")
    puzzle, answer = solution.copy(), solution.copy()
    puzzle[0, 0] = 0
    answer[0, 0] = 4 if wrong else 1
    text = shown(_boards.scored(task, puzzle, answer, solution), colour=True)
    assert ("\x1b[1;31m4!1" in text) == wrong
    assert ("\x1b[32m1\x1b" in text) == (not wrong)


def test_an_answer_of_ones_own_puzzle_marks_what_breaks_a_rule_or_a_clue() -> None:
    task = TASKS[0]
    puzzle = task.parse("12..34..2.4..3.1")
    answer = task.parse("1234341221434321")
    answer[3, 3] = 2
    marked = [word for word in shown(_boards.solved(task, puzzle, answer)).split() if "!" in word]
    assert marked == ["2!", "2!", "2!"]

"""Boards as rich text."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hrm_data import IGNORE, Picture, Task
from hrm_data.sudoku import SudokuTask
from hrm_evaluator.answers._records import Record, keep_unasked
from hrm_evaluator.report import _boards
from hrm_evaluator.report._trajectory import trajectory
from hrm_model import Answer, Thought
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
    assert _boards.draw(task.render(board), np.full(task.seq_len, "dim")).plain == str(task.render(board))


@given(boards(least=1))
def test_every_wrong_cell_and_no_other_shows_what_is_right(case: tuple[Task, np.ndarray, np.ndarray]) -> None:
    task, answer, solution = case
    blank = np.ones(task.seq_len, int)
    picture = shown(_boards.scored(task, blank, task.encode(answer), task.encode(solution)))
    expected = [f"{a}!{s}" for a, s in zip(answer.ravel(), solution.ravel(), strict=True) if a != s]
    assert [word for word in picture.split() if "!" in word] == expected


@given(boards(least=1))
def test_all_lines_of_a_picture_are_equally_long(case: tuple[Task, np.ndarray, np.ndarray]) -> None:
    task, answer, solution = case
    notes = {int(at): "!5" for at in np.flatnonzero(answer.ravel() != solution.ravel())}
    lines = _boards.draw(task.render(answer), np.full(task.seq_len, ""), notes).plain.split("\n")
    assert len({len(line) for line in lines}) == 1


def test_cells_without_a_known_answer_are_not_wrong() -> None:
    task = TASKS[0]
    answer = np.full(16, 2)
    assert "!" not in shown(_boards.scored(task, answer, answer, np.full(16, IGNORE)))


@given(boards(least=1), st.data())
def test_where_nothing_is_asked_all_boards_show_the_puzzles_own_cell(
    case: tuple[Task, np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    """However wrong the model is there; in text, in the trajectories of pages and pictures, and in every vote."""
    task, board, solution = case
    puzzle, answer = task.encode(board), task.encode(solution)
    ignored = np.array(data.draw(st.lists(st.booleans(), min_size=task.seq_len, max_size=task.seq_len)))
    ignored[:2] = True, False
    labels = np.where(ignored, IGNORE, answer)
    whole = task.render(task.decode(np.where(ignored, puzzle, answer)))
    picture = shown(_boards.scored(task, puzzle, answer, labels))
    assert "!" not in picture
    assert [line.split("    ")[1].split() for line in picture.splitlines()[1:]] == [
        line.split() for line in whole.lines
    ]
    one = Answer(answer.tolist(), 1, 0.0, 0.0, trace=(Thought(answer.tolist(), 0.0, 0.0),))
    record = Record(puzzle, labels, 0, one, (one, one))
    told = trajectory(record, task)
    symbols = "".join(whole.symbol(at) for at in range(task.seq_len))
    assert told.solution is not None
    assert [told.solution.symbols, *(step.symbols for step in told.steps)] == [symbols, symbols]
    kept = keep_unasked(task, record)
    assert {tuple(vote.tokens) for vote in (kept.answer, *kept.votes)} == {
        tuple(np.where(ignored, puzzle, answer).tolist())
    }


@pytest.mark.parametrize("wrong", [False, True])
def test_right_cells_are_green_and_wrong_ones_red(wrong: bool) -> None:
    task = TASKS[0]
    solution = task.encode(task.parse("1234341221434321"))
    puzzle, answer = solution.copy(), solution.copy()
    puzzle[0] = 1
    answer[0] = 5 if wrong else 2
    text = shown(_boards.scored(task, puzzle, answer, solution), colour=True)
    assert ("\x1b[1;31m4!1" in text) == wrong
    assert ("\x1b[32m1\x1b" in text) == (not wrong)


def test_an_answer_of_ones_own_puzzle_marks_what_breaks_a_rule_or_a_clue() -> None:
    task = TASKS[0]
    puzzle = task.parse("12..34..2.4..3.1")
    answer = task.parse("1234341221434321")
    answer[3, 3] = 2
    marked = [
        word for word in shown(_boards.solved(task, task.encode(puzzle), task.encode(answer))).split() if "!" in word
    ]
    assert marked == ["2!", "2!", "2!"]


class Wide(SudokuTask):
    """A task whose pictures are too wide for marks."""

    def render(self, board: np.ndarray) -> Picture:
        return Picture((" " * 50, self.text(board)), {at: (1, at) for at in range(self.seq_len)})


def test_a_wide_picture_has_no_marks_but_the_solution_behind_it() -> None:
    task = Wide((2, 2))
    solution = task.encode(task.parse("1234341221434321"))
    answer = solution.copy()
    answer[0] = 5
    assert shown(_boards.scored(task, solution, solution, solution)).count("1234341221434321") == 2
    text = shown(_boards.scored(task, solution, answer, solution))
    assert "!" not in text
    assert "solution" in text
    assert text.count("1234341221434321") == 2
    assert "4234341221434321" in text


def test_pictures_stand_below_each_other_on_a_narrow_terminal() -> None:
    task = TASKS[2]
    tokens = np.full(81, 2)
    console = Console(file=io.StringIO(), width=40, force_terminal=True, color_system=None)
    console.print(_boards.scored(task, tokens, tokens, tokens), soft_wrap=True)
    assert isinstance(console.file, io.StringIO)
    assert (
        max(len(line.rstrip()) for line in console.file.getvalue().splitlines())
        == task.render(task.decode(tokens)).width
    )

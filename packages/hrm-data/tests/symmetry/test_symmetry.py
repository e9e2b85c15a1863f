from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hrm_data import Task
from hrm_data.arc import ArcTask
from hrm_data.maze import MazeTask, generate_mazes
from hrm_data.sudoku import SudokuTask, generate_sudoku
from hypothesis import given, settings
from hypothesis import strategies as st

SUDOKU = {box: generate_sudoku(4, box, seed=1) for box in ((2, 2), (2, 3), (3, 3))}
MAZES = generate_mazes(4, 10, seed=1)


def sudoku_boards(box: tuple[int, int]) -> list[tuple[np.ndarray, np.ndarray]]:
    found = SUDOKU[box]
    return list(zip(found.puzzles, found.solutions, strict=True))


CASES: list[tuple[Task, list[tuple[np.ndarray, np.ndarray]]]] = [
    *((SudokuTask(box), sudoku_boards(box)) for box in SUDOKU),
    (MazeTask(10), list(zip(MAZES.puzzles, MAZES.answers, strict=True))),
]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), case=st.sampled_from(CASES))
def test_a_solved_puzzle_turns_into_a_solved_puzzle_and_back(
    seed: int, case: tuple[Task, list[tuple[np.ndarray, np.ndarray]]]
) -> None:
    task, boards = case
    puzzles, answers = (np.stack([task.encode(board) for board in part]) for part in zip(*boards, strict=True))
    for change in islice(task.symmetries(np.random.default_rng(seed)), 3):
        new_puzzles, new_answers = change.apply(puzzles), change.apply(answers)
        assert task.check_all(new_puzzles, new_answers).all()
        assert new_puzzles.shape == puzzles.shape
        assert new_puzzles.dtype == puzzles.dtype
        np.testing.assert_array_equal(change.undo(new_puzzles), puzzles)
        np.testing.assert_array_equal(change.undo(new_answers), answers)
        np.testing.assert_array_equal(change.apply(puzzles[0]), new_puzzles[0])


@pytest.mark.parametrize("task", [task for task, _ in CASES])
def test_any_answer_can_be_undone(task: Task) -> None:
    rng = np.random.default_rng(0)
    answers = rng.integers(0, task.vocab_size, (5, task.seq_len))
    for change in islice(task.symmetries(rng), 5):
        np.testing.assert_array_equal(change.apply(change.undo(answers)), answers)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), height=st.integers(1, 30), width=st.integers(1, 30))
def test_an_arc_grid_comes_back_whatever_its_size(seed: int, height: int, width: int) -> None:
    task, rng = ArcTask(), np.random.default_rng(seed)
    grid = rng.integers(0, 10, (height, width)).astype(np.uint8)
    change = next(task.symmetries(rng))
    tokens = task.encode(grid)
    moved = change.apply(tokens)
    np.testing.assert_array_equal(change.undo(moved), tokens)
    assert sorted(task.decode(moved).shape) == sorted(grid.shape)
    assert (task.decode(moved) == 0).sum() == (grid == 0).sum()


def test_an_arc_answer_without_a_grid_stays_without_one() -> None:
    change = next(ArcTask().symmetries(np.random.default_rng(0)))
    assert not ArcTask().decode(change.undo(np.zeros(900, np.int32))).size


def test_mazes_have_seven_symmetries_and_all_differ() -> None:
    task, cells = MazeTask(10), np.arange(100) % 6
    changed = [tuple(change.apply(cells)) for change in task.symmetries(np.random.default_rng(0))]
    assert len(set(changed) | {tuple(cells)}) == 8


def test_a_task_of_ones_own_needs_none() -> None:
    assert list(Task.symmetries(SudokuTask(), np.random.default_rng(0))) == []

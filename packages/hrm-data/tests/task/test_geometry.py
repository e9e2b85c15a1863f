"""What tasks say about their boards, against what they do."""

import numpy as np
import pytest
from hrm_data import ArcTask, MazeTask, SudokuTask, Task, generate_sudoku, get_task
from hypothesis import given, settings
from hypothesis import strategies as st

TASKS = [SudokuTask((2, 2)), SudokuTask((2, 3)), SudokuTask((3, 3)), MazeTask(7), ArcTask("arc1")]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_geometry_covers_the_board(task: Task) -> None:
    board = task.geometry()
    assert board is not None
    assert task.seq_len % board.columns == 0
    assert all(len(group) == task.seq_len for group in board.groups)
    tokens = board.symbols + board.constants
    assert len(set(tokens)) == len(tokens)
    assert set(tokens) <= set(range(task.vocab_size))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.sampled_from([(2, 2), (2, 3), (3, 2), (3, 3)]), st.data())
def test_renamed_digits_make_a_puzzle_with_the_renamed_solution(
    seed: int, box: tuple[int, int], data: st.DataObject
) -> None:
    task = SudokuTask(box)
    symbols = task.geometry().symbols
    order = data.draw(st.permutations(symbols))
    names = np.arange(task.vocab_size)
    names[list(symbols)] = order
    made = generate_sudoku(1, box, kind="any", seed=seed)
    puzzle, solution = (names[task.encode(board[0])] for board in (made.puzzles, made.solutions))
    assert task.check(task.decode(puzzle), task.decode(solution))


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 1000), st.sampled_from([(2, 2), (2, 3), (3, 2), (3, 3)]))
def test_a_solution_has_every_digit_once_in_each_group(seed: int, box: tuple[int, int]) -> None:
    task = SudokuTask(box)
    board = task.geometry()
    tokens = task.encode(generate_sudoku(1, box, kind="any", seed=seed).solutions[0])
    rows, columns = np.divmod(np.arange(task.seq_len), board.columns)
    for kind in (rows, columns, *map(np.array, board.groups)):
        for group in np.unique(kind):
            assert sorted(tokens[kind == group]) == sorted(board.symbols)


def test_other_sizes_are_tasks_of_the_same_family() -> None:
    assert [task.name for task in SudokuTask((3, 3)).other_sizes()] == ["sudoku-2x2", "sudoku-2x3"]
    sizes = list(MazeTask(11).other_sizes())
    assert 11 not in [task.size for task in sizes]
    assert get_task(sizes[0].to_json()) == sizes[0]
    assert list(ArcTask("arc1").other_sizes()) == []

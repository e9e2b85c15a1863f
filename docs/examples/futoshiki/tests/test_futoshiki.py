"""Futoshiki: puzzles have one solution, and so have their copies; signs are turned with the board."""

from pathlib import Path

import numpy as np
import pytest
from hrm_data import IGNORE, HRMDataError, get_family, kept_cells, open_dataset, whole_solution
from hrm_data.dataset import find_faults
from hrm_futoshiki import FutoshikiTask, make_futoshiki
from hrm_futoshiki._make import count_solutions
from hypothesis import given, settings
from hypothesis import strategies as st

sizes = st.sampled_from([4, 5])


@settings(max_examples=8, deadline=None)
@given(sizes, st.integers(0, 2**32))
def test_puzzles_have_one_solution_and_so_have_their_copies(size: int, seed: int) -> None:
    task, rng = FutoshikiTask(size), np.random.default_rng(seed)
    puzzle, solution = make_futoshiki(size, rng)
    assert task.check(puzzle, solution)
    assert count_solutions(puzzle) == 1
    labels = task.label(solution)
    tokens = np.stack([task.encode(puzzle)] * 16), np.stack([np.where(labels == 0, IGNORE, labels)] * 16)
    for inputs, label in zip(*task.augment()(*tokens, rng), strict=True):
        assert kept_cells(task, inputs).tolist() == (label == IGNORE).tolist()
        copy = task.decode(inputs)
        assert task.check(copy, task.decode(whole_solution(task, inputs, label)))
        assert task.smallest_copy(copy) == task.smallest_copy(puzzle)
        assert task.encode(copy).tolist() == inputs.tolist()  # signs stand between cells, across or upright


@settings(max_examples=8, deadline=None)
@given(sizes, st.integers(0, 2**32))
def test_puzzles_are_found_in_one_line_and_as_they_are_drawn(size: int, seed: int) -> None:
    task = FutoshikiTask(size)
    puzzle, solution = make_futoshiki(size, np.random.default_rng(seed))
    for board in (puzzle, solution):
        lines = [task.text(board), "", *task.render(board).lines]
        assert [task.parse(text).tolist() for _, text in task.find_puzzles(lines)] == [board.tolist()] * 2


def test_wrong_answers_and_texts_are_explained() -> None:
    task = FutoshikiTask(4)
    puzzle, solution = make_futoshiki(4, np.random.default_rng(1))
    blank = solution.copy()
    blank[0, 0] = 0
    assert "leaves cells without a digit" in task.explain(puzzle, blank)
    swapped = solution.copy()
    swapped[[0, 2]] = solution[[2, 0]]
    assert not task.check(puzzle, swapped)
    for text, problem in (
        ("<" + task.text(puzzle)[1:], "'<' in row 1, column 1 is not allowed; use one of _1234"),
        (task.text(puzzle)[1:], "the puzzle has 48 characters, but futoshiki-4x4 has 7 rows of 7"),
    ):
        with pytest.raises(HRMDataError, match=problem):
            task.parse(text)
    with pytest.raises(HRMDataError, match="row 1, column 1 repeats a digit"):
        task.check_puzzle(task.parse("1._._.1" + task.text(puzzle)[7:]))


@pytest.mark.usefixtures("installed")
def test_a_dataset_asks_for_cells_alone_and_is_in_order(tmp_path: Path) -> None:
    family = get_family("futoshiki")
    root = family.build(tmp_path / "made", family.options(train=6, test=2), lambda done, total, what: None)
    assert find_faults(root).faults == []
    labels = open_dataset(root, "train").sets["all"].labels.reshape(-1, 7, 7)
    assert (labels[:, ::2, ::2] > 0).all()
    assert (labels > 0).sum() == 6 * 16

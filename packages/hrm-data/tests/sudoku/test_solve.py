from __future__ import annotations

import numpy as np
import pytest
from hrm_data import HRMDataError
from hrm_data.sudoku import generate_sudoku, solve
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

HARD = "8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4.."


def board(text: str) -> np.ndarray:
    return np.array([0 if char == "." else int(char) for char in text])


@settings(max_examples=60, deadline=None)
@given(arrays(np.uint8, (8, 16), elements=st.sampled_from([0, 0, 0, 0, 1, 2, 3, 4])))
def test_solutions_of_4x4_are_those_of_brute_force(all_4x4: np.ndarray, puzzles: np.ndarray) -> None:
    found = solve(puzzles, (2, 2))
    for puzzle, solution, count in zip(puzzles, found.solution, found.solutions, strict=True):
        fitting = all_4x4[((all_4x4 == puzzle) | (puzzle == 0)).all(axis=1)]
        assert count == min(2, len(fitting))
        assert (fitting == solution).all(axis=1).any() if len(fitting) else not solution.any()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 287), st.lists(st.booleans(), min_size=16, max_size=16))
def test_every_part_of_a_4x4_solution_is_solved_like_brute_force(
    all_4x4: np.ndarray, which: int, mask: list[bool]
) -> None:
    puzzle = all_4x4[which] * np.array(mask, np.uint8)
    fitting = all_4x4[((all_4x4 == puzzle) | (puzzle == 0)).all(axis=1)]
    assert solve(puzzle, (2, 2)).solutions[0] == min(2, len(fitting))


def test_a_hard_9x9_has_its_known_solution() -> None:
    found = solve(board(HARD))
    expected = "812753649943682175675491283154237896369845721287169534521974368438526917796318452"
    assert "".join(map(str, found.solution[0])) == expected
    assert found.solutions[0] == 1
    assert found.steps[0] > 50


def test_contradictory_clues_have_no_solution_and_an_empty_board_has_two() -> None:
    twice = np.zeros((2, 81), int)
    twice[0, [0, 80]] = 5, 6
    twice[0, 8] = 5
    found = solve(twice)
    assert found.solutions.tolist() == [0, 2]
    assert not found.solution[0].any()
    assert found.solution[1].all()


def test_a_full_board_that_breaks_a_rule_has_no_solution() -> None:
    full = solve(board(HARD)).solution
    full[0, [0, 1]] = full[0, [1, 0]]
    assert solve(full).solutions[0] == 0


def test_results_do_not_depend_on_the_rest_of_the_batch() -> None:
    puzzles = generate_sudoku(60, kind="search", seed=5).puzzles
    together = solve(np.concatenate([puzzles] * 20))
    for i in (0, 7, 59):
        alone = solve(puzzles[i])
        assert alone.steps[0] == together.steps[i] == together.steps[i + 60 * 19]
        assert (alone.solution[0] == together.solution[i]).all()


@pytest.mark.parametrize("box", [(2, 2), (2, 3), (3, 2), (3, 3)])
def test_no_steps_means_solved_by_singles(box: tuple[int, int], singles_solve) -> None:
    puzzles = generate_sudoku(25, box, kind="any", seed=2).puzzles
    steps = solve(puzzles, box).steps
    assert [singles_solve(puzzle, box) for puzzle in puzzles] == (steps == 0).tolist()


def test_boards_and_flat_grids_and_no_grids_are_accepted() -> None:
    grid = board(HARD)
    assert (solve(grid.reshape(1, 9, 9)).solution == solve(grid).solution).all()
    assert solve(np.zeros((0, 81), int)).solution.shape == (0, 81)


@pytest.mark.parametrize(
    ("grids", "box", "message"),
    [
        (np.zeros((2, 80), int), (3, 3), "shape"),
        (np.full((1, 81), 10), (3, 3), "digits run from 1 to 9"),
        (np.full((1, 16), -1), (2, 2), "digits run"),
        (np.zeros((1, 81)), (3, 3), "dtype"),
        (np.zeros((1, 16), int), (1, 4), "1x4 is not supported"),
        (np.zeros((1, 16), int), (4, 4), "4x4 is not supported"),
        (np.zeros((1, 16), int), "ab", "not a pair"),
    ],
)
def test_wrong_boards_are_refused(grids: np.ndarray, box: tuple[int, int], message: str) -> None:
    with pytest.raises(HRMDataError, match=message):
        solve(grids, box)

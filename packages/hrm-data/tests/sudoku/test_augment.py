from __future__ import annotations

import numpy as np
import pytest
from hrm_data import HRMDataError
from hrm_data.sudoku import SudokuAugment, generate_sudoku, orbit_invariant, solve
from hypothesis import given, settings
from hypothesis import strategies as st

BOXES = [(2, 2), (2, 3), (3, 2), (3, 3)]


def tokens(count: int, box: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    made = generate_sudoku(count, box, seed=7)
    return made.puzzles.astype(np.int32) + 1, made.solutions.astype(np.int32) + 1


@pytest.fixture(scope="module")
def samples() -> dict:
    return {box: tokens(30, box) for box in BOXES}


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(BOXES), st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 2**32))
def test_every_augmented_pair_is_a_puzzle_and_its_one_solution(
    samples: dict, box: tuple[int, int], hints: float, seed: int
) -> None:
    inputs, labels = samples[box]
    new_inputs, new_labels = SudokuAugment(box, hints)(inputs, labels, np.random.default_rng(seed))
    found = solve(new_inputs - 1, box)
    assert (found.solutions == 1).all()
    assert (found.solution == new_labels - 1).all()
    assert (orbit_invariant(new_labels - 1, box) == orbit_invariant(labels - 1, box)).all()


def test_without_hints_the_puzzle_stays_in_its_orbit() -> None:
    inputs, labels = tokens(30, (3, 3))
    new_inputs, new_labels = SudokuAugment()(inputs, labels, np.random.default_rng(0))
    before = orbit_invariant(labels - 1, puzzles=inputs - 1)
    assert (orbit_invariant(new_labels - 1, puzzles=new_inputs - 1) == before).all()
    assert (new_inputs != inputs).any(axis=1).all()


def test_examples_of_a_batch_are_moved_independently() -> None:
    inputs, labels = tokens(1, (3, 3))
    many = SudokuAugment()(inputs.repeat(200, axis=0), labels.repeat(200, axis=0), np.random.default_rng(0))[0]
    assert len(np.unique(many, axis=0)) == 200


def test_all_symmetries_of_4x4_are_reached() -> None:
    labels = np.array([[1, 2, 3, 4, 3, 4, 1, 2, 2, 1, 4, 3, 4, 3, 2, 1]], np.int32).repeat(4000, axis=0) + 1
    inputs = np.where(np.arange(16) == 0, labels, 1)
    inputs[:, 1] = labels[:, 1]
    moved = SudokuAugment((2, 2))(inputs, labels, np.random.default_rng(1))
    # Two clues side by side in one box reach every such pair of cells (32 ordered ones), with any two digits (12).
    pairs = {tuple(np.flatnonzero(row > 1)) for row in moved[0]}
    assert len(pairs) == 16
    assert len({tuple(row[row > 1]) for row in moved[0]}) == 12


@pytest.mark.parametrize("hints", [0.0, 0.3, 1.0])
def test_restored_clues_are_uniform_from_none_to_all_but_one(hints: float) -> None:
    inputs, labels = tokens(1, (2, 3))
    count = 6000
    inputs, labels = inputs.repeat(count, axis=0), labels.repeat(count, axis=0)
    blanks = (inputs[0] == 1).sum()
    given_back = blanks - (SudokuAugment((2, 3), hints)(inputs, labels, np.random.default_rng(2))[0] == 1).sum(axis=1)
    share = np.bincount(given_back, minlength=blanks + 1) / count
    assert share[blanks] == 0
    expected = np.full(blanks, hints / blanks)
    expected[0] += 1 - hints
    assert abs(share[:blanks] - expected).max() < 0.02


def test_a_puzzle_without_blanks_stays_full() -> None:
    _, labels = tokens(4, (2, 2))
    inputs, new = SudokuAugment((2, 2), hints=1.0)(labels, labels, np.random.default_rng(0))
    assert (inputs == new).all()


def test_the_result_depends_on_the_generator_alone_and_arguments_stay() -> None:
    inputs, labels = tokens(10, (3, 3))
    before = inputs.copy(), labels.copy()
    augment = SudokuAugment(hints=0.5)
    one, two = (augment(inputs, labels, np.random.default_rng(5)) for _ in range(2))
    assert (one[0] == two[0]).all()
    assert (one[1] == two[1]).all()
    assert (inputs == before[0]).all()
    assert (labels == before[1]).all()
    assert one[0].dtype == one[1].dtype == np.int32


def test_wrong_batches_are_refused() -> None:
    inputs, labels = tokens(3, (2, 2))
    rng = np.random.default_rng(0)
    with pytest.raises(HRMDataError, match=r"hints is 1\.5"):
        SudokuAugment((2, 2), hints=1.5)
    with pytest.raises(HRMDataError, match=r"\[B, 81\]"):
        SudokuAugment()(inputs, labels, rng)
    with pytest.raises(HRMDataError, match=r"inputs holds tokens 0"):
        SudokuAugment((2, 2))(inputs * 0, labels, rng)
    with pytest.raises(HRMDataError, match="labels holds tokens -100"):
        SudokuAugment((2, 2))(inputs, labels * 0 - 100, rng)
    wrong = labels.copy()
    wrong[1, 3] = wrong[1, 3] % 4 + 2
    with pytest.raises(HRMDataError, match=r"example 1 has the clue token .* at position 3"):
        SudokuAugment((2, 2))(wrong, labels, rng)

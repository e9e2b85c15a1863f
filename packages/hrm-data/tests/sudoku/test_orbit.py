from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hrm_data import HRMDataError
from hrm_data.sudoku import generate_sudoku, orbit_invariant
from hypothesis import given, settings
from hypothesis import strategies as st

BOXES = [(2, 2), (2, 3), (3, 2), (2, 4), (3, 3)]


@pytest.fixture(scope="module")
def samples() -> dict:
    return {box: generate_sudoku(25, box, kind="any", seed=8) for box in BOXES}


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(BOXES), st.integers(0, 2**32))
def test_no_symmetry_changes_the_invariant(samples: dict, move, box: tuple[int, int], seed: int) -> None:
    made = samples[box]
    puzzles, solutions = move(made.puzzles, box, seed), move(made.solutions, box, seed)
    assert (orbit_invariant(solutions, box) == orbit_invariant(made.solutions, box)).all()
    moved = orbit_invariant(solutions, box, puzzles=puzzles)
    assert (moved == orbit_invariant(made.solutions, box, puzzles=made.puzzles)).all()


def test_the_two_orbits_of_4x4_solutions_are_told_apart(all_4x4: np.ndarray) -> None:
    invariants, sizes = np.unique(orbit_invariant(all_4x4, (2, 2)), return_counts=True)
    assert len(invariants) == 2
    assert sorted(sizes) == [96, 192]


def test_6x6_solutions_fall_into_at_most_their_49_orbits() -> None:
    solutions = generate_sudoku(6000, (2, 3), kind="any", clues=36).solutions
    assert 45 <= len(np.unique(orbit_invariant(solutions, (2, 3)))) <= 49


def _canonical(puzzle: np.ndarray) -> tuple[int, ...]:
    """The least of all symmetric copies of a 4x4 puzzle, digits numbered in order of appearance."""
    lines = [(0, 1, 2, 3), (1, 0, 2, 3), (0, 1, 3, 2), (1, 0, 3, 2)]
    lines += [line[2:] + line[:2] for line in lines]
    copies = []
    for board in (puzzle.reshape(4, 4), puzzle.reshape(4, 4).T):
        for rows, cols in product(lines, repeat=2):
            names: dict[int, int] = {0: 0}
            moved = board[list(rows)][:, list(cols)].ravel().tolist()
            copies.append(tuple(names.setdefault(digit, len(names)) for digit in moved))
    return min(copies)


def test_orbits_of_4x4_puzzles_are_told_apart() -> None:
    made = generate_sudoku(1500, (2, 2), kind="any", clues=(4, 8))
    invariants = orbit_invariant(made.solutions, (2, 2), puzzles=made.puzzles)
    orbits: dict[tuple[int, ...], set[int]] = {}
    for puzzle, invariant in zip(made.puzzles, invariants.tolist(), strict=True):
        orbits.setdefault(_canonical(puzzle), set()).add(invariant)
    assert all(len(found) == 1 for found in orbits.values())
    assert len(np.unique(invariants)) >= 0.99 * len(orbits)
    assert len(orbits) > 100


def test_symmetries_of_4x4_are_what_the_canonical_form_uses(all_4x4: np.ndarray) -> None:
    assert len({_canonical(grid) for grid in all_4x4}) == 2


@pytest.mark.parametrize(
    ("solutions", "puzzles", "message"),
    [
        (np.zeros((1, 16), int), None, "blanks"),
        (np.ones((2, 15), int), None, "shape"),
        (np.ones((2, 16), int), np.zeros((1, 16), int), "1 puzzles do not match 2"),
    ],
)
def test_wrong_grids_are_refused(solutions: np.ndarray, puzzles: np.ndarray | None, message: str) -> None:
    with pytest.raises(HRMDataError, match=message):
        orbit_invariant(solutions, (2, 2), puzzles=puzzles)

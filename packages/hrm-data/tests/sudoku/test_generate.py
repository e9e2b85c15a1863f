from __future__ import annotations

import numpy as np
import pytest
from hrm_data import HRMDataError
from hrm_data.sudoku import generate_sudoku, orbit_invariant, solve, split_of

BOXES = [(2, 2), (2, 3), (3, 2), (3, 3)]


@pytest.mark.parametrize("box", [*BOXES, (2, 4)])
@pytest.mark.parametrize("kind", ["any", "minimal", "singles"])
def test_every_puzzle_has_the_one_solution_that_comes_with_it(box: tuple[int, int], kind: str) -> None:
    made = generate_sudoku(40, box, kind=kind, seed=1)
    found = solve(made.puzzles, box)
    assert (found.solutions == 1).all()
    assert (found.solution == made.solutions).all()
    assert (found.steps == made.ratings).all()
    assert len(np.unique(made.puzzles, axis=0)) == 40


@pytest.mark.parametrize("box", BOXES)
def test_minimal_puzzles_can_spare_no_clue(box: tuple[int, int]) -> None:
    puzzles = generate_sudoku(20, box, kind="minimal").puzzles
    without = [np.where(np.arange(len(p)) == cell, 0, p) for p in puzzles for cell in np.flatnonzero(p)]
    assert (solve(np.array(without), box).solutions == 2).all()


@pytest.mark.parametrize("box", BOXES)
def test_singles_are_enough_for_kind_singles(box: tuple[int, int], singles_solve) -> None:
    assert all(singles_solve(puzzle, box) for puzzle in generate_sudoku(15, box, kind="singles").puzzles)


@pytest.mark.parametrize("box", [(2, 3), (3, 2), (3, 3)])
def test_singles_are_not_enough_for_kind_search(box: tuple[int, int], singles_solve) -> None:
    made = generate_sudoku(15, box, kind="search")
    assert not any(singles_solve(puzzle, box) for puzzle in made.puzzles)
    assert (made.ratings > 0).all()
    assert (solve(made.puzzles, box).solutions == 1).all()


@pytest.mark.parametrize("kind", ["any", "singles", "search"])
@pytest.mark.parametrize("clues", [30, (28, 33)])
def test_the_number_of_clues_is_as_asked(kind: str, clues: int | tuple[int, int]) -> None:
    made = generate_sudoku(40, kind=kind, clues=clues)
    counts = (made.puzzles > 0).sum(axis=1)
    low, high = (clues, clues) if isinstance(clues, int) else clues
    assert counts.min() >= low
    assert counts.max() <= high
    assert isinstance(clues, int) or len(np.unique(counts)) > 3
    assert (solve(made.puzzles).solutions == 1).all()


def test_minimal_puzzles_with_a_number_of_clues_stay_minimal() -> None:
    puzzles = generate_sudoku(10, kind="minimal", clues=(24, 24)).puzzles
    assert ((puzzles > 0).sum(axis=1) == 24).all()
    without = [np.where(np.arange(81) == cell, 0, p) for p in puzzles for cell in np.flatnonzero(p)]
    assert (solve(np.array(without)).solutions == 2).all()


def test_the_rating_is_as_asked() -> None:
    made = generate_sudoku(20, rating=(3, 6))
    assert set(made.ratings) <= {3, 4, 5, 6}
    assert (solve(made.puzzles).steps == made.ratings).all()


def test_hard_puzzles_take_long_searches_and_are_minimal() -> None:
    options = {"kind": "hard", "mean_rating": 6.0, "seed": 3, "split": "test"}
    told: list[str] = []
    made = generate_sudoku(30, **options, progress=lambda done, total, what: told.append(what))
    found = solve(made.puzzles)
    assert (found.solutions == 1).all()
    assert (found.solution == made.solutions).all()
    assert (found.steps == made.ratings).all()
    assert made.ratings.mean() > 2 * generate_sudoku(500).ratings.mean()
    without = [np.where(np.arange(81) == cell, 0, p) for p in made.puzzles[:5] for cell in np.flatnonzero(p)]
    assert (solve(np.array(without)).solutions == 2).all()
    assert len(np.unique(made.puzzles, axis=0)) == 30
    assert split_of(made.puzzles, made.solutions).all()
    assert "mean rating" in told[0]
    assert (generate_sudoku(30, **options).puzzles == made.puzzles).all()


def test_a_full_board_is_a_puzzle_without_blanks() -> None:
    made = generate_sudoku(5, kind="any", clues=81)
    assert (made.puzzles == made.solutions).all()


def test_the_same_seed_gives_the_same_puzzles_whatever_their_number() -> None:
    few, many = generate_sudoku(20, seed=9), generate_sudoku(700, seed=9)
    assert (few.puzzles == many.puzzles[:20]).all()
    assert (few.ratings == many.ratings[:20]).all()
    assert not (generate_sudoku(20, seed=10).puzzles == few.puzzles).all(axis=1).any()


def test_solutions_are_not_copies_of_one_board() -> None:
    invariants = orbit_invariant(generate_sudoku(300, kind="any", clues=60).solutions)
    assert len(np.unique(invariants)) == 300


def test_every_digit_is_equally_likely_in_every_cell() -> None:
    solutions = generate_sudoku(3000, (2, 3), kind="any", clues=30).solutions
    share = (solutions[:, :, None] == np.arange(1, 7)).mean(axis=0)
    assert abs(share - 1 / 6).max() < 0.05


@pytest.mark.parametrize("box", BOXES)
def test_train_and_test_share_no_orbit(box: tuple[int, int]) -> None:
    options = {"kind": "any", "clues": (7, 12) if box == (2, 2) else (20, 30), "seed": 4}
    train = generate_sudoku(60, box, split="train", **options)
    test = generate_sudoku(60, box, split="test", **options)
    if box == (2, 2):
        a, b = (orbit_invariant(x.solutions, box, puzzles=x.puzzles) for x in (train, test))
    else:
        a, b = (orbit_invariant(x.solutions, box) for x in (train, test))
    assert not np.isin(a, b).any()
    assert not split_of(train.puzzles, train.solutions, box).any()
    assert split_of(test.puzzles, test.solutions, box).all()


def test_no_puzzle_with_clues_given_back_changes_sides() -> None:
    made = generate_sudoku(50, (2, 3), seed=6)
    more = np.where(np.random.default_rng(0).random(made.puzzles.shape) < 0.3, made.solutions, made.puzzles)
    assert (split_of(made.puzzles, made.solutions, (2, 3)) == split_of(more, made.solutions, (2, 3))).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "easy"}, "kind is 'easy'"),
        ({"clues": 16}, "fewer than 17"),
        ({"clues": (5, 3), "box": (2, 2)}, r"clues is \(5, 3\)"),
        ({"clues": 82}, "within 0..81"),
        ({"clues": "many"}, "clues is 'many'"),
        ({"count": -1}, "negative"),
        ({"seed": -1}, "negative"),
        ({"split": "dev"}, "split is 'dev'"),
        ({"rating": -3}, "rating is -3"),
        ({"box": (2, 2), "kind": "minimal", "clues": 12}, "only 0 of 5 .* numbers of clues that came up: 4 to 6"),
        ({"box": (2, 2), "count": 300, "kind": "any", "clues": 16}, "only 288 of 300"),
        ({"box": (2, 2), "kind": "search"}, "only 0 of 5"),
        ({"test_share": 2.0, "split": "test"}, "test_share is 2.0"),
        ({"box": (2, 3), "kind": "hard"}, "kind is 'hard' with boxes of 2x3"),
        ({"kind": "hard", "mean_rating": 0.0}, r"mean_rating is 0\.0"),
        (
            {"kind": "hard", "mean_rating": 3.0, "clues": 70},
            "only 0 of 5 different puzzles of kind 'hard' with 70 to 70",
        ),
    ],
)
def test_what_cannot_be_had_is_refused(options: dict, message: str) -> None:
    with pytest.raises(HRMDataError, match=message):
        generate_sudoku(**{"count": 5, **options})

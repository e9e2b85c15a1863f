from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hrm_data import Dataset, HRMDataError, HRMDataIOError, get_task, open_dataset
from hrm_data.arc import build_arc
from hrm_data.maze import build_maze
from hrm_data.sudoku import Puzzles, SudokuOptions, SudokuTask, build_sudoku, generate_sudoku, orbit_invariant, solve
from pydantic import ValidationError


def digits(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    item = dataset.sets["all"]
    return item.inputs - np.uint8(1), item.labels - np.uint8(1)


def save(path: Path, made: Puzzles) -> Path:
    lines = ["source,question,answer,rating"]
    for puzzle, solution, rating in zip(*made, strict=True):
        lines.append(f"x,{''.join(str(d) if d else '.' for d in puzzle)},{''.join(map(str, solution))},{rating}")
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("box", [(2, 2), (2, 3), (3, 3)])
def test_a_generated_directory_holds_disjoint_puzzles_with_their_solutions(
    tmp_path: Path, box: tuple[int, int]
) -> None:
    root = build_sudoku(tmp_path / "x", SudokuOptions(box=box, train=60, test=20))
    invariants = []
    for split, count in (("train", 60), ("test", 20)):
        dataset = open_dataset(root, split)
        puzzles, solutions = digits(dataset)
        assert len(puzzles) == count
        found = solve(puzzles, box)
        assert (found.solutions == 1).all()
        assert (found.solution == solutions).all()
        by_puzzle = {"puzzles": puzzles} if box == (2, 2) else {}
        invariants.append(orbit_invariant(solutions, box, **by_puzzle))
        assert dataset.metadata.vocab_size == box[0] * box[1] + 2
        assert dataset.metadata.ignore_label_id == dataset.metadata.pad_id == 0
        assert dataset.task is not None
        assert dataset.task["difficulty"][split]["puzzles"] == count
        assert get_task(dataset.task) == SudokuTask(box)
    assert not np.isin(*invariants).any()


def test_the_options_are_recorded_and_the_same_options_give_the_same_files(tmp_path: Path) -> None:
    options = SudokuOptions(box=(2, 3), train=30, test=10, kind="any", clues=(12, 20), seed=5)
    one, two = (build_sudoku(tmp_path / name, options) for name in "ab")
    for path in one.rglob("*.*"):
        assert path.read_bytes() == (two / path.relative_to(one)).read_bytes()
    task = open_dataset(one, "train").task
    assert task is not None
    assert SudokuOptions.model_validate(task["options"]) == options


def test_4x4_test_puzzles_are_minimal_so_that_restored_clues_cannot_give_one(tmp_path: Path) -> None:
    root = build_sudoku(tmp_path / "x", SudokuOptions(box=(2, 2), train=50, test=20))
    puzzles, _ = digits(open_dataset(root, "test"))
    without = [np.where(np.arange(16) == cell, 0, p) for p in puzzles for cell in np.flatnonzero(p)]
    assert (solve(np.array(without), (2, 2)).solutions == 2).all()


def test_test_puzzles_may_be_of_another_difficulty_and_stay_apart(tmp_path: Path) -> None:
    options = SudokuOptions(box=(2, 3), train=60, test=20, kind="minimal", test_kind="any", test_clues=(16, 20))
    root = build_sudoku(tmp_path / "x", options)
    (train, solved), (test, answers) = (digits(open_dataset(root, split)) for split in ("train", "test"))
    clues = np.count_nonzero(test, axis=1)
    assert ((clues >= 16) & (clues <= 20)).all()
    assert np.count_nonzero(train, axis=1).max() < 16  # minimal
    assert (solve(test, (2, 3)).solutions == 1).all()
    assert not set(orbit_invariant(solved, (2, 3))) & set(orbit_invariant(answers, (2, 3)))


def test_one_csv_file_is_divided_by_orbit_and_equal_rows_are_kept_once(tmp_path: Path, move) -> None:
    made = generate_sudoku(200, (2, 3), seed=1)
    copies = Puzzles(
        np.concatenate([made.puzzles, made.puzzles[:30], move(made.puzzles, (2, 3), 0)]).astype(np.uint8),
        np.concatenate([made.solutions, made.solutions[:30], move(made.solutions, (2, 3), 0)]).astype(np.uint8),
        np.concatenate([made.ratings, made.ratings[:30], made.ratings]),
    )
    file = save(tmp_path / "all.csv", copies)
    root = build_sudoku(tmp_path / "x", SudokuOptions(box=(2, 3), train_csv=file))
    train, test = (digits(open_dataset(root, split)) for split in ("train", "test"))
    both = np.concatenate([train[0], test[0]])
    assert len(both) == len(np.unique(both, axis=0)) == len(np.unique(copies.puzzles, axis=0))
    assert not np.isin(orbit_invariant(train[1], (2, 3)), orbit_invariant(test[1], (2, 3))).any()
    assert len(test[0]) > 0


def test_a_given_test_file_stays_whole_and_its_orbits_leave_train(tmp_path: Path, move) -> None:
    test_rows, others = generate_sudoku(20, seed=1), generate_sudoku(40, seed=2)
    moved = move(test_rows.puzzles, (3, 3), 3), move(test_rows.solutions, (3, 3), 3)
    train_rows = Puzzles(
        np.concatenate([others.puzzles, moved[0]]), np.concatenate([others.solutions, moved[1]]), np.arange(60)
    )
    options = SudokuOptions(
        train_csv=save(tmp_path / "train.csv", train_rows), test_csv=save(tmp_path / "test.csv", test_rows)
    )
    root = build_sudoku(tmp_path / "x", options)
    assert (digits(open_dataset(root, "test"))[0] == test_rows.puzzles).all()
    assert (digits(open_dataset(root, "train"))[0] == others.puzzles).all()


def test_counts_and_ratings_choose_among_the_rows(tmp_path: Path) -> None:
    file = save(tmp_path / "all.csv", generate_sudoku(400, seed=4))
    options = SudokuOptions(train_csv=file, train=25, test=5, min_rating=1, max_rating=3)
    root = build_sudoku(tmp_path / "x", options)
    for split, count in (("train", 25), ("test", 5)):
        puzzles, _ = digits(open_dataset(root, split))
        assert len(puzzles) == count
        assert set(solve(puzzles).steps) <= {1, 2, 3}
    with pytest.raises(HRMDataError, match="different puzzles are available for train, 5000 are wanted"):
        build_sudoku(tmp_path / "y", SudokuOptions(train_csv=file, train=5000, test=5))
    assert not (tmp_path / "y").exists()


@pytest.mark.parametrize("fields", [{}, {"min_rating": 5}, {"max_rating": 3}])
def test_files_that_leave_nothing_to_train_on_are_refused(tmp_path: Path, fields: dict) -> None:
    rows = "x,.234341221434321,1234341221434321,4\n" if fields else ""
    (tmp_path / "x.csv").write_text("source,question,answer,rating\n" + rows)
    with pytest.raises(HRMDataError, match=r"x\.csv: no puzzles are left for train"):
        build_sudoku(tmp_path / "data", SudokuOptions(box=(2, 2), train_csv=tmp_path / "x.csv", **fields))
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


def test_a_place_where_nothing_can_be_written_is_named_before_any_work(tmp_path: Path) -> None:
    def work(done: int, total: int, what: str) -> None:
        raise AssertionError(what)

    (tmp_path / "file").touch()
    for build in (build_sudoku, build_maze, build_arc):
        with pytest.raises(HRMDataIOError, match=r"file/data cannot be written .*, choose another place"):
            build(tmp_path / "file" / "data", progress=work)


def test_an_existing_directory_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(HRMDataError, match="exists already"):
        build_sudoku(tmp_path, SudokuOptions(train=10**7))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"test_csv": "x"}, "without train_csv"),
        ({"min_rating": 5, "max_rating": 4}, "max_rating 4 is below min_rating 5"),
        ({"test_clues": 16}, "without test_kind"),
        ({"train_csv": "x", "kind": "any"}, "for generated puzzles"),
        ({"train_csv": "x", "clues": 30}, "for generated puzzles"),
        ({"train": -1}, "train"),
        ({"test_share": 0.0}, "test_share"),
        ({"kind": "easy"}, "kind"),
        ({"color": 1}, "color"),
    ],
)
def test_options_that_disagree_are_refused(fields: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SudokuOptions(**fields)

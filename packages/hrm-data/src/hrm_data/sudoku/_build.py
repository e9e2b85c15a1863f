"""Build Sudoku dataset directories, from the generator or from CSV files."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data._progress import Progress, no_progress
from hrm_data._puzzle_set import PuzzleSet
from hrm_data._split import Split
from hrm_data.dataset._atomic import check_new, disk_errors
from hrm_data.dataset._write import one_example_each, write_dataset
from hrm_data.sources._hub import hub_file
from hrm_data.sources._spool import Chosen, Spool
from hrm_data.sudoku._board import Board, as_board
from hrm_data.sudoku._choose import Choice, CsvRows, by_orbit, choose_given, divide, not_in, orbits, prove, spool_csv
from hrm_data.sudoku._options import SudokuOptions
from hrm_data.sudoku._orbit import by_puzzle
from hrm_data.sudoku._task import SudokuTask
from hrm_data.sudoku.generator._generate import Puzzles, generate_sudoku

_DEFAULT_COUNT = 1000


def build_sudoku(root: str | Path, options: SudokuOptions | None = None, progress: Progress = no_progress) -> Path:
    """Make the dataset directory `root` with splits train and test that share no orbit, and return its path.

    Generated puzzles, and the rows of one CSV file, are assigned by `split_of`. With two CSV files the test
    file is used as it is, and training puzzles whose orbit occurs in it are left out. Duplicates are removed.
    CSV files are streamed: memory does not grow with their boards.

    Raises:
        HRMDataError: `root` exists or cannot be written, a file is wrong or unavailable, or it has too few
            puzzles.
    """
    options = options or SudokuOptions()
    root = Path(root)
    check_new(root)
    board = as_board(options.box)
    task: dict[str, Any] = SudokuTask(board).to_json()
    task["options"] = options.model_dump(mode="json")
    task["split_by"] = f"orbit of the {'puzzle' if by_puzzle(board) else 'solution'}"
    with disk_errors(root), ExitStack() as spools:
        if options.train_csv or options.hub:
            if options.test_csv or options.hub:
                task["split_by"] = "given files"
            chosen = _chosen(options, board, spools, root.parent, progress)
            sets = {name: _tokens(choice, board) for name, choice in chosen.items()}
            measures = {name: (c.rows.clues[c.numbers], c.ratings) for name, c in chosen.items()}
        else:
            made = {split: _generated(options, split, progress) for split in ("train", "test")}
            one = np.uint8(1)
            sets = {name: one_example_each(item.puzzles + one, item.solutions + one) for name, item in made.items()}
            measures = {name: (np.count_nonzero(p.puzzles, axis=1), p.ratings) for name, p in made.items()}
        task["difficulty"] = {name: _difficulty(*measure) for name, measure in measures.items()}
        return write_dataset(
            root,
            {name: {"all": item} for name, item in sets.items()},
            vocab_size=board.n + 2,
            seq_len=board.cells,
            task=task,
        )


def _generated(options: SudokuOptions, split: Split, progress: Progress) -> Puzzles:
    wanted, kind, clues = options.train, options.kind, options.clues
    if split == "test":
        wanted = options.test
        if options.test_kind is not None:
            kind, clues = options.test_kind, options.test_clues
    return generate_sudoku(
        _DEFAULT_COUNT if wanted is None else wanted,
        options.box,
        kind=kind,
        clues=clues,
        rating=(options.min_rating, 2**31 if options.max_rating is None else options.max_rating),
        mean_rating=options.mean_rating,
        seed=options.seed,
        split=split,
        test_share=options.test_share,
        progress=progress,
    )


def _chosen(
    options: SudokuOptions, board: Board, spools: ExitStack, folder: Path, progress: Progress
) -> dict[str, Choice]:
    """Rows of the CSV files for train and test."""
    train_csv, test_csv = options.train_csv, options.test_csv
    if options.hub is not None:
        train_csv, test_csv = (hub_file(options.hub, f"{split}.csv") for split in ("train", "test"))
    assert train_csv is not None

    def spool(path: Path) -> CsvRows:
        boards = spools.enter_context(Spool(2 * board.cells, folder))
        return spool_csv(path, board, boards, options.min_rating, options.max_rating, progress)

    if test_csv is not None:
        test = choose_given(spool(test_csv), options.test, options.seed)
        side = not_in(orbits(test, board, progress))
        train = divide(spool(train_csv), board, {"train": options.train}, side, options.seed, progress)
        splits = {**train, "test": test}
    else:
        wanted = {"train": options.train, "test": options.test}
        splits = divide(spool(train_csv), board, wanted, by_orbit(options.test_share), options.seed, progress)
    if not len(splits["train"].numbers):
        raise HRMDataError(
            f"{train_csv}: no puzzles are left for train; give a file with some, or widen min_rating and max_rating"
        )
    for choice in splits.values():
        prove(choice, board, options.prove, progress)
    return splits


def _tokens(choice: Choice, board: Board) -> PuzzleSet:
    """Return the chosen rows as tokens; they stay on disk until they are written."""
    cells = board.cells
    inputs, labels = (
        Chosen(choice.rows.boards, choice.numbers, columns, add=1)
        for columns in (slice(0, cells), slice(cells, 2 * cells))
    )
    return one_example_each(cast(np.ndarray, inputs), cast(np.ndarray, labels))  # written in slices, like arrays


def _difficulty(clues: np.ndarray, ratings: np.ndarray | None) -> dict[str, Any]:
    """Ranges of clues and, where there are any, ratings, for `task.json`."""
    if not len(clues):
        return {"puzzles": 0}
    found: dict[str, Any] = {
        "puzzles": len(clues),
        "clues": {"min": int(clues.min()), "mean": round(float(clues.mean()), 2), "max": int(clues.max())},
    }
    if ratings is not None:
        found["rating"] = {
            "min": int(ratings.min()),
            "mean": round(float(ratings.mean()), 2),
            "median": float(np.median(ratings)),
            "max": int(ratings.max()),
        }
    return found

"""Build Sudoku dataset directories, from the generator or from CSV files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from hrm_data._board import as_board
from hrm_data._csv import read_at_most
from hrm_data._errors import HRMDataError
from hrm_data._generate import Kind, Puzzles, Split, first_of_each, generate_sudoku
from hrm_data._progress import Progress, no_progress
from hrm_data._split import TEST_SHARE, by_puzzle, in_test, split_keys
from hrm_data._sudoku import SudokuTask
from hrm_data._write import one_example_each, write_dataset

_DEFAULT_COUNT = 1000


def _box(value: Any) -> Any:
    if _numbers(value) != 2:
        raise ValueError("should be two numbers, rows and columns of a box, as in 2,3")
    return value


def _clues(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 1:  # what the command line makes of one number
        value = value[0]
    if value is not None and _numbers(value) not in (1, 2):
        raise ValueError("should be a number of clues, or the least and the most, as in 4,6")
    return value


def _numbers(value: Any) -> int:
    """How many whole numbers a value holds, alone or in a list; 0 if it holds anything else."""
    items = value if isinstance(value, list | tuple) else [value]
    return len(items) if all(str(item).isdecimal() for item in items) else 0


Clues = Annotated[int | tuple[int, int] | None, BeforeValidator(_clues)]


class SudokuOptions(BaseModel):
    """What a Sudoku dataset is made from; with `train_csv` from files, else from the generator."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    box: Annotated[tuple[int, int], BeforeValidator(_box)] = Field((3, 3), description="Rows and columns of a box.")
    train: int | None = Field(None, ge=1, le=10**9, description="Training puzzles (generated: 1000, CSV: all).")
    test: int | None = Field(None, ge=0, le=10**9, description="Held-out puzzles (generated: 1000, CSV: all).")
    kind: Kind = Field("minimal", description="Difficulty of generated puzzles.")
    clues: Clues = Field(None, description="Clues of generated puzzles, or the least and the most.")
    test_kind: Kind | None = Field(
        None, description="Difficulty of generated test puzzles, if not that of the training puzzles."
    )
    test_clues: Clues = Field(
        None, description="Clues of generated test puzzles, or the least and the most; goes with test_kind."
    )
    min_rating: int = Field(0, ge=0, description="Least rating.")
    max_rating: int | None = Field(None, ge=0, description="Greatest rating.")
    seed: int = Field(0, ge=0, description="Seed of generation and of subsampling.")
    test_share: float = Field(TEST_SHARE, gt=0, lt=1, description="Share of the orbits that is kept for test.")
    train_csv: Path | None = Field(None, description="CSV file with training, or all, puzzles.")
    test_csv: Path | None = Field(None, description="CSV file with test puzzles, if these are apart.")

    @model_validator(mode="after")
    def _agrees(self) -> SudokuOptions:
        if self.test_csv and not self.train_csv:
            raise ValueError("test_csv is given without train_csv; give both, or train_csv alone")
        if self.train_csv and (self.kind != "minimal" or self.clues is not None or self.test_kind):
            raise ValueError("kind and clues are for generated puzzles; leave them out with train_csv")
        if self.test_clues is not None and self.test_kind is None:
            raise ValueError("test_clues is given without test_kind; give both, or neither")
        return self


def build_sudoku(root: str | Path, options: SudokuOptions | None = None, progress: Progress = no_progress) -> Path:
    """Make the dataset directory `root` with splits train and test that share no orbit, and return its path.

    Generated puzzles, and the rows of one CSV file, are assigned by `split_of`. With two CSV files the test
    file is taken as it is, and training puzzles whose orbit occurs in it are left out. Equal puzzles are kept
    once.

    Raises:
        HRMDataError: `root` exists, a file is wrong, or there are not enough puzzles.
    """
    options = options or SudokuOptions()
    root = Path(root)
    if root.exists():
        raise HRMDataError(f"{root} exists already; nothing is overwritten, remove it or choose another name")
    board = as_board(options.box)
    if options.train_csv:
        splits = _from_csv(options)
    else:
        splits = {split: _generated(options, split, progress) for split in ("train", "test")}
    task: dict[str, Any] = SudokuTask(board).to_json()
    task["options"] = options.model_dump(mode="json")
    task["split_by"] = (
        "given files" if options.test_csv else f"orbit of the {'puzzle' if by_puzzle(board) else 'solution'}"
    )
    task["difficulty"] = {name: _difficulty(puzzles) for name, puzzles in splits.items()}
    return write_dataset(
        root,
        {
            name: {"all": one_example_each(puzzles.puzzles + np.uint8(1), puzzles.solutions + np.uint8(1))}
            for name, puzzles in splits.items()
        },
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
        seed=options.seed,
        split=split,
        test_share=options.test_share,
        progress=progress,
    )


def _from_csv(options: SudokuOptions) -> dict[str, Puzzles]:
    """Train and test from a part of the files that should be enough, and else from all of them."""
    short = {}
    for whole in (False, True):
        splits = _divide(options, whole=whole)
        wanted = {"train": options.train, "test": options.test}
        short = {s: n for s, n in wanted.items() if n is not None and len(splits[s].puzzles) < n}
        if not short:
            return {s: _sample(splits[s], wanted[s], options.seed) for s in splits}
    split, count = next(iter(short.items()))
    raise HRMDataError(
        f"{options.train_csv}: only {len(splits[split].puzzles)} different puzzles can be had for {split}, "
        f"{count} are wanted; ask for fewer or admit more ratings"
    )


def _divide(options: SudokuOptions, *, whole: bool) -> dict[str, Puzzles]:
    assert options.train_csv is not None
    if options.test_csv:
        test = _read(options, options.test_csv, options.test, whole)
        test = _sample(test, options.test, options.seed)
        rows = _read(options, options.train_csv, options.train, whole)
        seen = split_keys(test.puzzles, test.solutions, options.box)
        reserved = np.isin(split_keys(rows.puzzles, rows.solutions, options.box), seen)
        return {"train": _take(rows, ~reserved), "test": test}
    need = None
    if options.train is not None and options.test is not None:
        need = int(max(options.train / (1 - options.test_share), options.test / options.test_share))
    rows = _read(options, options.train_csv, need, whole)
    reserved = in_test(split_keys(rows.puzzles, rows.solutions, options.box), options.test_share)
    return {"train": _take(rows, ~reserved), "test": _take(rows, reserved)}


def _read(options: SudokuOptions, path: Path, need: int | None, whole: bool) -> Puzzles:
    limit = None if whole or need is None else need + need // 4 + 256
    rows = read_at_most(
        path,
        options.box,
        limit,
        min_rating=options.min_rating,
        max_rating=options.max_rating,
        seed=options.seed,
    )
    return _take(rows, first_of_each(rows.puzzles))


def _sample(puzzles: Puzzles, count: int | None, seed: int) -> Puzzles:
    if count is None or len(puzzles.puzzles) <= count:
        return puzzles
    chosen = np.random.default_rng(seed).permutation(len(puzzles.puzzles))[:count]
    return _take(puzzles, np.sort(chosen))


def _take(puzzles: Puzzles, which: np.ndarray) -> Puzzles:
    return Puzzles(*(field[which] for field in puzzles))


def _difficulty(puzzles: Puzzles) -> dict[str, Any]:
    """Ranges of clues and ratings, for `task.json`."""
    if not len(puzzles.puzzles):
        return {"puzzles": 0}
    clues = np.count_nonzero(puzzles.puzzles, axis=1)
    return {
        "puzzles": len(clues),
        "clues": {"min": int(clues.min()), "mean": round(float(clues.mean()), 2), "max": int(clues.max())},
        "rating": {
            "min": int(puzzles.ratings.min()),
            "mean": round(float(puzzles.ratings.mean()), 2),
            "max": int(puzzles.ratings.max()),
        },
    }

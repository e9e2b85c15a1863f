"""Build maze dataset directories, from the generator or from CSV files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data._progress import Progress, no_progress
from hrm_data._puzzle_set import PuzzleSet
from hrm_data._random import in_test, item_keys
from hrm_data._split import TEST_SHARE
from hrm_data.dataset._atomic import check_new
from hrm_data.dataset._write import write_dataset
from hrm_data.maze._csv import read_mazes
from hrm_data.maze._generate import Mazes, generate_mazes, wall_keys
from hrm_data.maze._options import HARD_SIZE, MazeOptions
from hrm_data.maze._task import MazeTask
from hrm_data.sources._hub import hub_file
from hrm_data.symmetry._dihedral import TRANSFORMS, dihedral

_DEFAULT_COUNT = 1000


def build_maze(root: str | Path, options: MazeOptions | None = None, progress: Progress = no_progress) -> Path:
    """Make the dataset directory `root` and return its path; no maze of one split is a copy of one of the other.

    Mazes with equal walls, turned or mirrored, are copies. With two files the test file is used as it is, and training
    mazes that are copies of its mazes are left out; one file is divided by walls. With `mirrored` a training maze is a
    group of eight puzzles.

    Raises:
        HRMDataError: `root` exists or cannot be written, a file is wrong or unavailable, or it has too few
            mazes.
    """
    options = options or MazeOptions()
    root = Path(root)
    check_new(root)
    from_files = options.train_csv is not None or options.hub is not None
    splits = _from_files(options) if from_files else _generated(options, progress)
    size = splits["train"].puzzles.shape[1]
    task: dict[str, Any] = MazeTask(size).to_json()
    task["options"] = options.model_dump(mode="json")
    task["split_by"] = "given files" if options.test_csv or options.hub else "walls"
    task["difficulty"] = {name: _difficulty(mazes) for name, mazes in splits.items()}
    sets = {name: _tokens(mazes, options.mirrored and name == "train") for name, mazes in splits.items()}
    return write_dataset(
        root,
        {name: {"all": item} for name, item in sets.items()},
        vocab_size=MazeTask.vocab_size,
        seq_len=size * size,
        task=task,
    )


def _generated(options: MazeOptions, progress: Progress) -> dict[str, Mazes]:
    train, test = (_DEFAULT_COUNT if count is None else count for count in (options.train, options.test))
    mazes = generate_mazes(
        train + test,
        options.size or HARD_SIZE,
        min_length=options.min_length,
        unique=options.unique,
        seed=options.seed,
        progress=progress,
    )
    return {"train": _take(mazes, slice(0, train)), "test": _take(mazes, slice(train, train + test))}


def _from_files(options: MazeOptions) -> dict[str, Mazes]:
    train_csv, test_csv = options.train_csv, options.test_csv
    if options.hub is not None:
        train_csv, test_csv = (hub_file(options.hub, f"{split}.csv") for split in ("train", "test"))
    assert train_csv is not None
    mazes = _read(options, train_csv)
    keys = wall_keys(mazes.puzzles)
    if test_csv is not None:
        test = _read(options, test_csv)
        if test.puzzles.shape[1] != mazes.puzzles.shape[1]:
            raise HRMDataError(
                f"{test_csv} has mazes of size {test.puzzles.shape[1]}, {train_csv} of size {mazes.puzzles.shape[1]}; "
                "give files with mazes of one size"
            )
        aside = np.isin(keys, wall_keys(test.puzzles))
    else:
        aside = in_test(keys, TEST_SHARE)
        test = _take(mazes, aside)
    train = _take(mazes, ~aside)
    return {
        "train": _sample(train, options.train, options.seed, train_csv, "train"),
        "test": _sample(test, options.test, options.seed, test_csv or train_csv, "test"),
    }


def _read(options: MazeOptions, path: Path) -> Mazes:
    """The mazes of a file with long enough paths, no two equal."""
    mazes = read_mazes(path)
    size = mazes.puzzles.shape[1]
    if options.size not in (None, size):
        raise HRMDataError(f"{path} has mazes of size {size}, but size is {options.size}; leave size out")
    first = np.unique(mazes.puzzles.reshape(len(mazes.puzzles), size * size), axis=0, return_index=True)[1]
    mazes = _take(mazes, np.sort(first))
    moves = (mazes.answers > 2).sum(axis=(1, 2)) - 1
    return _take(mazes, moves >= (options.min_length or 0))


def _sample(mazes: Mazes, count: int | None, seed: int, path: Path, split: str) -> Mazes:
    total = len(mazes.puzzles)
    if count is None:
        count = total
    if total < max(count, split == "train"):
        raise HRMDataError(
            f"{path}: only {total} different mazes are available for {split}, {max(count, 1)} are wanted; "
            "ask for fewer or lower min_length"
        )
    order = np.argsort(item_keys(seed, np.arange(total)), kind="stable")
    return _take(mazes, np.sort(order[:count]))


def _take(mazes: Mazes, which: np.ndarray | slice) -> Mazes:
    return Mazes(*(field[which] for field in mazes))


def _tokens(mazes: Mazes, mirrored: bool) -> PuzzleSet:
    """Every maze as a group, of its eight transforms as puzzles where it is `mirrored`, with one example each."""
    total, n = mazes.puzzles.shape[:2]
    transforms = range(TRANSFORMS if mirrored else 1)
    inputs, labels = (
        np.stack([dihedral(boards, k) for k in transforms], axis=1).reshape(total * len(transforms), n * n)
        for boards in (mazes.puzzles, mazes.answers)
    )
    puzzles = np.arange(len(inputs) + 1, dtype=np.int32)
    return PuzzleSet(inputs, labels, np.zeros(len(inputs), np.int32), puzzles, puzzles[:: len(transforms)].copy())


def _difficulty(mazes: Mazes) -> dict[str, Any]:
    """Ranges of path lengths and walls, for `task.json`."""
    if not len(mazes.puzzles):
        return {"puzzles": 0}
    moves = (mazes.answers > 2).sum(axis=(1, 2)) - 1
    return {
        "puzzles": len(moves),
        "moves": {"min": int(moves.min()), "mean": round(float(moves.mean()), 2), "max": int(moves.max())},
        "walls": round(float((mazes.puzzles == 1).mean()), 3),
    }

"""Writes dataset directories in the reference's format, whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from hrm_data._errors import HRMDataError
from hrm_data._puzzle_set import PuzzleSet
from hrm_data.dataset._atomic import check_new, new_directory, write_array, write_json
from hrm_data.dataset._format import ARRAYS, check_indices, check_tokens
from hrm_data.dataset._metadata import DatasetMetadata, describe

BLANK = "<blank>"


def write_dataset(
    root: str | Path,
    splits: Mapping[str, Mapping[str, PuzzleSet]],
    *,
    vocab_size: int,
    seq_len: int,
    pad_id: int = 0,
    ignore_label_id: int | None = 0,
    blank_identifier_id: int = 0,
    identifiers: Sequence[str] = (BLANK,),
    task: Mapping[str, Any] | None = None,
) -> Path:
    """Write `splits` (split name -> set name -> arrays) to the new directory `root`, and return its path.

    Everything is written to a temporary directory beside `root`, fsynced, and renamed; a reader sees all of
    it or nothing. Arrays are read in slices. Tokens become uint8 where the vocabulary fits (int32 otherwise),
    index arrays int32 where they fit.

    Raises:
        HRMDataError: `root` exists, or the arrays violate the format.
    """
    root = Path(root)
    check_new(root)
    if not splits:
        raise HRMDataError("splits is empty; give at least one, such as train")
    metadata: dict[str, DatasetMetadata] = {}
    for split, sets in splits.items():
        groups, puzzles, examples = (
            sum(getattr(item, count) for item in sets.values()) for count in ("groups", "puzzles", "examples")
        )
        try:
            metadata[split] = DatasetMetadata(
                pad_id=pad_id,
                ignore_label_id=ignore_label_id,
                blank_identifier_id=blank_identifier_id,
                vocab_size=vocab_size,
                seq_len=seq_len,
                num_puzzle_identifiers=len(identifiers),
                total_groups=groups,
                mean_puzzle_examples=examples / max(puzzles, 1),
                sets=tuple(sets),
            )
        except ValidationError as error:
            raise HRMDataError(f"{split}: {describe(error)}; correct the argument") from None
        for name, item in sets.items():
            _check(item, metadata[split], f"{split} set {name!r}")
    with new_directory(root) as scratch:
        for split, sets in splits.items():
            (scratch / split).mkdir()
            write_json(scratch / split / "dataset.json", metadata[split].model_dump(mode="json"))
            for name, item in sets.items():
                for field in ARRAYS:
                    _write_array(scratch / split / f"{name}__{field}.npy", getattr(item, field), field, vocab_size)
        write_json(scratch / "identifiers.json", list(identifiers))
        if task is not None:
            write_json(scratch / "task.json", dict(task))
    return root


def one_example_each(inputs: np.ndarray, labels: np.ndarray) -> PuzzleSet:
    """A set in which every example `[N, seq_len]` is its own puzzle and group, as for Sudoku and Maze."""
    count = len(inputs)
    steps = np.arange(count + 1, dtype=np.int32)
    return PuzzleSet(inputs, labels, np.zeros(count, np.int32), steps, steps.copy())


def _check(item: PuzzleSet, metadata: DatasetMetadata, where: str) -> None:
    for field in ARRAYS:
        if not np.issubdtype(getattr(item, field).dtype, np.integer):
            raise HRMDataError(f"{where}: {field} has dtype {getattr(item, field).dtype}; expected integers")
    check_tokens(item.inputs, metadata, f"{where}: inputs")
    check_tokens(item.labels, metadata, f"{where}: labels")
    if item.inputs.shape != item.labels.shape:
        raise HRMDataError(f"{where}: inputs {item.inputs.shape} and labels {item.labels.shape} differ in shape")
    check_indices(item.puzzle_indices, item.puzzles, item.examples, f"{where}: puzzle_indices", "examples")
    check_indices(item.group_indices, None, item.puzzles, f"{where}: group_indices", "puzzles")
    names = item.puzzle_identifiers
    if names.size and (names.min() < 0 or names.max() >= metadata.num_puzzle_identifiers):
        raise HRMDataError(
            f"{where}: puzzle_identifiers hold {names.min()}..{names.max()}; "
            f"identifiers has {metadata.num_puzzle_identifiers} names"
        )


def _write_array(path: Path, array: np.ndarray, field: str, vocab_size: int) -> None:
    if field in ("inputs", "labels"):
        dtype: type[np.integer[Any]] = np.uint8 if vocab_size <= 256 else np.int32
    else:
        dtype = np.int32 if array.size == 0 or array.max() < 2**31 else np.int64
    write_array(path, array, dtype)

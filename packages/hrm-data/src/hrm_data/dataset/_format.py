"""The arrays of a dataset in the reference's format, and their checks."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data._puzzle_set import PuzzleSet
from hrm_data.dataset._metadata import DatasetMetadata
from hrm_data.untrusted import shortened

_CHUNK = 1 << 24  # tokens checked at a time, so that a large file is never read at once


MOST_IN_MEMORY = 1 << 31
"""The most bytes of an array that is read at once: identifiers and indices of half a billion puzzles."""
ARRAYS = ("inputs", "labels", "puzzle_identifiers", "puzzle_indices", "group_indices")


@dataclass(frozen=True)
class Dataset:
    """One split of a dataset, its tokens mapped from disk rather than read."""

    root: Path
    split: str
    metadata: DatasetMetadata
    sets: Mapping[str, PuzzleSet]
    identifiers: Sequence[str]
    """Puzzle names by identifier; empty where the directory has no `identifiers.json`."""
    task: Mapping[str, Any] | None
    """Content of `task.json`; None without one, as in directories of the reference."""

    @property
    def examples(self) -> int:
        """Number of examples in all sets."""
        return sum(puzzle_set.examples for puzzle_set in self.sets.values())


def load_array(path: Path, *, mapped: bool) -> np.ndarray:
    """The integers of a `.npy` file, nothing unpickled; raises `HRMDataError` if they are not there as declared.

    What the header declares is compared with the length of the file before any memory is taken.
    """
    try:
        with path.open("rb") as file:
            shape, fortran, dtype = _read_header(file)
            start = file.tell()
            there = os.fstat(file.fileno()).st_size - start
    except FileNotFoundError:
        raise HRMDataError(
            f"{path} is missing; it is named by `sets` in dataset.json, build the dataset again"
        ) from None
    except Exception as error:  # whatever a damaged header makes of numpy's parser, whose advice may be to unpickle
        raise HRMDataError(f"{path} is not a readable .npy file ({_reason(error)}); build the dataset again") from None
    if dtype.kind not in "iu":
        raise HRMDataError(f"{path} has dtype {shortened(dtype)}; expected integers, build the dataset again")
    declared = math.prod(shape) * dtype.itemsize
    if declared != there or min(shape, default=0) < 0:
        raise HRMDataError(
            f"{path} is not a readable .npy file (its header declares {dtype} {shortened(shape)}, {declared} bytes, "
            f"but {there} follow); build the dataset again"
        )
    if not mapped and declared > MOST_IN_MEMORY:
        raise HRMDataError(
            f"{path} holds {declared:,} bytes that are read into memory, more than the {MOST_IN_MEMORY:,} that any "
            "dataset needs; build the dataset again"
        )
    order: Literal["F", "C"] = "F" if fortran else "C"
    try:
        if not declared:
            return np.zeros(shape, dtype, order)
        if mapped:
            return np.memmap(path, dtype, "r", start, shape, order)
        return np.fromfile(path, dtype, offset=start).reshape(shape, order=order)
    except (OSError, ValueError, OverflowError) as error:
        raise HRMDataError(
            f"{path} is not a readable .npy file ({shortened(error)}); build the dataset again"
        ) from None


def _reason(error: Exception) -> str:
    text = shortened(error)
    return "its header is damaged" if "pickle" in text or "max_header_size" in text else text


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(file)
        if version == (2, 0):
            return np.lib.format.read_array_header_2_0(file)
    raise ValueError(f"format version {version[0]}.{version[1]}")


def open_set(folder: Path, name: str, metadata: DatasetMetadata) -> PuzzleSet:
    """The checked arrays of one set of a split, tokens mapped; raises `HRMDataError` if they disagree."""
    paths = {field: folder / f"{name}__{field}.npy" for field in ARRAYS}
    arrays = {field: load_array(path, mapped=field in ("inputs", "labels")) for field, path in paths.items()}
    result = PuzzleSet(**arrays)
    for field in ("inputs", "labels"):
        check_tokens(arrays[field], metadata, str(paths[field]))
    if len(result.inputs) != len(result.labels):
        raise HRMDataError(
            f"{paths['labels']} has {len(result.labels)} examples, "
            f"{paths['inputs'].name} has {len(result.inputs)}; they must agree, build the dataset again"
        )
    for field in ARRAYS[2:]:
        if arrays[field].ndim != 1:
            raise HRMDataError(f"{paths[field]} has shape {arrays[field].shape}; expected one dimension")
    check_indices(result.puzzle_indices, result.puzzles, result.examples, str(paths["puzzle_indices"]), "examples")
    check_indices(result.group_indices, None, result.puzzles, str(paths["group_indices"]), "puzzles")
    names = result.puzzle_identifiers
    if names.size and (names.min() < 0 or names.max() >= metadata.num_puzzle_identifiers):
        raise HRMDataError(
            f"{paths['puzzle_identifiers']} holds {names.min()}..{names.max()}; identifiers must be in "
            f"0..{metadata.num_puzzle_identifiers - 1} (num_puzzle_identifiers in dataset.json)"
        )
    return result


def check_tokens(array: np.ndarray, metadata: DatasetMetadata, where: str) -> None:
    """Raise `HRMDataError` unless `array` is `[examples, seq_len]` of tokens within the vocabulary."""
    if array.ndim != 2 or array.shape[1] != metadata.seq_len:
        raise HRMDataError(
            f"{where} has shape {array.shape}; expected [examples, {metadata.seq_len}] (seq_len in dataset.json)"
        )
    rows = max(1, _CHUNK // metadata.seq_len)
    for start in range(0, len(array), rows):
        part = array[start : start + rows]
        if part.max() >= metadata.vocab_size or (part.dtype.kind == "i" and part.min() < 0):
            row, col = np.argwhere((part < 0) | (part >= metadata.vocab_size))[0]
            raise HRMDataError(
                f"{where} holds token {part[row, col]} at example {start + row}, position {col}; "
                f"tokens must be in 0..{metadata.vocab_size - 1} (vocab_size in dataset.json)"
            )


def check_indices(indices: np.ndarray, parts: int | None, end: int, where: str, of: str) -> None:
    """Raise `HRMDataError` unless `indices` rises strictly from 0 to `end` in `parts` parts."""
    if parts is not None and len(indices) != parts + 1:
        raise HRMDataError(
            f"{where} has {len(indices)} entries; expected {parts + 1}, one more than the number of puzzles"
        )
    if len(indices) == 0 or indices[0] != 0 or indices[-1] != end:
        ends = f"{indices[0]}..{indices[-1]}" if len(indices) else "nothing"
        raise HRMDataError(f"{where} runs over {ends}; expected 0..{end}, the number of {of}")
    falling = np.flatnonzero(np.diff(indices.astype(np.int64)) <= 0)
    if falling.size:
        at = int(falling[0]) + 1
        raise HRMDataError(
            f"{where} does not rise at entry {at}: {indices[at - 1]} is followed by {indices[at]}; "
            "every part needs at least one member, build the dataset again"
        )

"""Open and check dataset directories in the reference's format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data._metadata import DatasetMetadata, read_metadata

_CHUNK = 1 << 24  # tokens checked at a time, so that a large file is never read at once


@dataclass(frozen=True)
class PuzzleSet:
    """One set of a split: examples in puzzles, puzzles in groups.

    Puzzle `p` has the examples `puzzle_indices[p]:puzzle_indices[p + 1]`, group `g` the puzzles
    `group_indices[g]:group_indices[g + 1]`.
    """

    inputs: np.ndarray
    """`[examples, seq_len]`, integer tokens."""
    labels: np.ndarray
    """`[examples, seq_len]`, integer tokens."""
    puzzle_identifiers: np.ndarray
    """`[puzzles]`, integers."""
    puzzle_indices: np.ndarray
    """`[puzzles + 1]`, integers, rising from 0 to `examples`."""
    group_indices: np.ndarray
    """`[groups + 1]`, integers, rising from 0 to `puzzles`."""

    @property
    def examples(self) -> int:
        """Number of examples."""
        return len(self.inputs)

    @property
    def puzzles(self) -> int:
        """Number of puzzles."""
        return len(self.puzzle_identifiers)

    @property
    def groups(self) -> int:
        """Number of groups."""
        return len(self.group_indices) - 1


ARRAYS = ("inputs", "labels", "puzzle_identifiers", "puzzle_indices", "group_indices")


@dataclass(frozen=True)
class Dataset:
    """One split of a dataset, its tokens mapped from disk rather than read."""

    root: Path
    split: str
    metadata: DatasetMetadata
    sets: Mapping[str, PuzzleSet]
    identifiers: tuple[str, ...]
    """Puzzle names by identifier; empty where the directory has no `identifiers.json`."""
    task: Mapping[str, Any] | None
    """Content of `task.json`; None where there is none, as in directories of the reference."""

    @property
    def examples(self) -> int:
        """Number of examples in all sets."""
        return sum(puzzle_set.examples for puzzle_set in self.sets.values())


def open_dataset(root: str | Path, split: str) -> Dataset:
    """Map and check `<root>/<split>`; tokens are checked in full once, in pieces.

    Raises:
        HRMDataError: A file is missing or unreadable, or arrays, indices, tokens and metadata disagree. The
            message names file, field, value and remedy.
    """
    root = Path(root)
    folder = root / split
    if not folder.is_dir():
        found = sorted(p.parent.name for p in root.glob("*/dataset.json"))
        hint = f"it has {', '.join(found)}" if found else "no split was found there; is the path right?"
        raise HRMDataError(f"{root} has no split {split!r}: {hint}")
    metadata = read_metadata(folder / "dataset.json")
    sets = {name: _open_set(folder, name, metadata) for name in metadata.sets}
    groups = sum(puzzle_set.groups for puzzle_set in sets.values())
    if groups != metadata.total_groups:
        raise HRMDataError(
            f"{folder / 'dataset.json'}: field total_groups is {metadata.total_groups}, "
            f"but the sets hold {groups} groups; correct the field or build the dataset again"
        )
    puzzles = sum(puzzle_set.puzzles for puzzle_set in sets.values())
    mean = sum(puzzle_set.examples for puzzle_set in sets.values()) / max(puzzles, 1)
    if abs(mean - metadata.mean_puzzle_examples) > 1e-3 * max(mean, 1.0):
        raise HRMDataError(
            f"{folder / 'dataset.json'}: field mean_puzzle_examples is {metadata.mean_puzzle_examples}, "
            f"but the sets hold {mean:g} examples a puzzle; correct the field or build the dataset again"
        )
    identifiers = _read_identifiers(root / "identifiers.json", metadata)
    return Dataset(root, split, metadata, sets, identifiers, read_task(root))


def read_task(root: Path) -> dict[str, Any] | None:
    """Content of `<root>/task.json`, None where there is none; raises `HRMDataError` if it is no object."""
    path = root / "task.json"
    if not path.exists():
        return None
    task = _read_json(path)
    if not isinstance(task, dict):
        raise HRMDataError(f'{path} holds {type(task).__name__}; expected an object such as {{"task": "sudoku"}}')
    return task


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, OSError) as error:
        raise HRMDataError(f"{path} is not readable JSON ({error}); restore it or build the dataset again") from None


def _read_identifiers(path: Path, metadata: DatasetMetadata) -> tuple[str, ...]:
    if not path.exists():
        return ()
    names = _read_json(path)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise HRMDataError(f"{path} must hold a list of puzzle names, the blank one first; build the dataset again")
    if len(names) != metadata.num_puzzle_identifiers:
        raise HRMDataError(
            f"{path} lists {len(names)} names, but dataset.json has num_puzzle_identifiers "
            f"{metadata.num_puzzle_identifiers}; build the dataset again"
        )
    return tuple(names)


def _load(path: Path, *, mapped: bool) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except FileNotFoundError:
        raise HRMDataError(
            f"{path} is missing; it is named by `sets` in dataset.json, build the dataset again"
        ) from None
    except (ValueError, OSError, EOFError) as error:
        if mapped and "mmap" in str(error).lower():  # an array without elements cannot be mapped
            return _load(path, mapped=False)
        raise HRMDataError(f"{path} is not a readable .npy file ({error}); build the dataset again") from None
    if not isinstance(array, np.ndarray):
        raise HRMDataError(f"{path} is an archive, not one .npy array; build the dataset again")
    if not np.issubdtype(array.dtype, np.integer):
        raise HRMDataError(f"{path} has dtype {array.dtype}; expected integers, build the dataset again")
    return array


def _open_set(folder: Path, name: str, metadata: DatasetMetadata) -> PuzzleSet:
    paths = {field: folder / f"{name}__{field}.npy" for field in ARRAYS}
    arrays = {field: _load(path, mapped=field in ("inputs", "labels")) for field, path in paths.items()}
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
        wrong = (part < 0) | (part >= metadata.vocab_size)
        if wrong.any():
            row, col = np.argwhere(wrong)[0]
            raise HRMDataError(
                f"{where} holds token {part[row, col]} at example {start + row}, position {col}; "
                f"tokens must be in 0..{metadata.vocab_size - 1} (vocab_size in dataset.json)"
            )


def check_indices(indices: np.ndarray, parts: int | None, end: int, where: str, of: str) -> None:
    """Raise `HRMDataError` unless `indices` rises strictly from 0 to `end` in `parts` parts."""
    if parts is not None and len(indices) != parts + 1:
        raise HRMDataError(f"{where} has {len(indices)} entries; expected {parts + 1}, one more than there are puzzles")
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

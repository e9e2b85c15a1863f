"""Opens a split of a dataset directory, and finds its task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hrm_data._errors import HRMDataError
from hrm_data.dataset._format import Dataset, open_set
from hrm_data.dataset._metadata import DatasetMetadata, read_metadata
from hrm_data.task._family import ComputedSets
from hrm_data.task._json import read_json, read_task
from hrm_data.task._registry import get_family, get_task, task_names
from hrm_data.task._task import Task
from hrm_data.untrusted import quoted, shortened


def open_dataset(root: str | Path, split: str) -> Dataset:
    """Map and check `<root>/<split>`; tokens are checked in full once, in pieces.

    A directory may store the source of its examples instead, as online ARC datasets do: the source is read and checked,
    and examples are computed on access.

    Raises:
        HRMDataError: A file is missing or unreadable, or arrays, indices, tokens and metadata disagree. The
            message names file, field, value and remedy.
    """
    root = Path(root)
    folder = root / split
    if not folder.is_dir():
        found = sorted(p.parent.name for p in root.glob("*/dataset.json"))
        hint = f"it has {shortened(', '.join(found))}" if found else "no split was found there; is the path right?"
        raise HRMDataError(f"{root} has no split {quoted(split)}: {hint}")
    metadata = read_metadata(folder / "dataset.json")
    stored = all((folder / f"{name}__inputs.npy").exists() for name in metadata.sets)
    computed = None if stored else computed_sets(root)
    if computed is None:
        sets = {name: open_set(folder, name, metadata) for name in metadata.sets}
        identifiers: Sequence[str] = _read_identifiers(root / "identifiers.json", metadata)
    else:
        _check_computed(computed, folder, metadata)
        sets = {name: computed.open_set(split) for name in metadata.sets}
        identifiers = computed.identifiers
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
    return Dataset(root, split, metadata, sets, identifiers, read_task(root))


def splits_of(root: str | Path) -> list[str]:
    """Names of the splits of a dataset directory, train first; raises `HRMDataError` if it has none."""
    root = Path(root)
    if not root.is_dir():
        raise HRMDataError(f"{root} is no directory; name a dataset directory")
    found = sorted(path.parent.name for path in root.glob("*/dataset.json"))
    if not found:
        raise HRMDataError(f"{root} has no split, a directory with a dataset.json; is the path right?")
    return sorted(found, key=lambda split: split != "train")


def computed_sets(root: Path) -> ComputedSets | None:
    """Return what the family that `task.json` names computes in this directory.

    None if it stores arrays, or if the family is not installed.

    Raises:
        HRMDataError: The family cannot be loaded, or the files that it computes from are missing or wrong.
    """
    name = (read_task(root) or {}).get("task")
    return get_family(name).computed(root) if name in task_names() else None


def _check_computed(computed: ComputedSets, folder: Path, metadata: DatasetMetadata) -> None:
    if folder.name not in computed.splits:
        raise HRMDataError(
            f"{folder} is no split of a dataset computed from {computed.source}; "
            f"its splits are {' and '.join(computed.splits)}"
        )
    expected = {
        "seq_len": computed.seq_len,
        "vocab_size": computed.vocab_size,
        "pad_id": 0,
        "num_puzzle_identifiers": len(computed.identifiers),
    }
    for field, value in expected.items():
        if getattr(metadata, field) != value:
            raise HRMDataError(
                f"{folder / 'dataset.json'}: field {field} is {getattr(metadata, field)}, but the tasks in "
                f"{computed.source} need {value}; build the dataset again"
            )


def task_of(dataset: Dataset, name: str | None = None) -> Task | None:
    """Return the task of a dataset, which `task.json` or, without one, `name` tells; None if neither does.

    A name without a size fits every size of a dataset that says its own.

    Raises:
        HRMDataError: There is no such task, the two contradict each other, or the task has other tokens.
    """
    where = dataset.root / "task.json"
    if dataset.task is not None and name is not None and not _is_named(dataset.task, name):
        raise HRMDataError(f"{where} says that the puzzles are {quoted(dataset.task.get('task'))}, not {quoted(name)}")
    if dataset.task is None and name is None:
        return None
    try:
        task = get_task(dataset.task if dataset.task is not None else str(name))
    except HRMDataError as error:
        if dataset.task is None:
            raise
        raise HRMDataError(f"{where}: {error}") from error
    for field in ("seq_len", "vocab_size"):
        theirs, ours = getattr(dataset.metadata, field), getattr(task, field)
        if theirs != ours:
            raise HRMDataError(
                f"{dataset.root / dataset.split / 'dataset.json'}: field {field} is {theirs}, but {ours} in puzzles of "
                f"{task.name}; name another task or correct the file"
            )
    return task


def _is_named(content: Mapping[str, Any], name: str) -> bool:
    if name == content.get("task"):
        return True
    try:
        return get_task(name).name == get_task(content).name
    except HRMDataError:
        return False


def _read_identifiers(path: Path, metadata: DatasetMetadata) -> tuple[str, ...]:
    if not path.exists():
        return ()
    names = read_json(path)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise HRMDataError(f"{path} must hold a list of puzzle names, the blank one first; build the dataset again")
    if len(names) != metadata.num_puzzle_identifiers:
        raise HRMDataError(
            f"{path} lists {len(names)} names, but dataset.json has num_puzzle_identifiers "
            f"{metadata.num_puzzle_identifiers}; build the dataset again"
        )
    return tuple(names)

"""Open a split of a dataset directory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hrm_data._arc_online import open_corpus, open_online_set
from hrm_data._errors import HRMDataError
from hrm_data._format import Dataset, open_set
from hrm_data._json import read_json, read_task
from hrm_data._metadata import DatasetMetadata, read_metadata


def open_dataset(root: str | Path, split: str) -> Dataset:
    """Map and check `<root>/<split>`; tokens are checked in full once, in pieces.

    Of an online dataset the original tasks are read and checked; its examples are made when they are asked for.

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
    corpus = open_corpus(root)
    if corpus is None:
        sets = {name: open_set(folder, name, metadata) for name in metadata.sets}
        identifiers: Sequence[str] = _read_identifiers(root / "identifiers.json", metadata)
    else:
        sets = {name: open_online_set(corpus, folder, metadata) for name in metadata.sets}
        identifiers = corpus.identifiers
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


def splits_of(root: Path) -> list[str]:
    """Names of the splits of a dataset directory, train first; raises `HRMDataError` if it has none."""
    if not root.is_dir():
        raise HRMDataError(f"{root} is no directory; name a dataset directory")
    found = sorted(path.parent.name for path in root.glob("*/dataset.json"))
    if not found:
        raise HRMDataError(f"{root} has no split, a directory with a dataset.json; is the path right?")
    return sorted(found, key=lambda split: split != "train")


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

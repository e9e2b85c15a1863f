"""Reads ARC tasks from directories of JSON files, archives of them, and Kaggle's combined files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data.arc._grid import as_grid, parse_identifier
from hrm_data.sources._archive import read_archive

Pair = tuple[np.ndarray, np.ndarray]
"""A demonstration or test: input and output, each `[h, w]` uint8."""

_CHALLENGES, _SOLUTIONS = "_challenges.json", "_solutions.json"


@dataclass(frozen=True)
class ArcItem:
    """One ARC task."""

    name: str
    subset: str
    """The directory that it was in: `training`, `evaluation`, or a concept."""
    demonstrations: tuple[Pair, ...]
    tests: tuple[Pair, ...]
    where: str
    """File and member that it came from, for messages."""

    @property
    def held_out(self) -> bool:
        """Whether its tests are for testing: those of evaluation tasks are."""
        return self.subset == "evaluation"


def read_arc(sources: Iterable[str | Path]) -> list[ArcItem]:
    """Return the tasks of all `sources`, sorted by subset and name.

    A source is a directory, an archive (see `read_archive`) or a JSON file. Of a directory or archive that has
    directories `training`, `evaluation` or `corpus/<concept>` these are read, of another all JSON files. Tasks in
    `evaluation` are held out. Kaggle's `*_challenges.json` are read together with the `*_solutions.json` beside
    them; those of the test tasks are left out of a directory where they have no solutions. ConceptARC's
    `*Minimal.json`, which are not among its 160 tasks, are left out.

    Raises:
        HRMDataError: There are no tasks, a file is no ARC task, or two tasks have one name; the message names file and
            place.
    """
    found: dict[str, ArcItem] = {}
    for source in sources:
        before = len(found)
        for item in _read_source(Path(source)):
            if item.name in found:
                raise HRMDataError(
                    f"{item.where}: the name {item.name!r} is also that of {found[item.name].where}; "
                    "leave one of them out, or rename it"
                )
            if parse_identifier(item.name)[1] is not None:
                raise HRMDataError(
                    f"{item.where}: the name {item.name!r} reads like that of an augmented task; rename it"
                )
            found[item.name] = item
        if len(found) == before:
            raise HRMDataError(
                f"{source} holds no ARC tasks; expected training/*.json, evaluation/*.json, corpus/<concept>/*.json "
                "or Kaggle's *_challenges.json"
            )
    return sorted(found.values(), key=lambda item: (item.subset, item.name))


def _read_source(source: Path) -> Iterator[ArcItem]:
    explicit = source.is_file() and source.suffix == ".json"
    files = dict(_files(source))
    if any(name.endswith(_CHALLENGES) for name in files):
        yield from _kaggle(source, files, explicit=explicit)
        return
    known = {name: content for name, content in files.items() if _subset(source, name)}
    for name, content in (known or files).items():
        where = str(source) if explicit else f"{source / name}" if source.is_dir() else f"{source}: {name}"
        path = PurePosixPath(name)
        subset = _subset(source, name) or "training"
        yield _item(_parse(content, where), path.stem, subset, where)


def source_files(source: Path) -> list[Path]:
    """The files of a source: a directory's JSON files, else itself, with the solutions beside Kaggle's."""
    if source.is_dir():
        found = sorted(source.rglob("*.json"))
        return [path for path in found if _is_wanted(path.relative_to(source).as_posix()) and path.is_file()]
    solutions = source.with_name(source.name.replace(_CHALLENGES, _SOLUTIONS))
    return [source, solutions] if solutions != source and solutions.exists() else [source]


def _files(source: Path) -> Iterator[tuple[str, bytes]]:
    """Names below the source and contents of its JSON files."""
    folder = source.is_dir()
    if not folder and source.suffix != ".json":
        yield from sorted(read_archive(source, _is_wanted))
        return
    for path in source_files(source):
        yield path.relative_to(source if folder else source.parent).as_posix(), _read(path)


def _is_wanted(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(("._", "__MACOSX")) for part in path.parts)
    return path.suffix == ".json" and not path.stem.endswith("Minimal") and not hidden


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise HRMDataError(f"{path} does not exist; give a directory, an archive or a JSON file") from None
    except OSError as error:
        raise HRMDataError(f"{path} cannot be read: {error.strerror}") from None


def _subset(source: Path, name: str) -> str:
    """`training`, `evaluation` or a concept; empty where the place of a file tells neither."""
    parts = PurePosixPath(name).parts[:-1]
    if source.is_dir():
        parts = (*source.resolve().parts, *parts)
    elif source.suffix == ".json":
        parts = source.resolve().parts[:-1]
    if parts and parts[-1] in ("training", "evaluation"):
        return parts[-1]
    return parts[-1] if len(parts) > 1 and parts[-2] == "corpus" else ""


def _kaggle(source: Path, files: dict[str, bytes], *, explicit: bool) -> Iterator[ArcItem]:
    for name, content in files.items():
        if not name.endswith(_CHALLENGES):
            continue
        where = str(source) if explicit else str(source / name) if source.is_dir() else f"{source}: {name}"
        key = name.replace(_CHALLENGES, _SOLUTIONS)
        kind = name.removesuffix(_CHALLENGES).rstrip("0123456789")
        is_test = kind.endswith("test")
        if is_test and key not in files and not explicit:
            continue
        tasks = _parse(content, where)
        solutions = _parse(files[key], where.replace(_CHALLENGES, _SOLUTIONS)) if key in files else {}
        subset = "evaluation" if is_test or kind.endswith("evaluation") else "training"
        for task, value in tasks.items():
            yield _item(value, task, subset, f"{where}: task {task}", solutions.get(task))


def _parse(content: bytes, where: str) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise HRMDataError(f"{where} is not readable JSON ({error}); copy or download it again") from None
    if not isinstance(value, dict):
        raise HRMDataError(f"{where} holds {type(value).__name__}, no ARC task; expected an object with train and test")
    return value


def _item(value: Any, default_name: str, subset: str, where: str, solutions: Any = None) -> ArcItem:
    if not isinstance(value, dict):
        raise HRMDataError(f"{where} holds {type(value).__name__}, no ARC task; expected an object with train and test")
    name = value.get("name") or default_name  # as in the reference; some files of ARC-AGI-1 have one
    if not isinstance(name, str):
        raise HRMDataError(f"{where}: field name is {name!r}; expected text")
    return ArcItem(
        name,
        subset,
        _pairs(value, "train", where, None),
        _pairs(value, "test", where, solutions),
        where,
    )


def _pairs(value: dict[str, Any], part: str, where: str, solutions: Any) -> tuple[Pair, ...]:
    pairs = value.get(part)
    if not isinstance(pairs, list) or not pairs:
        raise HRMDataError(f"{where} is no ARC task: field {part} must be a list of pairs, and not empty")
    if solutions is not None and (not isinstance(solutions, list) or len(solutions) != len(pairs)):
        raise HRMDataError(f"{where}: the solutions are not a list of {len(pairs)}, one for each test input")
    found = []
    for number, pair in enumerate(pairs):
        place = f"{where}: {part}[{number}]"
        if not isinstance(pair, dict) or "input" not in pair:
            raise HRMDataError(f"{place} has no input, it is no pair of an ARC task")
        output = pair.get("output") if solutions is None else solutions[number]
        if output is None:
            raise HRMDataError(
                f"{place} has no output; give a file with the solutions (*_solutions.json) beside it, "
                "or leave out tasks whose answers are not known"
            )
        found.append((as_grid(pair["input"], f"{place}.input"), as_grid(output, f"{place}.output")))
    return tuple(found)

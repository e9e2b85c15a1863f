"""Chooses which ARC tasks are held out, and which of tasks that stand twice is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data.arc.reading._item import ArcItem, Pair, Reading, Unused, task_keys
from hrm_data.arc.reading._read import TooLarge, read_sources
from hrm_data.arc.reading._splits import HELD_OUT
from hrm_data.untrusted import quoted


def read_arc(
    sources: Iterable[str | Path],
    *,
    held_out: Sequence[str | Path | float] = (),
    too_large: TooLarge = "refuse",
    seed: int = 0,
) -> list[ArcItem]:
    """Return the tasks of all `sources`, sorted by subset and name, in whatever layout they are written.

    A source is a directory, an archive (see `read_archive`) or a JSON file, which holds

    - a task, `{"train": [pairs], "test": [pairs]}`, named like the file;
    - a list of pairs, as in RE-ARC: the last one is the test;
    - tasks by name, or by split and name, or a list of tasks with `id`;
    - Kaggle's `*_challenges.json`, with `*_solutions.json` beside it.

    Without `held_out`, tasks are held out for which the nearest key, file of many tasks, or folder has the word
    `evaluation`, `eval`, `validation`, `valid`, `val` or `test`, as `arc-agi_evaluation2_challenges.json` and
    `Eval/easy/a.json` do; tests without answers always are. Of tasks of one name, the held-out one is kept, else one
    with answers, else the first. A training task with the demonstrations and test inputs of a held-out one is left out.

    Args:
        sources: Where the tasks are.
        held_out: See `ArcOptions`.
        too_large: What is done with tasks that have a grid larger than 30x30.
        seed: Chooses a share of tasks.

    Raises:
        HRMDataError: There are no tasks, a file is no ARC task, or two tasks have one name; the message names file and
            place.
    """
    return read_tasks(sources, tuple(map(str, held_out)), too_large, seed).items


def read_tasks(sources: Iterable[str | Path], held_out: Sequence[str], too_large: TooLarge, seed: int) -> Reading:
    """As `read_arc`, with what is not used; paths in `held_out` are sources too."""
    paths = held_out_paths(held_out)
    return select(read_sources([*sources, *paths], too_large), held_out, seed)


def select(reading: Reading, held_out: Sequence[str], seed: int) -> Reading:
    """Hold tasks out, leave out those that stand twice, and sort the others.

    Without `held_out` the tasks of the splits `evaluation` and `test` are held out. With it those that it names, and of
    the others only those of these splits that lack an answer.

    Of tasks of one name, one is kept: the one that is held out, else one with its answers, else the first. Tasks for
    training with the demonstrations and test inputs of a held-out task are left out.

    Raises:
        HRMDataError: `held_out` names nothing, a task to train on lacks an answer, or a source has different tasks of
            one name.
    """
    items, unused = reading.items, list(reading.unused)
    if held_out:
        items = _hold_out(items, held_out)
    items = _one_of_each_name(items, unused)
    share = sum(filter(None, map(share_of, held_out)))
    if share:
        items = _hold_out_share(items, share, seed)
    items = _no_duplicates(items, unused)
    for item in items:
        _check_answers(item)
    return Reading(sorted(items, key=lambda item: (item.subset, item.name)), unused)


def share_of(entry: str) -> float | None:
    """The number between 0 and 1 that is written in an entry of `held_out`."""
    try:
        share = float(entry)
    except ValueError:
        return None
    return share if 0 < share < 1 else None


def held_out_paths(held_out: Iterable[str]) -> list[Path]:
    """The entries of `held_out` that are files or directories."""
    return [Path(entry) for entry in held_out if share_of(entry) is None and Path(entry).exists()]


def _hold_out(items: list[ArcItem], held_out: Sequence[str]) -> list[ArcItem]:
    paths = held_out_paths(held_out)
    patterns = [entry for entry in held_out if share_of(entry) is None and Path(entry) not in paths]
    for pattern in patterns:
        if not any(fnmatchcase(item.name, pattern) for item in items):
            some = ", ".join(item.name for item in items[:3])
            raise HRMDataError(
                f"held_out {quoted(pattern)} is no path, no share between 0 and 1 and no task's name; names are {some}"
                f"{' ...' if len(items) > 3 else ''}"
            )
    places = {path.resolve() for path in paths}

    def is_held_out(item: ArcItem) -> bool:
        return (
            any(fnmatchcase(item.name, pattern) for pattern in patterns)
            or not places.isdisjoint((item.file, *item.file.parents))
            or (item.subset in HELD_OUT and item.unanswered > 0)
        )

    return [replace(item, held_out=is_held_out(item)) for item in items]


def _hold_out_share(items: list[ArcItem], share: float, seed: int) -> list[ArcItem]:
    """Hold out this share of the tasks that have answers, in addition to others."""
    chosen = [number for number, item in enumerate(items) if not item.held_out]
    keys = task_keys(seed, [items[number].name for number in chosen])
    taken = {chosen[at] for at in np.argsort(keys)[: max(1, round(share * len(chosen)))].tolist()}
    return [replace(item, held_out=True) if number in taken else item for number, item in enumerate(items)]


def _one_of_each_name(items: list[ArcItem], unused: list[Unused]) -> list[ArcItem]:
    kept: dict[str, ArcItem] = {}
    for item in sorted(items, key=lambda item: (not item.held_out, item.unanswered, item.source)):
        first = kept.setdefault(item.name, item)
        if first is item:
            continue
        if item.held_out == first.held_out and item.source == first.source and _content(item) != _content(first):
            raise HRMDataError(
                f"{item.where}: the name {quoted(item.name)} is also that of {first.where}, a different task; rename "
                "one of them"
            )
        unused.append(Unused(f"{item.where} ({first.where})", "a task of this name was read elsewhere"))
    return list(kept.values())


def _no_duplicates(items: list[ArcItem], unused: list[Unused]) -> list[ArcItem]:
    held_out = {_content(item): item for item in items if item.held_out}
    kept = []
    for item in items:
        twin = None if item.held_out else held_out.get(_content(item))
        if twin is None:
            kept.append(item)
        else:
            unused.append(Unused(f"{item.where} ({twin.where})", "the same task is held out under another name"))
    return kept


def _content(item: ArcItem) -> tuple[Any, ...]:
    """Equal for tasks with the same demonstrations and test inputs, in any order."""

    def key(grid: np.ndarray) -> bytes:
        return bytes(grid.shape) + grid.tobytes()

    def both(pair: Pair) -> bytes:
        return key(pair[0]) + key(pair[1])

    def ordered(pairs: Sequence[Pair], part: Callable[[Pair], bytes]) -> tuple[bytes, ...]:
        return tuple(sorted(map(part, pairs)))

    return ordered(item.demonstrations, both), ordered(item.tests, lambda pair: key(pair[0]))


def _check_answers(item: ArcItem) -> None:
    for number, (_, output) in enumerate(item.tests):
        if not output.size and not item.held_out:
            raise HRMDataError(
                f"{item.where}: test[{number}] has no output; give a file with the solutions (*_solutions.json) beside "
                "it, or hold the task out (held_out)"
            )

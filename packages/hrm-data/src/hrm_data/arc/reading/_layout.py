"""Recognises what a JSON file of ARC tasks holds: one task, pairs, many tasks by name or by split, or solutions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data.arc._grid import small_grid
from hrm_data.untrusted import parse_json, shortened

NO_TASK = "holds no ARC task"
MOST_VALUES = 1 << 22
"""The most values in a file, which take up to half a gigabyte; a task of RE-ARC, with its 1,000 pairs, has half."""


class FoundTask(NamedTuple):
    """A task that a file holds, its pairs not checked yet."""

    name: str
    keys: tuple[str, ...]
    """What it stands under in a file of many tasks, its own name last; empty in a file of one task."""
    value: dict[str, Any]


class FoundSolutions(NamedTuple):
    """Answers to tests by the names of tasks, their grids not checked yet."""

    keys: tuple[str, ...]
    value: dict[str, Any]


class FoundNothing(NamedTuple):
    """A part of a file that holds neither."""

    keys: tuple[str, ...]


Found = FoundTask | FoundSolutions | FoundNothing


def recognise(content: bytes, stem: str, where: str, *, solutions: bool = False) -> list[Found]:
    """What a JSON file holds; only `FoundNothing` without keys if there is nothing of ARC in it.

    - an object with `train` and `test`: a task;
    - a list of pairs, as in RE-ARC: a task whose last pair is the test;
    - an object of tasks by name, also of such objects by split; a list of tasks;
    - an object of lists of grids by name: solutions.

    Args:
        content: The file.
        stem: Its name, which is that of a task that has none.
        where: The file, for messages.
        solutions: Whether its name says that it holds solutions.

    Raises:
        HRMDataError: It is not readable JSON.
    """
    try:
        value = parse_json(content, MOST_VALUES)
    except ValueError as error:
        raise HRMDataError(f"{where} is not readable JSON ({shortened(error)}); copy or download it again") from None
    if solutions and isinstance(value, dict):
        return [FoundSolutions((), value)]
    found = list(_walk(value, stem, ()))
    return found if any(not isinstance(part, FoundNothing) for part in found) else [FoundNothing(())]


def _walk(value: Any, name: str, keys: tuple[str, ...]) -> Iterator[Found]:
    if _is_task(value):
        yield FoundTask(value.get("name") or name, keys, _packed(value))  # some of ARC-AGI-1 have a name
    elif isinstance(value, list) and any(map(_is_pair, value)):
        yield FoundTask(name, keys, _packed({"train": value[:-1], "test": value[-1:]}))
    elif isinstance(value, list) and any(map(_is_task, value)):
        for number, task in enumerate(value):
            known = next((task[key] for key in ("name", "id", "task_id") if key in task), "") if _is_task(task) else ""
            own = str(known or f"{name}_{number}")
            yield from _walk(task, own, (*keys, own))
    elif _is_solutions(value):
        yield FoundSolutions(keys, value)
    elif isinstance(value, dict) and value and len(keys) < 3:
        for key, part in value.items():
            yield from _walk(part, key, (*keys, key))
    else:
        yield FoundNothing(keys)


def weight(found: Found) -> int:
    """About how many Python objects a part of a file keeps in memory."""
    if isinstance(found, FoundNothing):
        return 1
    level: list[Any] = [found.value]
    count = 0
    while level:
        count += len(level)
        level = [
            inner
            for part in level
            for inner in (part.values() if isinstance(part, dict) else part)
            if isinstance(inner, dict | list | np.ndarray)
        ]
        count += sum(isinstance(part, np.ndarray) for part in level)
        level = [part for part in level if not isinstance(part, np.ndarray)]
    return count


def _packed(task: dict[str, Any]) -> dict[str, Any]:
    """The pairs of a task, with arrays in place of lists where a grid is right: these take a tenth of the memory."""
    return {side: _packed_pairs(task[side]) for side in ("train", "test") if side in task}


def _packed_pairs(pairs: Any) -> Any:
    if not isinstance(pairs, list):
        return pairs
    return [
        {part: small_grid(pair[part]) for part in ("input", "output") if part in pair}
        if isinstance(pair, dict)
        else pair
        for pair in pairs
    ]


def _is_task(value: Any) -> bool:
    """Whether a value is meant as a task, right or wrong; an object of splits has other objects or tasks in it."""
    if not isinstance(value, dict):
        return False
    parts = [value[part] for part in ("train", "test") if isinstance(value.get(part), list)]
    return bool(parts) and not any(isinstance(pair, dict) and "train" in pair for part in parts for pair in part)


def _is_pair(value: Any) -> bool:
    return isinstance(value, dict) and "input" in value


def _is_solutions(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(grids, list) and grids and all(map(_is_grid, grids)) for grids in value.values())
    )


def _is_grid(value: Any) -> bool:
    """Whether a value is a list of rows of numbers, without a look at all of them."""
    row = value[0] if isinstance(value, list) and value else None
    return isinstance(row, list) and bool(row) and isinstance(row[0], int)

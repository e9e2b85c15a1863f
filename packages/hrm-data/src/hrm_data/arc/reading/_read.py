"""Reads the ARC tasks of sources, in whatever layout they are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data.arc._grid import GridTooLargeError, as_grid, parse_identifier
from hrm_data.arc.reading._files import SourceFile, files_of, is_solutions, paired_name
from hrm_data.arc.reading._item import ArcItem, Pair, Reading, Unused
from hrm_data.arc.reading._layout import NO_TASK, FoundNothing, FoundSolutions, FoundTask, recognise, weight
from hrm_data.arc.reading._splits import HELD_OUT, concept_of, split_of
from hrm_data.untrusted import quoted, shortened

TooLarge = Literal["refuse", "skip"]
"""What is done with tasks that have a grid larger than the canvas."""

MOST_KEPT = 3 << 19
"""The most objects that all tasks keep in memory, which take half a gigabyte; ARC-AGI has a hundredth of them."""

NO_ANSWER = np.zeros((0, 0), np.uint8)
"""The output of a test whose answer is not known."""


_F = TypeVar("_F", FoundTask, FoundSolutions)


@dataclass
class _Part(Generic[_F]):
    """A task or solutions, and where they were found."""

    found: _F
    file: SourceFile
    source: int
    used: bool = False

    @property
    def pair(self) -> tuple[object, ...]:
        """What challenges and their solutions have in common: folder, file name and keys."""
        keys: tuple[str, ...] = self.found.keys
        if isinstance(self.found, FoundTask):
            keys = keys[:-1]
        return (self.file.folder, paired_name(self.file.stem), *map(paired_name, keys))

    @property
    def where(self) -> str:
        """File and place in it, for messages."""
        *above, last = self.found.keys or ("",)
        name = f"task {shortened(last)}" if last and isinstance(self.found, FoundTask) else shortened(last)
        return ": ".join(filter(None, (self.file.where, *map(shortened, above), name)))


def read_sources(sources: Iterable[str | Path], too_large: TooLarge = "refuse") -> Reading:
    """Return all tasks of `sources` in their order, and what in them is not used.

    Every file is read once, though two sources may hold it. Tasks of the splits `evaluation` and `test` are held out.
    Tests may lack answers.

    Raises:
        HRMDataError: A source has no tasks, or a file is no ARC task; the message names file and place.
    """
    reading, read, places = Reading(), set[Path](), list(map(Path, sources))
    tasks: list[_Part[FoundTask]] = []
    solutions: list[_Part[FoundSolutions]] = []
    kept = 0
    for number, source in enumerate(places):
        unused: list[Unused] = []
        before, earlier, is_new = len(tasks) + len(solutions), frozenset(read), True
        for file in files_of(source):
            if isinstance(file, Unused):
                unused.append(file)
                continue
            read.add(file.path)
            if file.path in earlier:
                is_new = False
                continue
            for found in recognise(file.content, file.stem, file.where, solutions=is_solutions(file.stem)):
                kept += weight(found)
                if kept > MOST_KEPT:
                    raise HRMDataError(
                        f"{file.where}: more than {MOST_KEPT:,} pairs, grids and other parts were read, which take "
                        "more memory than tasks need; name fewer sources"
                    )
                if isinstance(found, FoundNothing):
                    unused.append(Unused(": ".join((file.where, *map(shortened, found.keys))), NO_TASK))
                elif isinstance(found, FoundTask):
                    tasks.append(_Part(found, file, number))
                else:
                    solutions.append(_Part(found, file, number))
        if len(tasks) + len(solutions) == before and is_new:
            raise HRMDataError(f"{source} holds no ARC tasks{_listed(unused)}; {_LAYOUTS}")
        reading.unused += unused
    answers = _Answers(solutions)
    for part in tasks:
        try:
            reading.items.append(_item(part, answers))
        except GridTooLargeError as error:
            if too_large == "refuse":
                raise HRMDataError(f"{error}; too_large skip leaves such tasks out") from None
            reading.unused.append(Unused(part.where, "a grid larger than 30x30"))
    reading.unused += [Unused(part.where, "solutions of no task that was read") for part in solutions if not part.used]
    reading.unused = list(dict.fromkeys(reading.unused))
    if not reading.items:
        raise HRMDataError(f"{', '.join(map(str, places))}: no ARC task is left{_listed(reading.unused)}; {_LAYOUTS}")
    return reading


_LAYOUTS = (
    "expected a file for each task, as in training/*.json and evaluation/*.json, or files of many tasks, as Kaggle's "
    "*_challenges.json"
)


def _listed(unused: list[Unused]) -> str:
    first = [f"{what}: {reason}" for what, reason in unused[:3]]
    more = f" and {len(unused) - 3} more files" if len(unused) > 3 else ""
    return f" ({', '.join(first)}{more})" if unused else ""


class _Answers:
    """Finds the answers to a task's tests in the solutions that were read."""

    def __init__(self, parts: list[_Part[FoundSolutions]]) -> None:
        self._parts = parts

    def to(self, task: _Part[FoundTask], name: str, tests: int, *, complete: bool) -> Any:
        """The answers in the file that belongs to the task's, else in any file that answers a task of this name.

        None if there are none. A task that has all its outputs needs no other file.
        """
        beside = [part for part in self._parts if part.pair == task.pair and name in part.found.value]
        others = [part for part in self._parts if _count(part.found.value.get(name)) == tests]
        found = beside or ([] if complete else others)
        for part in found:
            part.used = True
            if part.found.value[name] != found[0].found.value[name]:
                raise HRMDataError(
                    f"{found[0].where} and {part.where} have different answers for the task {shortened(name)}; "
                    "remove one of them"
                )
        return found[0].found.value[name] if found else None


def _count(answers: Any) -> int:
    return len(answers) if isinstance(answers, list) else -1


def _item(part: _Part[FoundTask], answers: _Answers) -> ArcItem:
    name, keys, value = part.found
    file, where = part.file, part.where
    if not isinstance(name, str):
        raise HRMDataError(f"{where}: field name is {quoted(name)}; expected text")
    if parse_identifier(name)[1] is not None:
        raise HRMDataError(f"{where}: the name {quoted(name)} reads like that of an augmented task; rename it")
    stem = (file.stem,) if keys else ()
    split = split_of([*reversed(keys[:-1]), *stem, *reversed(file.folders)])
    pairs = {side: _checked(value, side, where) for side in ("train", "test")}
    complete = all(pair.get("output") is not None for pair in pairs["test"])
    solutions = answers.to(part, name, len(pairs["test"]), complete=complete)
    return ArcItem(
        name,
        split or concept_of(file.parents) or "training",
        tuple(_pairs(pairs["train"], f"{where}: train", None)),
        tuple(_pairs(pairs["test"], f"{where}: test", solutions, may_lack=True)),
        where,
        split in HELD_OUT,
        file.path,
        part.source,
    )


def _checked(value: dict[str, Any], side: str, where: str) -> list[dict[str, Any]]:
    pairs = value.get(side)
    if not isinstance(pairs, list) or not pairs:
        raise HRMDataError(f"{where} is no ARC task: field {side} must be a list of pairs, and not empty")
    for number, pair in enumerate(pairs):
        if not isinstance(pair, dict) or "input" not in pair:
            raise HRMDataError(f"{where}: {side}[{number}] has no input, it is no pair of an ARC task")
    return pairs


def _pairs(pairs: list[dict[str, Any]], where: str, solutions: Any, *, may_lack: bool = False) -> Iterator[Pair]:
    if solutions is not None and _count(solutions) != len(pairs):
        raise HRMDataError(f"{where}: the solutions are not a list of {len(pairs)}, one for each test input")
    for number, pair in enumerate(pairs):
        place = f"{where}[{number}]"
        output = pair.get("output") if solutions is None else solutions[number]
        if output is None and not may_lack:
            raise HRMDataError(f"{place} has no output, and a demonstration needs one; complete or remove the task")
        grid = NO_ANSWER if output is None else as_grid(output, f"{place}.output")
        yield as_grid(pair["input"], f"{place}.input"), grid

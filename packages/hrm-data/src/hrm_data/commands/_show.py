"""`hrm-data info DIRECTORY` and `hrm-data show DIRECTORY`: describe a dataset, draw one of its examples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data._puzzle_set import PuzzleSet
from hrm_data.dataset._format import Dataset
from hrm_data.dataset._kept import whole_solution
from hrm_data.dataset._loader import IGNORE, make_batch
from hrm_data.dataset._read import open_dataset, splits_of, task_of
from hrm_data.task._picture import Picture, draw_grid
from hrm_data.task._task import Task
from hrm_data.terminal import say
from hrm_data.untrusted import message, shortened

_LISTED = 5  # parts of a list that are shown


def describe_directory(root: Path) -> None:
    """Print sizes, vocabulary, task and origin of a dataset directory."""
    from rich.table import Table

    from hrm_data.terminal import console_for

    splits = [open_dataset(root, split) for split in splits_of(root)]
    content, first = splits[0].task or {}, splits[0].metadata
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    ignored = "nothing" if first.ignore_label_id is None else f"label {first.ignore_label_id}"
    rows = {
        "directory": str(root),
        "task": content.get("task", "not said"),
        "example": f"{first.seq_len} tokens of {first.vocab_size}, padded with {first.pad_id}, ignoring {ignored}",
        "identifiers": f"{first.num_puzzle_identifiers:,}",
        "on disk": f"{size / 2**20:,.1f} MiB" if size >= 2**20 else f"{size / 2**10:,.1f} KiB",
        **{shortened(name.replace("_", " ")): _told(value) for name, value in content.items() if name != "task"},
    }
    console = console_for()
    for name, value in rows.items():
        if value:
            console.print(f"{name:<12} {message(value)}", soft_wrap=True)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="")
    for column in ("split", "set", "groups", "puzzles", "examples"):
        table.add_column(column, justify="left" if column in ("split", "set") else "right")
    for dataset in splits:
        for name, item in dataset.sets.items():
            table.add_row(dataset.split, name, *(f"{n:,}" for n in (item.groups, item.puzzles, item.examples)))
    console.print()
    console.print(table)


def _told(value: Any) -> str:
    if isinstance(value, dict):
        parts = (f"{key} ({_told(v)})" if isinstance(v, dict) else f"{key} {_told(v)}" for key, v in value.items())
        return ", ".join(part for part in parts if not part.endswith(" null"))
    if isinstance(value, list):
        more = f" and {len(value) - _LISTED:,} more" if len(value) > _LISTED else ""
        return " ".join(map(_told, value[:_LISTED])) + more
    return value if isinstance(value, str) else json.dumps(value)


def show_example(root: Path, split: str, index: int, task_name: str | None) -> None:
    """Print where an example stands in its dataset, and draw the puzzle beside its solution.

    Raises:
        HRMDataError: There is no such split, example or task.
    """
    dataset = open_dataset(root, split)
    task = task_of(dataset, task_name)
    name, item, at = _locate(dataset, index)
    batch = make_batch(dataset, np.array([index]))
    inputs, labels = batch["inputs"][0], batch["labels"][0]
    puzzle = int(np.searchsorted(item.puzzle_indices, at, side="right")) - 1
    group = int(np.searchsorted(item.group_indices, puzzle, side="right")) - 1
    identifier = int(item.puzzle_identifiers[puzzle])
    known = f" {dataset.identifiers[identifier]}" if dataset.identifiers else ""
    asked = int(np.count_nonzero(labels != IGNORE))
    say(f"{split} example {index}, in set {name}: group {group}, puzzle {puzzle},", end=" ")
    say(f"identifier {identifier}{shortened(known)}; {asked} of {len(labels)} tokens are asked for\n")
    say(_beside(picture_of(task, inputs), picture_of(task, whole_solution(task, inputs, labels))))


def picture_of(task: Task | None, tokens: np.ndarray) -> Picture:
    """The task's picture; without a task the tokens as numbers, in a square if their count is a square number."""
    if task is not None:
        return task.render(task.decode(tokens))
    side = int(len(tokens) ** 0.5)
    grid = tokens.reshape(side, side) if side * side == len(tokens) else tokens[None]
    if tokens.max() < 10:
        return draw_grid(grid.astype(str))
    return Picture(tuple(" ".join(f"{token:>{len(str(tokens.max()))}}" for token in row) for row in grid.tolist()))


def _locate(dataset: Dataset, index: int) -> tuple[str, PuzzleSet, int]:
    at = index
    for name, item in dataset.sets.items():
        if at < item.examples:
            return name, item, at
        at -= item.examples
    raise HRMDataError(f"--index {index}: the split {dataset.split} has the examples 0..{dataset.examples - 1}")


def _beside(left: Picture, right: Picture) -> str:
    height = max(len(left.lines), len(right.lines))
    lines = ([*picture.lines, *[""] * (height - len(picture.lines))] for picture in (left, right))
    return "\n".join(f"{one:<{left.width}}    {two}".rstrip() for one, two in zip(*lines, strict=True))

"""A family of tasks: what can be built, from which options, and what it is afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from hrm_data._progress import Progress

if TYPE_CHECKING:
    from hrm_data._task import Task


class NoOptions(BaseModel):
    """Nothing can be chosen."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Preset:
    """A family's part in one of the trainer's presets: which puzzles, and how the trainer's settings fit them.

    Attributes:
        summary: One sentence: what is learnt, and on what it is tested.
        base: The trainer's own preset that this one builds upon, `cpu` or `paper`.
        duration: What a run takes, and where that was measured.
        data: Values of the family's `options` and `augmentation`.
        tied: More such values, which hold only while the user sets none of the fields `unless`: a difficulty, say,
            that goes with one size of board.
        unless: See `tied`.
        arch: Values of the model's settings that differ from the base's.
        train: Values of the training settings that differ from the base's.
    """

    summary: str
    base: str
    duration: str = "not measured"
    data: Mapping[str, Any] = field(default_factory=dict)
    tied: Mapping[str, Any] = field(default_factory=dict)
    unless: frozenset[str] = frozenset()
    arch: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)


def named_files(options: BaseModel) -> list[Path]:
    """The paths among the values of options, alone or in tuples."""
    values = (item for _, value in options for item in (value if isinstance(value, tuple) else (value,)))
    return [value for value in values if isinstance(value, Path)]


@dataclass(frozen=True)
class TaskFamily:
    """What an entry point of the group `hrm_data.tasks` names.

    Attributes:
        name: The entry point's name, and `task` in `task.json`.
        summary: One line about it, for `hrm-data build --help`.
        options: What a dataset is made from: a frozen pydantic model, every field with a default and a description.
            Its fields become the flags of `hrm-data build NAME` and the trainer's `--data.FIELD`.
        build: Makes the dataset directory `root`, which does not exist yet, whole or not at all, and returns it;
            tells `progress` how far it is. `write_dataset` does the writing.
        task: The task that the content of a `task.json` describes; `{"task": name}` gives the usual size.
        augmentation: How training examples are varied while they are loaded: keyword arguments of `Task.augment`,
            flags `--data.FIELD` of the trainer.
        files: The files that `build` reads for some `options`, by default those that the options name. When one of them
            changes, the trainer builds again.
        presets: The puzzles of the trainer's presets, by preset: `cpu` for minutes on a few cores, `paper` for the
            published setting; others may be added.
    """

    name: str
    summary: str
    options: type[BaseModel]
    build: Callable[[Path, Any, Progress], Path]
    task: Callable[[Mapping[str, Any]], Task]
    augmentation: type[BaseModel] = NoOptions
    files: Callable[[Any], Iterable[Path]] = named_files
    presets: Mapping[str, Preset] = field(default_factory=dict)

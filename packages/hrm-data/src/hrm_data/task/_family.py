"""`TaskFamily`: what can be built of one kind of puzzle, from which options, and which task that makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from hrm_data._progress import Progress

if TYPE_CHECKING:
    from hrm_data._puzzle_set import PuzzleSet
    from hrm_data.task._task import Task


SMALL_BOARD_MODEL: Mapping[str, Any] = {
    "variant": "transformer",
    "H_layers": 4,
    "pos_encodings": "none",
    "hidden_size": 64,
    "swiglu_multiple": 64,
}
"""Settings that the presets of small models of boards share; each family adds what mixes positions, and halting."""

FEWER_CYCLES: Mapping[str, Any] = {"L_cycles": 4}
"""Settings of the Tiny Recursive Model that its release has for boards of 30x30, in the place of 6 cycles."""


class NoOptions(BaseModel):
    """A model without fields: nothing can be chosen."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class TaskDefaults:
    """A family's part in one of the trainer's presets: its puzzles, and the settings that fit them.

    Attributes:
        summary: One sentence: what is learnt, and on what it is tested.
        base: The trainer's own preset that this one builds upon, such as `small` or `paper`.
        data: Values of the family's `options` and `augmentation`.
        tied: More such values, used only while the user sets none of the fields in `unless`. An example is a
            difficulty that fits one board size only.
        unless: See `tied`.
        arch: Values of the model's settings that differ from the base's.
        train: Values of the training settings that differ from the base's.
    """

    summary: str
    base: str
    data: Mapping[str, Any] = field(default_factory=dict)
    tied: Mapping[str, Any] = field(default_factory=dict)
    unless: frozenset[str] = frozenset()
    arch: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)

    def relatives(self, arch: Mapping[str, Any]) -> dict[str, TaskDefaults]:
        """Return the same puzzles for the Tiny Recursive Models, whose settings differ by `arch`."""
        return {name: replace(self, base=name, arch=arch) for name in ("trm", "trm-mlp")}


@dataclass(frozen=True)
class ComputedSets:
    """The examples of a dataset directory that computes them instead of storing arrays.

    Attributes:
        source: The file or folder of the directory that they are computed from; `fingerprint` covers it.
        seq_len: Tokens in an example; `dataset.json` must agree.
        vocab_size: Number of tokens; `dataset.json` must agree.
        identifiers: Puzzle names by identifier.
        splits: Names of the splits.
        open_set: Makes the set of a split.
    """

    source: str | Path
    seq_len: int
    vocab_size: int
    identifiers: Sequence[str]
    splits: tuple[str, ...]
    open_set: Callable[[str], PuzzleSet]


def named_files(options: BaseModel) -> list[Path]:
    """Return the paths among the values of options, alone or in tuples."""
    values = (item for _, value in options for item in (value if isinstance(value, tuple) else (value,)))
    return [value for value in values if isinstance(value, Path)]


def nothing_computed(root: str | Path) -> None:
    """Compute no examples: every directory of the family stores arrays."""


@dataclass(frozen=True)
class TaskFamily:
    """What an entry point of the group `hrm_data.tasks` names.

    Attributes:
        name: The entry point's name, and `task` in `task.json`.
        summary: One line for `hrm-data build --help`.
        options: A frozen pydantic model of what a dataset is made from; every field has a default and a description.
            Its fields become the flags of `hrm-data build NAME` and the trainer's `--data.FIELD`.
        build: Makes the new dataset directory `root` and returns it; reports to `progress`. It must leave a whole
            directory or nothing, which `write_dataset` takes care of.
        task: Makes the task that the content of a `task.json` describes; `{"task": name}` gives the usual size.
        augmentation: A pydantic model of the keyword arguments of `Task.augment`, which varies training examples while
            they are loaded. Its fields become the trainer's flags `--data.FIELD`.
        files: Lists the files that `build` reads for some `options`, by default those that the options name. The
            trainer builds again when one of them changes.
        presets: The family's part in the trainer's presets, by name: `small` for minutes on a few cores, `paper` for
            the published setting. Others may be added.
        computed: Returns the examples of a directory that stores none, or None if it stores them.
        sized: Reads the size in a name such as `sudoku-2x3` (`2x3`) as options, which `task.json` has as well; raises
            `HRMDataError` for text that is no size. None for a family of one size.
    """

    name: str
    summary: str
    options: type[BaseModel]
    build: Callable[[Path, Any, Progress], Path]
    task: Callable[[Mapping[str, Any]], Task]
    augmentation: type[BaseModel] = NoOptions
    files: Callable[[Any], Iterable[Path]] = named_files
    presets: Mapping[str, TaskDefaults] = field(default_factory=dict)
    computed: Callable[[Path], ComputedSets | None] = nothing_computed
    sized: Callable[[str], Mapping[str, Any]] | None = None

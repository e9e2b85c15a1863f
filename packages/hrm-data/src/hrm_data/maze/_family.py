"""The family of mazes, as the registry knows it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from hrm_data._errors import HRMDataError
from hrm_data._progress import Progress
from hrm_data.maze._options import MazeOptions
from hrm_data.task._family import FEWER_CYCLES, SMALL_BOARD_MODEL, TaskDefaults, TaskFamily

if TYPE_CHECKING:
    from hrm_data.maze._task import MazeTask


class MazeVariation(BaseModel):
    """How mazes are varied while they are loaded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    turn: bool = Field(False, description="Turn and mirror training mazes at random while they are loaded.")


def _build(root: Path, options: MazeOptions, progress: Progress) -> Path:
    from hrm_data.maze._build import build_maze  # here, so that help does not wait for NumPy

    return build_maze(root, options, progress)


def _task(description: Mapping[str, Any]) -> MazeTask:
    from hrm_data.maze._task import MazeTask

    return MazeTask(description.get("size", 30))


def _sized(text: str) -> dict[str, Any]:
    sides = set(text.split("x"))
    if len(sides) != 1 or text.count("x") > 1 or not all(side.isdecimal() for side in sides):
        raise HRMDataError(f"size {text!r} should be the cells in a side of a square maze, as in 11x11")
    return {"size": int(sides.pop())}


# Mazes of another size or from files do not have the preset's length of paths.
_OTHER_MAZES = frozenset({"size", "min_length", "train_csv", "hub"})

_PAPER = TaskDefaults(
    summary="1,000 generated mazes of 30x30 with paths over 110 moves, as the paper's Maze-Hard.",
    base="paper",
    data={"train": 1000, "test": 1000},
    tied={"size": 30, "min_length": 111},
    unless=_OTHER_MAZES,
)

_PRESETS = {
    "paper": _PAPER,
    **_PAPER.relatives(FEWER_CYCLES),
    "small": TaskDefaults(
        summary="11x11 mazes with one shortest path each, turned and mirrored at random.",
        base="small",
        data={"train": 5000, "test": 512, "turn": True},
        tied={"size": 11, "unique": True},
        unless=_OTHER_MAZES,
        arch={**SMALL_BOARD_MODEL, "mixer": "neighbours", "halt_loss": "none", "halt_max_steps": 16},
        train={"steps": 1500, "global_batch_size": 32, "halt_warmup_steps": 0, "eval_interval": 500, "lr": 2e-3},
    ),
}

MAZE = TaskFamily(
    name="maze",
    summary="Shortest paths through square mazes, generated, from CSV files or from the hub.",
    options=MazeOptions,
    build=_build,
    task=_task,
    augmentation=MazeVariation,
    presets=_PRESETS,
    sized=_sized,
)

"""The family of Sudokus, as the registry knows it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from hrm_data._errors import HRMDataError
from hrm_data._progress import Progress
from hrm_data.sudoku._options import SudokuOptions
from hrm_data.task._family import SMALL_BOARD_MODEL, TaskDefaults, TaskFamily

if TYPE_CHECKING:
    from hrm_data.sudoku._task import SudokuTask

# The builder and the task are imported by the functions that need them: the trainer's help shows the options alone.


class SudokuVariation(BaseModel):
    """How Sudokus are varied while they are loaded."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    hints: float = Field(0.0, ge=0, le=1, description="Share of training puzzles that get some clues back.")


def _build(root: Path, options: SudokuOptions, progress: Progress) -> Path:
    from hrm_data.sudoku._build import build_sudoku

    return build_sudoku(root, options, progress)


def _task(description: Mapping[str, Any]) -> SudokuTask:
    from hrm_data.sudoku._task import SudokuTask

    return SudokuTask(description.get("box", (3, 3)))


def _sized(text: str) -> dict[str, Any]:
    sides = text.split("x")
    if len(sides) != 2 or not all(side.isdecimal() for side in sides):
        raise HRMDataError(f"size {text!r} should be the rows and columns of a box, as in 2x3")
    return {"box": [int(side) for side in sides]}


# A difficulty fits its own board only.
_OTHER_PUZZLES = frozenset({"box", "train_csv", "hub", "kind", "clues", "test_kind", "test_clues"})

_EQUIVARIANT = {
    **SMALL_BOARD_MODEL,
    "symbol_equivariant": True,
    "mixer": "groups",
    "halt_loss": "none",
    "halt_max_steps": 16,
}
_SHORT = {"act_steps": 8, "halt_warmup_steps": 0, "global_batch_size": 16, "lr": 3e-3}

# How these were found: docs/recipe.md.
_PRESETS = {
    "paper": TaskDefaults(
        summary="1,000 puzzles of 9x9 as in the paper's Sudoku-Extreme.",
        base="paper",
        data={"box": (3, 3), "train": 1000, "test": 1000},
        tied={"kind": "search"},
        unless=_OTHER_PUZZLES,
    ),
    "small": TaskDefaults(
        summary="9x9 Sudoku: learns puzzles that singles solve, is tested on unseen ones of 36 to 45 clues.",
        base="small",
        data={"box": (3, 3), "train": 10000, "test": 512, "hints": 0.5},
        tied={"kind": "singles", "test_kind": "any", "test_clues": (36, 45)},
        unless=_OTHER_PUZZLES,
        arch=_EQUIVARIANT,
        train={**_SHORT, "steps": 700, "eval_interval": 350},
    ),
    "small-6x6": TaskDefaults(
        summary="6x6 Sudoku with attention, H and L: learns minimal puzzles, is tested on 16 to 20 clues.",
        base="small",
        data={"box": (2, 3), "train": 20000, "test": 512, "hints": 0.8},
        tied={"kind": "minimal", "test_kind": "any", "test_clues": (16, 20)},
        unless=_OTHER_PUZZLES,
    ),
    "small-hard": TaskDefaults(
        summary="Minimal 9x9 Sudoku: tested on unseen puzzles that need search.",
        base="small",
        data={"box": (3, 3), "train": 20000, "test": 512, "hints": 0.3},
        tied={"kind": "minimal", "test_kind": "search"},
        unless=_OTHER_PUZZLES,
        arch={**_EQUIVARIANT, "halt_max_steps": 64},
        train={**_SHORT, "steps": 2500, "eval_interval": 1000},
    ),
}

SUDOKU = TaskFamily(
    name="sudoku",
    summary="Sudoku with boxes from 2x2 to 3x3, generated, from CSV files or from the hub.",
    options=SudokuOptions,
    build=_build,
    task=_task,
    augmentation=SudokuVariation,
    presets=_PRESETS,
    sized=_sized,
)

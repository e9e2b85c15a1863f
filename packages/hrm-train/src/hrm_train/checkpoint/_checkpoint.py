"""What a checkpoint is: its directory, its files, and its place in a run."""

import re
from pathlib import Path
from typing import NamedTuple

from hrm_train._files import remove_directory

WEIGHTS = "model.safetensors"
TRAINING = "training.safetensors"
STATE = "state.json"
FORMAT = 2
TABLE = "puzzle_emb.weight"
"""Name of the puzzle table among the weights."""

_NAME = re.compile(r"step-(\d{8,})")


class Position(NamedTuple):
    """How far a run has come.

    Attributes:
        step: Steps done.
        batches: Batches taken from the data.
    """

    step: int
    batches: int


def checkpoints(directory: str | Path) -> list[Path]:
    """Return the checkpoints in a directory, oldest first, damaged ones included."""
    found = (path for path in Path(directory).glob("step-*") if _NAME.fullmatch(path.name) and path.is_dir())
    return sorted(found, key=step_of)


def step_of(checkpoint: str | Path) -> int:
    """Return the number of steps done at a checkpoint."""
    return int(Path(checkpoint).name.removeprefix("step-"))


def remove_old_checkpoints(directory: Path, keep: int, best: int | None = None) -> None:
    """Remove all but the newest `keep` checkpoints and that of step `best`."""
    for path in checkpoints(directory)[:-keep]:
        if step_of(path) != best:
            remove_directory(path)


def set_aside_after(directory: Path, step: int) -> None:
    """Rename checkpoints of later steps to `aside-step-00001234`, because these steps will be done again."""
    for path in checkpoints(directory):
        if step_of(path) > step:
            names = (f"aside-{path.name}{suffix}" for suffix in ("", *(f"-{n}" for n in range(2, 1000))))
            path.rename(next(free for name in names if not (free := path.with_name(name)).exists()))

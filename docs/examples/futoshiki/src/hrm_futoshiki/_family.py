"""What `hrm-data`, the trainer and the evaluator need to know of Futoshiki."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from hrm_data import Progress, TaskDefaults, TaskFamily, one_example_each, write_dataset
from pydantic import BaseModel, ConfigDict, Field

from hrm_futoshiki._make import make_futoshiki
from hrm_futoshiki._task import FutoshikiTask


class FutoshikiOptions(BaseModel):
    """What a Futoshiki dataset is made from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(4, ge=4, le=7, description="Cells in a row and in a column.")
    train: int = Field(1000, ge=1, le=10**6, description="Training puzzles.")
    test: int = Field(200, ge=1, le=10**6, description="Held-out puzzles, none a copy of a training puzzle.")
    seed: int = Field(0, ge=0, description="Seed of the generator.")


class FutoshikiVariation(BaseModel):
    """How puzzles are varied while they are loaded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    turn: bool = Field(True, description="Turn and mirror boards, besides exchanging large and small digits.")


def build(root: Path, options: FutoshikiOptions, progress: Progress) -> Path:
    """Make a dataset directory."""
    task, rng = FutoshikiTask(options.size), np.random.default_rng(options.seed)
    made: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}
    total = options.train + options.test
    while len(made) < total:
        puzzle, solution = make_futoshiki(options.size, rng)
        made.setdefault(task.smallest_copy(puzzle), (task.encode(puzzle), task.label(solution)))
        progress(len(made), total, "puzzles")
    inputs, labels = (np.stack(part) for part in zip(*made.values(), strict=True))
    cut = options.train
    return write_dataset(
        root,
        {
            "train": {"all": one_example_each(inputs[:cut], labels[:cut])},
            "test": {"all": one_example_each(inputs[cut:], labels[cut:])},
        },
        vocab_size=task.vocab_size,
        seq_len=task.seq_len,
        task={**task.to_json(), "options": options.model_dump()},
    )


def task(description: Mapping[str, Any]) -> FutoshikiTask:
    """The task that a `task.json` describes."""
    return FutoshikiTask(description.get("size", 4))


# The groups are those of `FutoshikiTask.geometry`.
_ARCH = {
    "variant": "transformer",
    "mixer": "groups",
    "pos_encodings": "none",
    "hidden_size": 128,
    "swiglu_multiple": 64,
    "H_layers": 4,
    "halt_loss": "bce",
    "halt_max_steps": 16,
}
_TRAIN = {
    "steps": 1200,
    "global_batch_size": 32,
    "act_steps": 8,
    "halt_warmup_steps": 0,
    "eval_interval": 400,
    "lr": 3e-3,
}

FUTOSHIKI = TaskFamily(
    name="futoshiki",
    summary="Futoshiki, an example with signs between the cells.",
    options=FutoshikiOptions,
    build=build,
    task=task,
    augmentation=FutoshikiVariation,
    presets={
        "small": TaskDefaults(
            "4x4 Futoshiki.",
            base="small",
            data={"size": 4, "train": 3000, "test": 256},
            arch=_ARCH,
            train=_TRAIN,
        ),
        "paper": TaskDefaults("5x5 Futoshiki.", base="paper", data={"size": 5, "train": 1000, "test": 200}),
    },
)

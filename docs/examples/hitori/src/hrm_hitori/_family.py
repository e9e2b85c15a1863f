"""What `hrm-data`, the trainer and the evaluator need to know of Hitori."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from hrm_data import Progress, TaskDefaults, TaskFamily, one_example_each, write_dataset
from pydantic import BaseModel, ConfigDict, Field

from hrm_hitori._make import make_hitori, smallest_copy
from hrm_hitori._task import HitoriTask


class HitoriOptions(BaseModel):
    """What a Hitori dataset is made from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(5, ge=3, le=9, description="Rows and columns of a board.")
    train: int = Field(1000, ge=1, le=10**6, description="Training puzzles.")
    test: int = Field(200, ge=1, le=10**6, description="Held-out puzzles, none a copy of a training puzzle.")
    seed: int = Field(0, ge=0, description="Seed of the generator.")


class HitoriVariation(BaseModel):
    """How puzzles are varied while they are loaded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    turn: bool = Field(True, description="Turn and mirror boards, besides relabelling digits.")


def build(root: Path, options: HitoriOptions, progress: Progress) -> Path:
    """Make a dataset directory."""
    task, rng = HitoriTask(options.size), np.random.default_rng(options.seed)
    made: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}
    total = options.train + options.test
    while len(made) < total:
        puzzle, solution = make_hitori(options.size, rng)
        made.setdefault(smallest_copy(puzzle), (task.encode(puzzle), task.encode(solution)))
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


def task(description: Mapping[str, Any]) -> HitoriTask:
    """The task that a `task.json` describes."""
    return HitoriTask(description.get("size", 5))


# Symbols and groups are those of `HitoriTask.geometry`.
_ARCH = {
    "variant": "transformer",
    "symbol_equivariant": True,
    "mixer": "groups",
    "pos_encodings": "none",
    "hidden_size": 64,
    "swiglu_multiple": 64,
    "H_layers": 4,
    "halt_loss": "none",
    "halt_max_steps": 16,
}
_TRAIN = {
    "steps": 1000,
    "global_batch_size": 32,
    "act_steps": 8,
    "halt_warmup_steps": 0,
    "eval_interval": 500,
    "lr": 3e-3,
}

HITORI = TaskFamily(
    name="hitori",
    summary="Hitori, an example of a task in a package of its own.",
    options=HitoriOptions,
    build=build,
    task=task,
    augmentation=HitoriVariation,
    presets={
        "small": TaskDefaults(
            "5x5 Hitori.",
            base="small",
            data={"size": 5, "train": 5000, "test": 512},
            arch=_ARCH,
            train=_TRAIN,
        ),
        "paper": TaskDefaults("6x6 Hitori.", base="paper", data={"size": 6, "train": 1000, "test": 200}),
    },
)

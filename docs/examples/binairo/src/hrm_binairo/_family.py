"""What `hrm-data`, the trainer and the evaluator need to know of Binairo."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from hrm_data import HRMDataError, Progress, TaskDefaults, TaskFamily, one_example_each, write_dataset
from pydantic import BaseModel, ConfigDict, Field

from hrm_binairo._make import make_binairo, smallest_copy
from hrm_binairo._task import BinairoTask
from hrm_binairo._texts import read_pairs


class BinairoOptions(BaseModel):
    """What a Binairo dataset is made from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Literal[6, 8] = Field(8, description="Rows and columns of a board.")
    train: int = Field(1000, ge=1, le=10**6, description="Training puzzles.")
    test: int = Field(200, ge=1, le=10**6, description="Held-out puzzles, none a copy of a training puzzle.")
    seed: int = Field(0, ge=0, description="Seed of the generator.")
    pairs: Path | None = Field(
        None, description="File of question and answer texts, a JSON object a line, in place of the generator."
    )


class BinairoVariation(BaseModel):
    """How puzzles are varied while they are loaded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    turn: bool = Field(True, description="Turn and mirror boards, besides exchanging 0 and 1.")


def build(root: Path, options: BinairoOptions, progress: Progress) -> Path:
    """Make a dataset directory."""
    task = BinairoTask(options.size)
    made: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}
    total = options.train + options.test
    for puzzle, solution in _puzzles(options, task):
        made.setdefault(smallest_copy(puzzle), (task.encode(puzzle), task.encode(solution)))
        progress(len(made), total, "puzzles")
        if len(made) == total:
            break
    else:
        raise HRMDataError(
            f"{options.pairs} has {len(made)} puzzles that are no copies of each other, but train {options.train} and "
            f"test {options.test} need {total}; lower one of them"
        )
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
        task={**task.to_json(), "options": options.model_dump(mode="json")},
    )


def _puzzles(options: BinairoOptions, task: BinairoTask) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    if options.pairs is not None:
        yield from read_pairs(options.pairs, task)
        return
    rng = np.random.default_rng(options.seed)
    while True:
        yield make_binairo(options.size, rng)


def task(description: Mapping[str, Any]) -> BinairoTask:
    """The task that a `task.json` describes."""
    return BinairoTask(description.get("size", 8))


# Symbols and groups are those of `BinairoTask.geometry`.
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
    "steps": 3000,
    "global_batch_size": 32,
    "act_steps": 8,
    "halt_warmup_steps": 0,
    "eval_interval": 1000,
    "lr": 3e-3,
}

BINAIRO = TaskFamily(
    name="binairo",
    summary="Binairo, an example of puzzles from question and answer texts.",
    options=BinairoOptions,
    build=build,
    task=task,
    augmentation=BinairoVariation,
    presets={
        "small": TaskDefaults(
            "8x8 Binairo.",
            base="small",
            data={"size": 8, "train": 3000, "test": 256},
            arch=_ARCH,
            train=_TRAIN,
        ),
        "paper": TaskDefaults("8x8 Binairo.", base="paper", data={"size": 8, "train": 1000, "test": 200}),
    },
)

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

PresetName = Literal["auto", "paper", "cpu", "cpu-9x9"]


class Preset(NamedTuple):
    """A set of defaults.

    Attributes:
        summary: What it trains, for whom.
        duration: What a run of it takes, and where that was measured.
        settings: Values that replace the defaults of ``TrainerSettings``.
    """

    summary: str
    duration: str
    settings: Mapping[str, Any]


# How these were found: docs/recipe.md.
_CPU_ARCH: Mapping[str, Any] = {
    "hidden_size": 128,
    "num_heads": 4,
    "H_layers": 2,
    "L_layers": 2,
    "H_cycles": 1,
    "L_cycles": 1,
    "expansion": 3.0,
    "pos_encodings": "learned",
    "puzzle_emb_ndim": 0,
    "halt_max_steps": 8,
    "forward_dtype": "float32",
}
_CPU_TRAIN: Mapping[str, Any] = {
    "lr": 1e-3,
    "lr_min_ratio": 0.0,
    "lr_warmup_steps": 50,
    "weight_decay": 0.1,
    "loss_type": "softmax_cross_entropy",
}

PRESETS: Mapping[str, Preset] = {
    "paper": Preset(
        summary="The paper's setting for Sudoku-Extreme: 27 M parameters, 1,000 puzzles of 9x9, batch 768.",
        duration="about an hour on one H200 as others report for the reference; not measured here",
        settings={
            "data": {"box": (3, 3), "train": 1000, "test": 1000, "kind": "search"},
        },
    ),
    "cpu": Preset(
        summary="6x6 Sudoku on two CPU cores: learns minimal puzzles, is tested on unseen ones of 16 to 20 clues.",
        duration="7.5 minutes on two cores of an Intel Xeon",
        settings={
            "data": {
                "box": (2, 3),
                "train": 20000,
                "kind": "minimal",
                "hints": 0.8,
                "test": 512,
                "test_kind": "any",
                "test_clues": (16, 20),
            },
            "arch": _CPU_ARCH,
            "train": {
                "steps": 3600,
                "global_batch_size": 64,
                "halt_warmup_steps": 800,
                "eval_interval": 900,
                "checkpoint_interval": 500,
                **_CPU_TRAIN,
            },
        },
    ),
    "cpu-9x9": Preset(
        summary="9x9 Sudoku on two CPU cores, about a million parameters: tested on unseen puzzles of 36 to 45 clues.",
        duration="22 minutes on two cores of an Intel Xeon, which is too short to solve puzzles",
        settings={
            "data": {
                "box": (3, 3),
                "train": 20000,
                "kind": "any",
                "clues": (28, 32),
                "hints": 0.8,
                "test": 512,
                "test_kind": "any",
                "test_clues": (36, 45),
            },
            "arch": {**_CPU_ARCH, "expansion": 4.0},
            "train": {
                "steps": 5500,
                "global_batch_size": 32,
                "halt_warmup_steps": 3000,
                "eval_interval": 1000,
                "checkpoint_interval": 500,
                **_CPU_TRAIN,
            },
        },
    ),
}

DEFAULT_PRESETS: Mapping[str, str] = {"cpu": "cpu", "gpu": "paper"}

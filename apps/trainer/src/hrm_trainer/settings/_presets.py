"""The presets: sets of defaults for the model and its training, with the puzzles of a family."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from hrm_data import TaskFamily


class Preset(NamedTuple):
    """A set of defaults.

    Attributes:
        summary: One sentence: the model and its size.
        settings: Values that replace the defaults of `TrainerSettings`.
    """

    summary: str
    settings: Mapping[str, Any]


_TRM: Mapping[str, Any] = {
    "variant": "trm",
    "L_layers": 2,
    "H_cycles": 3,
    "L_cycles": 6,
    "puzzle_emb_len": 16,
    "halt_loss": "bce",
}

# As published for Sudoku and mazes; the families name what differs for other puzzles.
_HRM_LENGTH = {"epochs": 20_000}
_TRM_LENGTH = {"epochs": 50_000, "ema_decay": 0.999}

# The model and its training, whatever the puzzles. Sources: docs/reproduce.md, and of the small ones docs/recipe.md.
_MODELS: Mapping[str, Preset] = {
    "paper": Preset("The paper's setting: hidden 512, batch 768.", {"train": _HRM_LENGTH}),
    # arXiv 2510.04871, section 5, and its release: one network of two layers, deep recursion, averaged weights.
    "trm": Preset(
        "The Tiny Recursive Model with attention: 7 M parameters, hidden 512, batch 768.",
        {"arch": _TRM, "train": _TRM_LENGTH},
    ),
    "trm-mlp": Preset(
        "The Tiny Recursive Model without attention, for few positions: hidden 512, batch 768.",
        {"arch": {**_TRM, "mixer": "mlp", "pos_encodings": "none"}, "train": _TRM_LENGTH},
    ),
    # "The Hidden Drivers of HRM's Performance on ARC-AGI" (arcprize.org, 2025): as many layers, no hierarchy.
    "transformer": Preset(
        "The flat transformer of the ARC Prize's ablation: 27 M parameters, hidden 512, batch 768.",
        {"arch": {"variant": "transformer", "H_layers": 8, "H_cycles": 1}, "train": _HRM_LENGTH},
    ),
    "small": Preset(
        "A small model that learns in minutes on two CPU cores.",
        {
            "arch": {
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
            },
            "train": {
                "steps": 3600,
                "global_batch_size": 64,
                "halt_warmup_steps": 800,
                "eval_interval": 900,
                "checkpoint_interval": 500,
                "lr": 1e-3,
                "lr_min_ratio": 0.0,
                "lr_warmup_steps": 50,
                "weight_decay": 0.1,
                "loss_type": "softmax_cross_entropy",
            },
        },
    ),
}

_RELATIVES = ("trm", "trm-mlp", "transformer")  # of the paper's size, on the paper's puzzles


def preset_names(family: TaskFamily | None) -> tuple[str, ...]:
    """Return the names of the presets for a family's puzzles; None means puzzles without a task."""
    return (*_MODELS, *(name for name in (family.presets if family else ()) if name not in _MODELS))


def get_preset(name: str, family: TaskFamily | None, given: Mapping[str, Any]) -> Preset:
    """Return a preset: a model and its training, with the puzzles of a family.

    Args:
        name: One of :func:`preset_names`.
        family: May give the preset puzzles, and settings that fit them.
        given: Data settings that the user chose; some of them replace the difficulty that the preset chooses.
    """
    presets = family.presets if family else {}
    own = presets.get(name) or (presets.get("paper") if name in _RELATIVES else None)
    if own is None:
        return _MODELS[name]
    model = _MODELS[own.base if name in presets else name]
    data = dict(own.data) if own.unless & given.keys() else {**own.data, **own.tied}
    settings = {part: {**model.settings.get(part, {}), **getattr(own, part)} for part in ("arch", "train")}
    return Preset(f"{model.summary} {own.summary}", {"data": data, **settings})

"""The length of a run, and the settings of training that belong to it."""

from collections.abc import Collection
from typing import Any

from hrm_train import TrainConfig

LENGTH = frozenset({"steps", "epochs"})
_INTERVALS = ("eval_interval", "checkpoint_interval")
_WARMUPS = ("halt_warmup_steps", "lr_warmup_steps")


def fitted(train: TrainConfig, preset: TrainConfig, given: Collection[str], examples: float) -> TrainConfig:
    """Return the settings of a run with its steps, and with a preset's warm-ups and intervals scaled to them.

    They are scaled if the user chose the length: a run of a tenth of the preset's steps has a tenth of its warm-ups and
    intervals. Intervals become no shorter than `log_interval`, so that a run of few steps is not all evaluation.

    Args:
        train: The settings of the run.
        preset: Those that its preset has.
        given: Names of the settings that the user gave; these are kept.
        examples: Training examples in a pass, from which epochs make steps.

    Raises:
        HRMTrainError: If the epochs make no steps or too many.
    """
    train = train.resolved(examples)
    if not LENGTH & set(given):
        return train
    whole = _whole_length(preset, examples)
    scaled: dict[str, Any] = {}
    for name in {*_INTERVALS, *_WARMUPS}.difference(given):
        value = getattr(train, name)
        least = min(value, train.log_interval) if name in _INTERVALS else 0
        scaled[name] = max(least, round(value * train.steps / whole))
    return train.model_copy(update=scaled)


def _whole_length(preset: TrainConfig, examples: float) -> int:
    """The steps that a preset's warm-ups and intervals are made for.

    Those of a preset of epochs are the defaults, which fit the published run; few puzzles make no shorter one of it.
    """
    if not preset.epochs:
        return preset.steps
    return max(int(preset.epochs * examples / preset.global_batch_size), TrainConfig().steps)

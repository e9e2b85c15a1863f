"""Reading models from checkpoints: one, or those of a run's newest checkpoints."""

import json
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from hrm_data import get_task, open_dataset
from hrm_model import HRM, dequantized, load_model, load_reference
from hrm_ops import prepare_kernels, temporary_directory_problem
from hrm_train import DamagedCheckpointError, MissingCheckpointError, checkpoints, load_checkpoint_model

from hrm_evaluator._errors import UserError
from hrm_evaluator.loading._checkpoint import (
    STATE,
    WEIGHTS,
    Checkpoint,
    find_checkpoint,
    is_reference,
    is_run,
    warn,
)
from hrm_evaluator.shipped._models import comes_along


class LoadedModel(NamedTuple):
    """A model and its checkpoint."""

    checkpoint: Checkpoint
    model: HRM


def load_models(
    path: str | Path | None, runs: Path, count: int, data_path: Path | None = None, task: str | None = None
) -> list[LoadedModel]:
    """Read the newest `count` intact checkpoints of a run, newest first; a single one may be of any kind.

    Args:
        path: See `find_checkpoint`.
        runs: See `find_checkpoint`.
        count: Number of checkpoints.
        data_path: See `load_one`.
        task: See `load_one`.

    Raises:
        UserError: If there are fewer, or if `count` is above 1 and `path` is no run.
    """
    newest = find_checkpoint(path, runs)
    if count == 1:
        model = load_one(newest, data_path, task)
        # Eight bits save space in the package of the evaluator; a step takes half the time in float32.
        return [LoadedModel(newest, dequantized(model) if comes_along(newest.weights) else model)]
    if newest.run is None or (path is not None and not is_run(Path(path))):
        raise UserError(f"--checkpoints {count}: --checkpoint {path} is a single checkpoint; name its run instead")
    found: list[LoadedModel] = []
    for directory in reversed(checkpoints(newest.run.checkpoint_directory)):
        checkpoint = Checkpoint(directory / WEIGHTS, newest.run)
        try:
            found.append(LoadedModel(checkpoint, load_one(checkpoint)))
        except (DamagedCheckpointError, MissingCheckpointError) as error:
            warn(f"{error}; it does not vote")
        if len(found) == count:
            return found
    raise UserError(
        f"--checkpoints {count}: {newest.run.path} has {len(found)} intact checkpoints; ask for fewer, or train with "
        "a larger train.keep_checkpoints"
    )


def load_one(checkpoint: Checkpoint, data_path: Path | None = None, task: str | None = None) -> HRM:
    """Read one model; the checksums of a checkpoint are verified.

    Args:
        checkpoint: The weight file.
        data_path: Dataset that gives the tokens of a puzzle, which a checkpoint of the reference lacks.
        task: Name of a task that gives them.

    Raises:
        UserError: If MLX has no temporary directory for its kernels.
        HRMTrainError: If the checkpoint is damaged.
        HRMModelError: If the weight file is damaged or holds something else.
    """
    if problem := temporary_directory_problem():
        raise UserError(problem)
    directory = checkpoint.weights.parent
    if is_reference(checkpoint.weights):
        return load_reference(checkpoint.weights, _seq_len(data_path, task))
    in_checkpoint = checkpoint.weights.name == WEIGHTS and (directory / STATE).is_file()
    model = load_checkpoint_model(directory) if in_checkpoint else load_model(checkpoint.weights)
    described = checkpoint.setting("task", dict)
    if model.task is None and described is not None:
        model.task = json.dumps(described)
    return model


@lru_cache  # once a process
def announce_kernels() -> None:
    """Make sure that kernels compile, before a model answers many puzzles, and print what stands in the way."""
    kernels = prepare_kernels(warn=False)
    if kernels.problem:
        warn(f"the model is not compiled, which is slower: {kernels.problem}")
    if kernels.note:
        warn(kernels.note)


def _seq_len(data_path: Path | None, task: str | None) -> int | None:
    """Return the tokens of a puzzle in a dataset or a task; None where neither is given."""
    if data_path is not None:
        return open_dataset(data_path, "test").metadata.seq_len
    return None if task is None else get_task(task).seq_len

"""Finds run, checkpoint and dataset, and checks that they fit each other."""

import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import mlx.core as mx
from hrm_data import Dataset, HRMDataError, Task, get_task, open_dataset
from hrm_model import (
    HRM,
    HaltingRule,
    download_checkpoint,
    find_reference,
    is_hub_id,
    load_model,
    load_reference,
)
from hrm_ops import prepare_kernels, temporary_directory_problem
from hrm_train import HRMTrainError, RunDirectory, load_checkpoint_model

from hrm_evaluator._errors import UserError

if TYPE_CHECKING:
    from hrm_evaluator.cli import Thinking

WEIGHTS, STATE = "model.safetensors", "state.json"
REFERENCE_CONFIG = "all_config.yaml"
_MUST_AGREE = ("seq_len", "vocab_size", "num_puzzle_identifiers")


class Checkpoint(NamedTuple):
    """A file of weights, and the run that it comes from, if there is one."""

    weights: Path
    run: RunDirectory | None

    def setting(self, name: str, kind: type) -> Any:
        """Return an entry of the run's ``config.json``; None where there is no run or no entry.

        Raises:
            UserError: If the entry is of another kind.
        """
        value = None if self.run is None else self.run.config.get(name)
        if self.run is not None and value is not None and not isinstance(value, kind):
            raise UserError(f"{self.run.path / 'config.json'}: {name} is {value!r}, but should be a {kind.__name__}")
        return value


def find_checkpoint(path: Path | None, runs: Path) -> Checkpoint:
    """Return the newest checkpoint of the newest run under ``runs``, or what ``path`` stands for.

    Args:
        path: A run directory, a directory with one checkpoint, a file of weights, a checkpoint of the reference, the
            id of one on the hub, or None.
        runs: Root of the run directories.

    Raises:
        UserError: If there is none.
        HRMModelError: If it cannot be downloaded.
    """
    if path is not None and is_hub_id(path.as_posix()) and not path.parent.exists():
        path = download_checkpoint(path.as_posix())
    if path is None or (path / "config.json").is_file():
        try:
            run = RunDirectory.newest(runs) if path is None else RunDirectory(path)
            return Checkpoint(run.newest_checkpoint(report=warn) / WEIGHTS, run)
        except HRMTrainError as error:
            raise UserError(f"{error} (--runs and --checkpoint say where to look)") from error
    if not path.exists():
        raise UserError(f"--checkpoint {path}: does not exist")
    if path.is_dir() and (path / REFERENCE_CONFIG).is_file() and not (path / WEIGHTS).is_file():
        return Checkpoint(find_reference(path), None)
    weights = path / WEIGHTS if path.is_dir() else path
    if not weights.is_file():
        raise UserError(f"--checkpoint {path}: has neither {WEIGHTS}, like a checkpoint, nor config.json, like a run")
    root = (weights.resolve().parent / ".." / "..").resolve()  # <run>/checkpoints/<step>/model.safetensors
    return Checkpoint(weights, RunDirectory(root) if (root / "config.json").is_file() else None)


def warn(problem: str) -> None:
    print(f"evaluator: {problem}", file=sys.stderr)


@lru_cache  # once a process
def _prepare_kernels() -> None:
    kernels = prepare_kernels(warn=False)
    if kernels.problem:
        warn(f"the model is not compiled, which is slower: {kernels.problem}")
    if kernels.note:
        warn(kernels.note)


def open_model(checkpoint: Checkpoint, data_path: Path | None = None, task: str | None = None) -> HRM:
    """Read the model; from a checkpoint only if its sums are right.

    Args:
        checkpoint: What was found.
        data_path: Dataset that tells how many tokens a puzzle has, which a checkpoint of the reference does not.
        task: Name of a task that tells it.

    Raises:
        UserError: If the file is cut short, or MLX has no place for its kernels.
        HRMTrainError: If a checkpoint is damaged.
        HRMModelError: If it is damaged otherwise or holds something else.
    """
    if problem := temporary_directory_problem():
        raise UserError(problem)
    _prepare_kernels()
    directory = checkpoint.weights.parent
    if checkpoint.weights.name != WEIGHTS and (directory / REFERENCE_CONFIG).is_file():
        return load_reference(checkpoint.weights, _seq_len(data_path, task))
    in_checkpoint = checkpoint.weights.name == WEIGHTS and (directory / STATE).is_file()
    model = load_checkpoint_model(directory) if in_checkpoint else load_model(checkpoint.weights)
    try:
        mx.eval(model.parameters())
    except RuntimeError as error:
        raise UserError(f"{checkpoint.weights}: is damaged ({error}); choose another checkpoint") from error
    return model


def halting_rule(settings: "Thinking") -> HaltingRule:
    """Return the rule that the options name.

    Raises:
        UserError: If one of them belongs to another rule.
    """
    for option, kind in (("threshold", "confidence"), ("patience", "stable")):
        if getattr(settings, option) is not None and settings.halting != kind:
            raise UserError(
                f"--{option} is for --halting {kind}, but halting is {settings.halting}; leave it out or "
                f"say --halting {kind}"
            )
    chosen = {name: value for name in ("threshold", "patience") if (value := getattr(settings, name)) is not None}
    return HaltingRule(settings.halting, **chosen)


def open_test_split(checkpoint: Checkpoint, model: HRM, data_path: Path | None) -> Dataset:
    """Open the test split of the given dataset, or of the one that the run was trained on.

    Raises:
        UserError: If there is none, it is empty, or it does not fit the model.
    """
    hint = ""
    if data_path is None:
        data_path = _data_path_of_run(checkpoint)
        hint = (
            f" (named by data_path in {checkpoint.run and checkpoint.run.path / 'config.json'}; --data-path overrides)"
        )
    try:
        dataset = open_dataset(data_path, "test")
    except HRMDataError as error:
        raise UserError(f"{error}{hint}") from error
    if not dataset.examples:
        raise UserError(f"{data_path}: its test split has no puzzles")
    for name in _MUST_AGREE:
        theirs, ours = getattr(dataset.metadata, name), getattr(model.config, name)
        if theirs != ours:
            raise UserError(
                f"{data_path}: does not fit the model: {name} is {theirs} in the dataset, "
                f"but {ours} in {checkpoint.weights}; name the dataset with --data-path"
            )
    return dataset


def _data_path_of_run(checkpoint: Checkpoint) -> Path:
    data_path = checkpoint.setting("data_path", str)
    if data_path is None:
        raise UserError(f"{checkpoint.weights}: no run says what it was trained on; name a dataset with --data-path")
    return Path(data_path)


def open_task(checkpoint: Checkpoint, model: HRM, given: Any = None) -> Task | None:
    """Return the task of a name, a ``task.json`` or its content, or else the run's; None where neither says.

    Raises:
        UserError: If the task's boards are not those of the model.
        HRMDataError: If there is no such task.
    """
    described = given or checkpoint.setting("task", dict)
    if described is None:
        return None
    task = get_task(described)
    for name in ("seq_len", "vocab_size"):
        theirs, ours = getattr(task, name), getattr(model.config, name)
        if theirs != ours:
            raise UserError(f"{name} is {theirs} for the task {task.name}, but {ours} in {checkpoint.weights}")
    return task


def require_task(checkpoint: Checkpoint, model: HRM, data_path: Path | None, name: str | None) -> Task:
    """Return the task that a dataset, a name or the run says; see :func:`open_task`.

    Raises:
        UserError: If none of them says it.
    """
    if data_path is not None and not (data_path / "task.json").is_file():
        raise UserError(f"--data-path {data_path}: has no task.json, which says what its puzzles are")
    task = open_task(checkpoint, model, data_path or name)
    if task is None:
        raise UserError(
            f"{checkpoint.weights}: no run says which task it was trained on; "
            "name a dataset directory with a task.json with --data-path, or the task with --task"
        )
    return task


def _seq_len(data_path: Path | None, task: str | None) -> int | None:
    """Return the tokens of a dataset's or a task's puzzles; None where neither is given."""
    if data_path is not None:
        return open_dataset(data_path, "test").metadata.seq_len
    return None if task is None else get_task(task).seq_len

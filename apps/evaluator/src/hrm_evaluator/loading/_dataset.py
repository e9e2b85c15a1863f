"""Opening the test split and the task that fit a model."""

from pathlib import Path
from typing import Any

from hrm_data import Dataset, HRMDataError, Task, get_task, open_dataset
from hrm_data.untrusted import parse_json, quoted
from hrm_model import HRM

from hrm_evaluator._errors import UserError
from hrm_evaluator.loading._checkpoint import Checkpoint

_MUST_AGREE = ("seq_len", "vocab_size", "num_puzzle_identifiers")


def open_test_split(checkpoint: Checkpoint, model: HRM, data_path: Path | None) -> Dataset:
    """Open the test split of a dataset, or of the run's dataset if `data_path` is None.

    Raises:
        UserError: If there is none, it is empty, or it does not fit the model.
    """
    hint = ""
    if data_path is None:
        data_path = _data_path_of_run(checkpoint)
        hint = f" (data_path of {checkpoint.run and checkpoint.run.path / 'config.json'}; --data-path overrides it)"
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
                f"but {ours} in {checkpoint.weights}; name another dataset with --data-path"
            )
    return dataset


def _data_path_of_run(checkpoint: Checkpoint) -> Path:
    data_path = checkpoint.setting("data_path", str)
    if data_path is None:
        raise UserError(f"{checkpoint.weights}: no run names its dataset; name one with --data-path")
    return Path(data_path)


def open_task(checkpoint: Checkpoint, model: HRM, given: Any = None) -> Task | None:
    """Return the given task, or else that of the run or the weight file; None where none is known.

    Args:
        checkpoint: Its run may name the task.
        model: The model that the task must fit; its weight file may name the task.
        given: Name of a task, a dataset directory with a `task.json`, or the content of one.

    Raises:
        UserError: If the task does not fit the model.
        HRMDataError: If there is no such task.
    """
    described = given or checkpoint.setting("task", dict) or _told(checkpoint, model)
    if described is None:
        return None
    task = get_task(described)
    for name in ("seq_len", "vocab_size"):
        theirs, ours = getattr(task, name), getattr(model.config, name)
        if theirs != ours:
            raise UserError(f"{name} is {theirs} for the task {task.name}, but {ours} in {checkpoint.weights}")
    return task


def _told(checkpoint: Checkpoint, model: HRM) -> dict[str, Any] | None:
    """Return the task in the metadata of the weight file."""
    if model.task is None:
        return None
    try:
        described = parse_json(model.task)
    except ValueError:
        described = None
    if not isinstance(described, dict):
        raise UserError(f"{checkpoint.weights}: its metadata has task {quoted(model.task)}, which is no JSON object")
    return described


def require_task(checkpoint: Checkpoint, model: HRM, data_path: Path | None, name: str | None) -> Task:
    """Return the task of a dataset, of a name, or of the run; see `open_task`.

    Raises:
        UserError: If none of them is known.
    """
    if data_path is not None and not (data_path / "task.json").is_file():
        raise UserError(f"--data-path {data_path}: has no task.json, which names the task")
    task = open_task(checkpoint, model, data_path or name)
    if task is None:
        raise UserError(
            f"{checkpoint.weights}: neither it nor a run names its task; name the task with --task, or a dataset "
            "directory with a task.json with --data-path"
        )
    return task

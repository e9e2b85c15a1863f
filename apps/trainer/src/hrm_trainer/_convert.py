"""Converts checkpoints of the reference into runs, and runs into the reference's files."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import mlx.core as mx
import yaml
from hrm_data import Dataset, HRMDataError, Task, file_checksums, fingerprint, get_task, open_dataset
from hrm_data.command_line import CommandError
from hrm_data.dataset import new_directory
from hrm_data.terminal import say
from hrm_data.untrusted import parse_json, quoted, shortened
from hrm_model import (
    HRMConfig,
    config_path,
    download_checkpoint,
    find_reference,
    hub_hint,
    hub_id,
    load_reference,
    read_reference_config,
    reference_config,
    save_reference_weights,
)
from hrm_train import (
    HRMTrainError,
    Position,
    RunDirectory,
    TrainConfig,
    load_checkpoint_model,
    make_train_step,
    save_checkpoint,
    step_of,
)
from mlx.utils import tree_flatten
from pydantic import ValidationError

from hrm_trainer.settings._settings_file import FORMAT

CONFIG = "all_config.yaml"
_LONGEST = 2**16  # tokens in a puzzle, as for every model
TRM_ROOM = "recursive_reasoning."  # where the release of the Tiny Recursive Model keeps its models
# Named alike there and here.
_TRAIN = (
    *("global_batch_size", "lr", "lr_min_ratio", "lr_warmup_steps", "weight_decay", "beta1", "beta2"),
    *("puzzle_emb_lr", "puzzle_emb_weight_decay", "seed"),
)


class _Puzzles(NamedTuple):
    """The known facts about a checkpoint's puzzles."""

    train: Dataset | None
    task: Task | None
    seq_len: int | None


def import_reference(
    path: str | Path,
    output: str | Path,
    data_path: str | Path | None = None,
    dataset: str | None = None,
    seq_len: int | None = None,
    forward_dtype: str | None = None,
) -> None:
    """Make a run in the directory `output` from a checkpoint of the reference, as `trainer import-checkpoint` does.

    Args:
        path: A file `step_N`, its directory, or `hf://OWNER/NAME`, a repository on the hub.
        output: The directory of the run, which must not exist.
        data_path: The dataset that the model was trained on; training can continue only with it.
        dataset: The name of the task, instead of a dataset.
        seq_len: Tokens in a puzzle, without dataset and task.
        forward_dtype: `float32` or `bfloat16`; defaults to the dtype of the checkpoint's training.

    Raises:
        CommandError: The puzzles do not fit the checkpoint.
        HRMModelError: The checkpoint cannot be used.
    """
    path, output, data_path = str(path), Path(output), Path(data_path) if data_path else None
    puzzles = _puzzles(data_path, dataset, seq_len)

    repository = hub_id(path)
    if repository is None and not Path(path).exists():
        raise CommandError(f"{path}: does not exist{hub_hint(path)}")
    file = find_reference(download_checkpoint(repository) if repository else Path(path))
    model = load_reference(file, puzzles.seq_len, forward_dtype=forward_dtype)
    if puzzles.task is None and model.task is not None:
        puzzles = puzzles._replace(task=_task_in(model.task, file))
    _check_fit(model.config, puzzles, file)
    model.task = json.dumps(puzzles.task.to_json()) if puzzles.task else None
    done = int(match[1]) if (match := re.fullmatch(r"step_([0-9]{1,9})(\.safetensors)?", file.name)) else 0
    train = _train_config(config_path(file), puzzles.train, done)

    step = make_train_step(model, train)
    for optimizer in (step.optimizer, step.puzzle_optimizer):
        optimizer.state["step"] = mx.array(done, mx.uint64)  # so that the schedule goes on
    data_files = file_checksums(data_path) if data_path else {}
    config = {
        "format": FORMAT,
        "preset": "paper",
        "dataset": dataset,
        "data_path": str(data_path.absolute()) if data_path else None,
        "data_fingerprint": fingerprint(data_files) if data_path else None,
        "data_files": data_files,
        "generated": False,
        "task": puzzles.task.to_json() if puzzles.task else None,
        "arch": model.config.model_dump(),
        "train": train.model_dump(mode="json"),
    }
    with new_directory(output) as temporary:
        run = RunDirectory.fill(temporary, config)
        save_checkpoint(run.checkpoint_directory, step, Position(done, done))
    size = sum(array.size for _, array in tree_flatten(model.parameters()))
    say(f"{output}: {size:,} parameters after {done} steps, from {file}")
    say(f"Score it: evaluator --checkpoint {output}")
    if data_path is None:
        print("To train on, import it with --data-path: training needs its puzzles.")


def export_reference(run: Path, output: Path, format: str) -> None:
    """Write a checkpoint under the reference's names into the directory `output`, as `trainer export-checkpoint` does.

    Raises:
        CommandError: There is no such run or checkpoint.
        HRMModelError: PyTorch's format is requested and PyTorch is not installed.
    """
    try:
        is_run = (run / "config.json").is_file()
        checkpoint = RunDirectory(run).newest_checkpoint() if is_run else run
        model = load_checkpoint_model(checkpoint)
    except HRMTrainError as error:
        raise CommandError(str(error)) from error
    run = run if is_run else checkpoint.parent.parent
    settings = RunDirectory(run).config if (run / "config.json").is_file() else {}
    if model.task is None and isinstance(settings.get("task"), dict):
        model.task = json.dumps(settings["task"])

    name = f"step_{step_of(checkpoint)}" if checkpoint.name.startswith("step-") else "checkpoint"
    with new_directory(output) as temporary:
        suffix = ".safetensors" if format == "safetensors" else ""
        save_reference_weights(model, temporary / f"{name}{suffix}")
        (temporary / CONFIG).write_text(yaml.safe_dump(_all_config(model.config, settings)))
    say(f"{output}: {name}{suffix} and {CONFIG}, after {checkpoint}")


def _task_in(text: str, path: Path) -> Task:
    """Return the task that the metadata of a weight file describes."""
    try:
        return get_task(parse_json(text))
    except (ValueError, AttributeError, HRMDataError) as error:
        raise CommandError(f"{path}: its metadata has task {quoted(text)}, which is unknown ({error})") from error


def _puzzles(data_path: Path | None, dataset: str | None, seq_len: int | None) -> _Puzzles:
    """Open dataset and task of the puzzles; facts that are given twice must agree."""
    if seq_len is not None and seq_len < 1:
        raise CommandError(f"--seq-len {seq_len}: should be at least 1")
    if seq_len is not None and seq_len > _LONGEST:
        raise CommandError(f"--seq-len {seq_len}: should be at most {_LONGEST:,}, which bounds the memory of states")
    try:
        train = open_dataset(data_path, "train") if data_path else None
        described = dataset or (train.task if train else None)
        task = get_task(described) if described else None
    except HRMDataError as error:
        raise CommandError(str(error)) from error
    found = {
        "--seq-len": seq_len,
        f"--data-path {data_path}": train.metadata.seq_len if train else None,
        f"--dataset {dataset}": task.seq_len if task and dataset else None,
    }
    lengths = {name: length for name, length in found.items() if length is not None}
    if len(set(lengths.values())) > 1:
        raise CommandError("; ".join(f"{name} has {length} tokens in a puzzle" for name, length in lengths.items()))
    return _Puzzles(train, task, next(iter(lengths.values()), None))


def _check_fit(config: HRMConfig, puzzles: _Puzzles, path: Path) -> None:
    theirs: list[tuple[str, str, int]] = []
    if puzzles.train:
        metadata, where = puzzles.train.metadata, f"{puzzles.train.root}"
        theirs += [(name, where, getattr(metadata, name)) for name in ("seq_len", "vocab_size")]
        theirs.append(("num_puzzle_identifiers", where, metadata.num_puzzle_identifiers))
    if puzzles.task:
        theirs += [(name, puzzles.task.name, getattr(puzzles.task, name)) for name in ("seq_len", "vocab_size")]
    for name, where, value in theirs:
        if name == "num_puzzle_identifiers" and not config.puzzle_emb_ndim:
            continue
        if getattr(config, name) != value:
            raise CommandError(
                f"{path}: has {name} {getattr(config, name)}, but {where} has {value}; name its own puzzles"
            )


def _train_config(path: Path, data: Dataset | None, done: int) -> TrainConfig:
    """Read the reference's training settings; its epochs become steps if the dataset is known."""
    content = read_reference_config(path)
    settings = {name: content[name] for name in _TRAIN if name in content}
    loss = content["arch"].get("loss")
    if isinstance(loss, dict) and "loss_type" in loss:
        settings["loss_type"] = loss["loss_type"]
    if content.get("ema") == "true":
        settings["ema_decay"] = content.get("ema_rate", 0.999)
    steps = max(done, 1)
    try:
        if data is not None and "epochs" in content:
            whole = TrainConfig(**settings, epochs=content["epochs"])
            steps = max(steps, whole.resolved(data.metadata.examples_in_an_epoch).steps)
        return TrainConfig(**settings, steps=steps)
    except HRMTrainError as error:
        raise CommandError(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise CommandError(f"{path}: {first['loc'][0]} {shortened(first['input'])}: {first['msg']}") from error


def _all_config(config: HRMConfig, run: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration that the release's own evaluation reads beside a checkpoint; HRM's and TRM's data differ."""
    train = {**TrainConfig().model_dump(mode="json"), **run.get("train", {})}
    arch, data_path = reference_config(config), run.get("data_path") or ""
    ema = {"ema": True, "ema_rate": train["ema_decay"]} if train["ema_decay"] else {}
    return {
        "arch": {**arch, "loss": {"name": "losses@ACTLossHead", "loss_type": train["loss_type"]}},
        **{name: train[name] for name in _TRAIN},
        **ema,
        **({"data_paths": [data_path]} if arch["name"].startswith(TRM_ROOM) else {"data_path": data_path}),
        "epochs": 1,  # steps are what is counted here
        "eval_interval": 1,
    }

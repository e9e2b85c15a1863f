"""Trains a model: the whole path from settings to a finished run, step by step."""

import json
import os
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import astuple
from functools import reduce
from importlib.metadata import version
from operator import add
from pathlib import Path

import mlx.core as mx
import numpy as np
from hrm_data import (
    DatasetMetadata,
    NumpyBatch,
    PrefetchLoader,
    Task,
    TestLoader,
    TrainLoader,
    file_checksums,
    fingerprint,
)
from hrm_data.command_line import CommandError, leaves, underscored, validate
from hrm_data.terminal import console_for, say
from hrm_data.untrusted import shortened
from hrm_model import (
    HRM,
    ContinuousPredictor,
    GeometryConfig,
    HRMConfig,
    HRMModelError,
    Score,
    check_memory,
    score_answer,
)
from hrm_ops import prepare_kernels, temporary_directory_problem
from hrm_train import (
    Callback,
    HRMTrainError,
    InterruptedRunError,
    Ranks,
    Report,
    RunDirectory,
    TrainConfig,
    checkpoints,
    saved_settings,
    step_of,
    train,
    wandb_callbacks,
)
from pydantic import ValidationError

from hrm_trainer._data import find_or_build, open_data
from hrm_trainer._display import Display, Example
from hrm_trainer._plot import draw_curves
from hrm_trainer._settings import NEWEST, TrainerSettings, find_family, gpu_available, settings_type
from hrm_trainer._settings_file import FORMAT, read_run_settings
from hrm_trainer._stopping import StopNotice

EVAL_BATCH = 128
_OF_A_RANK = {"config", "resume", "ranks", "runs", "wandb", "data_path"}  # which need not be the same everywhere


def run(settings: TrainerSettings) -> None:
    """Train with these settings and show the progress; the run directory holds the result."""
    if problem := temporary_directory_problem():
        raise CommandError(problem)
    ranks = Ranks.join()
    display = Display(console_for(quiet=not ranks.leads))

    # A resumed run keeps its own settings; rank 0 finds them.
    resumed = checkpoint = None
    if settings.resume is not None:
        resumed = _find_run(settings) if ranks.leads else None
        settings = _settings_of(settings, ranks.ask_lead(lambda: _config_of(resumed)))
        checkpoint = _checkpoint_of(resumed, display) if resumed else None
        finished = ranks.ask_lead(lambda: _finished(resumed, checkpoint, settings.train))
        if finished:
            display.say(finished)
            return
        if resumed and checkpoint:
            _say_changes(resumed, checkpoint, settings.train, display)
    else:
        _check_runs(settings.runs)
    _choose_device(settings)
    try:
        settings.train.slots_per_rank(ranks.size)
    except HRMTrainError as error:
        raise CommandError(f"--train: {error}") from error
    common = {"settings": settings.model_dump(mode="json", exclude=_OF_A_RANK), "versions": _versions()}
    ranks.check_same(dict(leaves(common)))

    # Data first: it fixes the model's vocabulary and length.
    with display.building() as progress:
        path = ranks.in_turn(lambda: find_or_build(settings, display.say, progress))
    data_files = file_checksums(path)
    data_fingerprint = fingerprint(data_files)
    ranks.check_same({"data_fingerprint": data_fingerprint})
    if resumed is not None:
        _refuse_other_data(resumed, path, data_files)
    data = open_data(path, settings.dataset)
    metadata, task = data.train.metadata, data.task
    try:
        training = settings.train.resolved(metadata.examples_in_an_epoch)
    except HRMTrainError as error:
        raise CommandError(f"--train: {error}") from error
    settings = settings.model_copy(update={"train": training})
    variation = settings.options(settings.family.augmentation) if settings.family else {}
    config = _model_config(settings, metadata, task)
    _check_memory(config, settings, ranks)
    batches = PrefetchLoader(
        TrainLoader(
            data.train,
            settings.train.global_batch_size,
            seed=settings.train.seed,
            rank=ranks.rank,
            world_size=ranks.size,
            augment=task.augment(**variation) if task else None,
        )
    )

    mx.random.seed(settings.train.seed)
    model = HRM(config)
    model.task = json.dumps(task.to_json()) if task else None
    mx.eval(model.parameters())
    directory = resumed
    if ranks.leads and directory is None:
        kept = {
            **settings.model_dump(mode="json", exclude={"config", "resume", "ranks"}),
            "data": settings.model_dump(mode="json")["data"] if settings.data_path is None else variation,
            "format": FORMAT,
            "data_path": str(path.absolute()),
            "data_fingerprint": data_fingerprint,
            "data_files": data_files,
            "generated": settings.data_path is None,
            "task": task.to_json() if task else None,
            "arch": config.model_dump(exclude={"geometry"}),  # the task's
        }
        directory = RunDirectory.create(settings.runs, task.name if task else "puzzles", kept)
    kernels = prepare_kernels(warn=False)
    if kernels.problem:
        display.say(f"The step is not compiled, which is slower: {kernels.problem}.")
    if kernels.note:
        display.say(f"Note: {kernels.note}.")
    callbacks: list[Callback] = [display, StopNotice(display.stopping)]
    if directory is not None:
        display.introduce(settings, model, data, directory.path)
        callbacks += wandb_callbacks(settings.wandb, directory.path, directory.config, display.say)

    limit = settings.train.eval_limit or None
    batch_size = min(EVAL_BATCH, limit or data.test.examples)
    batch_size = -(-batch_size // ranks.size) * ranks.size
    predictor = ContinuousPredictor(model, batch_size // ranks.size)

    def evaluate(_: HRM) -> Report:
        waiting: deque[tuple[np.ndarray, np.ndarray]] = deque()

        def puzzles() -> Iterator[NumpyBatch]:
            for batch in TestLoader(data.test, batch_size, rank=ranks.rank, world_size=ranks.size, limit=limit):
                waiting.extend(zip(batch["inputs"], batch["labels"], strict=True))
                yield batch

        total = Score()
        for number, answer in enumerate(predictor(puzzles())):
            inputs, labels = waiting.popleft()
            total += score_answer(answer, labels.tolist())
            if task and number == 0:
                display.example = Example(task, inputs, np.array(answer.tokens), labels)
        return reduce(add, (Score(*json.loads(text)) for text in ranks.texts(json.dumps(astuple(total))))).means()

    try:
        with display.progress(settings.train.steps), batches:
            train(
                model,
                settings.train,
                batches,
                evaluate,
                directory,
                callbacks,
                resume=checkpoint,
                ranks=ranks,
            )
    except KeyboardInterrupt:  # a second one, while the loop was about to stop
        lost = "what came after the last checkpoint will be done again"
        raise InterruptedRunError(f"stopped at once{f' in {directory.path}' if directory else ''}; {lost}") from None
    if directory is not None:
        display.conclude(directory.path, draw_curves(directory))


def _find_run(settings: TrainerSettings) -> RunDirectory:
    try:
        if settings.resume == NEWEST:
            return RunDirectory.newest(settings.runs)
        return RunDirectory(Path(settings.resume or ""))
    except HRMTrainError as error:
        raise CommandError(f"--resume: {error}") from error


def _config_of(run: RunDirectory | None) -> str:
    if run is None:
        return ""
    return json.dumps([str(run.path / "config.json"), read_run_settings(run.path / "config.json")], default=str)


def _settings_of(asked: TrainerSettings, config: str) -> TrainerSettings:
    """Return the settings of a run, with those that the command line may replace."""
    path, content = json.loads(config)
    if "wandb" in asked.model_fields_set:
        content["wandb"] = asked.wandb
    try:
        return validate(
            settings_type(find_family(content.get("dataset"), content.get("data_path"))), content, underscored
        )
    except CommandError as error:
        raise CommandError(f"{path}: {error}") from error


def _checkpoint_of(run: RunDirectory, display: Display) -> Path | None:
    """Return the checkpoint to resume from; None before the first one: the run then starts again, identically."""
    if not checkpoints(run.checkpoint_directory):
        display.say(f"{run.path}: has no checkpoint yet, so it starts at step 0 again")
        return None
    try:
        return run.newest_checkpoint(report=lambda problem: say(f"trainer: {problem}", file=sys.stderr))
    except HRMTrainError as error:
        again = f"trainer --config {run.path / 'config.json'}"
        raise HRMTrainError(f"--resume: {error} with {again}") from error


def _finished(run: RunDirectory | None, checkpoint: Path | None, train: TrainConfig) -> str:
    """Return a sentence if a run and its last evaluation are finished, else an empty string."""
    if run is None or checkpoint is None or not run.was_evaluated(done := step_of(checkpoint)):
        return ""
    if done >= train.steps:
        return f"{run.path}: is finished, all {train.steps} steps are done"
    if train.early_stop_accuracy > 0 and run.reached(train.early_stop_accuracy, done):
        return f"{run.path}: is finished, it reached early_stop_accuracy {train.early_stop_accuracy} at step {done}"
    return ""


def _model_config(settings: TrainerSettings, metadata: DatasetMetadata, task: Task | None) -> HRMConfig:
    """Return the configuration of the model for these puzzles."""
    board = task.geometry() if task else None
    try:
        return HRMConfig(
            **settings.arch.model_dump(),
            seq_len=metadata.seq_len,
            vocab_size=metadata.vocab_size,
            num_puzzle_identifiers=metadata.num_puzzle_identifiers,
            geometry=None if board is None else GeometryConfig(**board.model_dump()),
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{'.'.join(map(str, first['loc']))} {shortened(first['input'])}: " if first["loc"] else ""
        raise CommandError(f"--arch: {where}{first['msg'].removeprefix('Value error, ')}") from None


def _check_memory(config: HRMConfig, settings: TrainerSettings, ranks: Ranks) -> None:
    """Refuse a model or batch that cannot fit into memory, before either is made."""
    slots = settings.train.slots_per_rank(ranks.size)
    try:
        check_memory(config, settings.train.micro_batch_size or slots, training=True)
    except HRMModelError as error:
        raise CommandError(f"--arch, --train.global_batch_size: {error}") from None


def _say_changes(run: RunDirectory, checkpoint: Path, train: TrainConfig, display: Display) -> None:
    """Name the settings that were changed in a run's configuration since its checkpoint."""
    saved, asked = saved_settings(checkpoint), train.model_dump(mode="json")
    for name in saved.keys() & asked.keys():
        if saved[name] != asked[name]:
            display.say(
                f"{run.path / 'config.json'}: train.{name} is {asked[name]} now, it was {saved[name]} at "
                f"{checkpoint.name}; the run goes on with {asked[name]}"
            )


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("mlx", "hrm-ops", "hrm-data", "hrm-model", "hrm-train", "hrm-trainer")}


def _refuse_other_data(run: RunDirectory, path: Path, files: dict[str, str]) -> None:
    began = run.config.get("data_fingerprint")
    # Runs were once started with a fingerprint that left out the files from which ARC examples are computed.
    if began == fingerprint(files) or began == fingerprint(file_checksums(path, stored_only=True)):
        return
    raise CommandError(
        f"--resume: the puzzles in {path} are not those that {run.path} was started with (data_fingerprint in its "
        f"config.json){_changes(run.config.get('data_files') or {}, files)}; restore the dataset, or start a new run"
    )


def _changes(before: dict[str, str], now: dict[str, str]) -> str:
    """The files that changed, are missing or are new; empty if it is not known which files there were."""
    found = {
        "changed": [name for name in before if now.get(name, before[name]) != before[name]],
        "missing": [name for name in before if name not in now],
        "new": [name for name in now if before and name not in before],
    }
    parts = [f"{kind}: {', '.join(names)}" for kind, names in found.items() if names]
    return f", {'; '.join(parts)}" if parts else ""


def _check_runs(runs: Path) -> None:
    """Refuse a directory in which no run directory can be made, before any slow work."""
    existing = next(path for path in (runs.absolute(), *runs.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise CommandError(f"--runs {runs}: {existing} is a file, but should be a directory")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise CommandError(f"--runs {runs}: {existing} cannot be written to")


def _choose_device(settings: TrainerSettings) -> None:
    if settings.device == "auto":
        return
    if settings.device == "gpu" and not gpu_available():
        raise CommandError("--device gpu: MLX finds no GPU here; use --device cpu or install mlx with a GPU backend")
    mx.set_default_device(mx.cpu if settings.device == "cpu" else mx.gpu)

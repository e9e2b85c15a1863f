"""Trains a model: the whole path from settings to a finished run, step by step."""

import json
import os
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
from hrm_data.command_line import CommandError, leaves
from hrm_data.terminal import console_for
from hrm_data.untrusted import shortened
from hrm_model import (
    HRM,
    ContinuousPredictor,
    GeometryConfig,
    HaltingRule,
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
    train,
    wandb_callbacks,
)
from pydantic import ValidationError

from hrm_trainer._data import find_or_build, open_data
from hrm_trainer._display import Display, Example
from hrm_trainer._plot import draw_curves
from hrm_trainer._resume import (
    check_changes,
    checkpoint_of,
    config_of,
    find_run,
    finished,
    refuse_other_data,
    settings_of,
)
from hrm_trainer._settings import TrainerSettings, gpu_available
from hrm_trainer._settings_file import FORMAT

EVAL_BATCH = 128
_OF_A_START = {"config", "resume", "ranks", "oversubscribe"}  # not of the run
_OF_A_RANK = _OF_A_START | {"runs", "wandb", "data_path"}  # which need not be the same everywhere


def run(settings: TrainerSettings) -> None:
    """Train with these settings and show the progress; the run directory holds the result."""
    if problem := temporary_directory_problem():
        raise CommandError(problem)
    ranks = Ranks.join()
    display = Display(console_for(quiet=not ranks.leads))

    # A resumed run keeps its own settings; rank 0 finds them.
    resumed = checkpoint = None
    if settings.resume is not None:
        resumed = find_run(settings) if ranks.leads else None
        settings = settings_of(settings, ranks.ask_lead(lambda: config_of(resumed)))
        checkpoint = checkpoint_of(resumed, display.say) if resumed else None
        ranks.ask_lead(lambda: check_changes(resumed, checkpoint, settings, display.say))
        if done := ranks.ask_lead(lambda: finished(resumed, checkpoint, settings.train)):
            display.say(done)
            return
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
        refuse_other_data(resumed, path, data_files)
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
            **settings.model_dump(mode="json", exclude=_OF_A_START),
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
    callbacks: list[Callback] = [display]
    if directory is not None:
        display.introduce(settings, model, data, directory.path)
        callbacks += wandb_callbacks(settings.wandb, directory.path, directory.config, display.say)

    limit = settings.train.eval_limit or None
    batch_size = min(EVAL_BATCH, limit or data.test.examples)
    batch_size = -(-batch_size // ranks.size) * ranks.size
    rule = HaltingRule("max" if settings.train.halting == "fixed" else "q")
    predictor = ContinuousPredictor(model, batch_size // ranks.size, rule)

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
                about=settings.model_dump(mode="json", include={"data", "arch"}),
            )
    except KeyboardInterrupt:  # a second one, while the loop was about to stop
        lost = "what came after the last checkpoint will be done again"
        raise InterruptedRunError(f"stopped at once{f' in {directory.path}' if directory else ''}; {lost}") from None
    if directory is not None:
        display.conclude(directory.path, draw_curves(directory))


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


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("mlx", "hrm-ops", "hrm-data", "hrm-model", "hrm-train", "hrm-trainer")}


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

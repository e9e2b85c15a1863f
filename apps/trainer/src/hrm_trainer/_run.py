"""Trains a model: the whole path from settings to a finished run, step by step."""

import json
import os
from importlib.metadata import version
from pathlib import Path

import mlx.core as mx
from hrm_data import (
    DatasetMetadata,
    PrefetchLoader,
    Task,
    TrainLoader,
    file_checksums,
    fingerprint,
)
from hrm_data.command_line import FAILURE, INTERRUPTED, CommandError, leaves
from hrm_data.terminal import console_for
from hrm_data.untrusted import shortened
from hrm_model import (
    HRM,
    GeometryConfig,
    HRMConfig,
    HRMModelError,
    check_memory,
)
from hrm_ops import prepare_kernels, temporary_directory_problem
from hrm_train import (
    Callback,
    HRMTrainError,
    InterruptedRunError,
    Ranks,
    Report,
    RunDirectory,
    step_of,
    step_seconds,
    train,
    wandb_callbacks,
)
from pydantic import ValidationError

from hrm_trainer._data import find_or_build, open_data
from hrm_trainer._display import Display
from hrm_trainer._held_out import HeldOut
from hrm_trainer._plot import draw_curves
from hrm_trainer._resume import (
    check_changes,
    checkpoint_of,
    config_of,
    find_run,
    finished,
    refuse_other_data,
    resume_command,
    settings_of,
)
from hrm_trainer.settings._settings import TrainerSettings, gpu_available
from hrm_trainer.settings._settings_file import FORMAT

_OF_A_START = {"config", "resume", "ranks", "oversubscribe"}  # not of the run
_OF_A_RANK = _OF_A_START | {"runs", "wandb", "data_path"}  # which need not be the same everywhere


def run(settings: TrainerSettings) -> None:
    """Train with these settings and show the progress; the run directory holds the result."""
    if problem := temporary_directory_problem():
        raise CommandError(problem)
    ranks = Ranks.join()
    display, asked = Display(console_for(quiet=not ranks.leads)), settings

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
        settings = settings.fitted(metadata.examples_in_an_epoch)
    except HRMTrainError as error:
        raise CommandError(f"--train: {error}") from error
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
    left = settings.train.steps - (step_of(checkpoint) if checkpoint else 0)
    seconds = max(0, left) * step_seconds(model, settings.train, ranks)
    if directory is not None:
        display.introduce(settings, model, data, directory.path, seconds)
        callbacks += wandb_callbacks(settings.wandb, directory.path, directory.config, display.say)

    run_path = ranks.ask_lead(lambda: str(directory.path) if directory else "")
    goes_on = f"{resume_command(run_path, asked)} goes on"
    held_out = HeldOut(model, data, settings.train.eval_limit or None, ranks)

    def evaluate(_: HRM) -> Report:
        score, display.example = held_out.score()
        return score

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
        raise CommandError(f"stopped at once in {run_path}; {lost}; {goes_on}", INTERRUPTED) from None
    except InterruptedRunError as error:
        raise CommandError(f"{error}; {goes_on}", INTERRUPTED) from error
    except RuntimeError as error:
        if "peer was lost" not in str(error):
            raise
        raise CommandError(f"another rank has ended; the last checkpoint is intact, {goes_on}", FAILURE) from error
    if directory is not None:
        limit = settings.train.eval_limit
        copies = task is not None and bool(data.test.identifiers) and task.originals(data.test.identifiers) is not None
        part = limit if 0 < limit < data.test.examples and not copies else None  # the evaluator takes whole puzzles
        display.conclude(directory.path, draw_curves(directory), part)


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

"""What ``trainer`` does, from settings to a finished run, as one straight line."""

import os
import sys
from pathlib import Path

import mlx.core as mx
import numpy as np
from hrm_data import PrefetchLoader, TestLoader, TrainLoader, fingerprint
from hrm_model import HRM, HRMConfig, Predictor, Score, score
from hrm_train import HRMTrainError, Report, RunDirectory, as_arrays, checkpoints, step_of, train
from pydantic import ValidationError

from hrm_trainer._data import find_or_build, open_data
from hrm_trainer._display import Display, Example
from hrm_trainer._errors import UserError
from hrm_trainer._file import FORMAT, read_run_settings
from hrm_trainer._parse import NEWEST, describe, find_family
from hrm_trainer._plot import draw_curves
from hrm_trainer._settings import TrainerSettings, settings_type
from hrm_trainer._stopping import StopNotice

EVAL_BATCH = 128


def run(settings: TrainerSettings) -> None:
    """Train as asked, showing progress; the run directory holds the result."""
    display = Display()

    # A resumed run keeps its own settings.
    resumed = _find_run(settings) if settings.resume is not None else None
    checkpoint = None
    if resumed is not None:
        settings = _settings_of(resumed)
        checkpoint = _checkpoint_of(resumed, display)
        if _is_finished(resumed, checkpoint, settings.train.steps):
            display.say(f"{resumed.path}: is finished, all {settings.train.steps} steps are done")
            return
    else:
        _check_runs(settings.runs)
    _choose_device(settings)

    # Data first: it fixes the model's vocabulary and length.
    with display.building() as progress:
        path = find_or_build(settings, display.say, progress)
    data_fingerprint = fingerprint(path)
    if resumed is not None:
        _refuse_other_data(resumed, path, data_fingerprint)
    data = open_data(path, settings.dataset)
    metadata, task = data.train.metadata, data.task
    variation = settings.options(settings.family.augmentation) if settings.family else {}
    config = HRMConfig(
        **settings.arch.model_dump(),
        seq_len=metadata.seq_len,
        vocab_size=metadata.vocab_size,
        num_puzzle_identifiers=metadata.num_puzzle_identifiers,
    )
    batches = PrefetchLoader(
        TrainLoader(
            data.train,
            settings.train.global_batch_size,
            seed=settings.train.seed,
            augment=task.augment(**variation) if task else None,
        )
    )

    mx.random.seed(settings.train.seed)
    model = HRM(config)
    mx.eval(model.parameters())
    directory = resumed or RunDirectory.create(
        settings.runs,
        task.name if task else "puzzles",
        {
            **settings.model_dump(mode="json", exclude={"config", "resume"}),
            "data": settings.model_dump(mode="json")["data"] if settings.data_path is None else variation,
            "format": FORMAT,
            "data_path": str(path.absolute()),
            "data_fingerprint": data_fingerprint,
            "generated": settings.data_path is None,
            "task": task.to_json() if task else None,
            "arch": config.model_dump(),
        },
    )
    display.introduce(settings, model, data, directory.path)

    predictor = Predictor(model)

    def evaluate(_: HRM) -> Report:
        total = Score()
        for batch in TestLoader(data.test, EVAL_BATCH):
            arrays = as_arrays(batch)
            prediction = predictor(arrays)
            total += score(prediction, arrays)
            if task and total.count <= EVAL_BATCH:
                display.example = Example(task, batch["inputs"][0], np.array(prediction.tokens[0]), batch["labels"][0])
        return total.means()

    with display.progress(settings.train.steps), batches:
        train(
            model,
            settings.train,
            batches,
            evaluate,
            directory,
            [display, StopNotice(display.stopping)],
            resume=checkpoint,
        )
    display.conclude(directory.path, draw_curves(directory))


def _find_run(settings: TrainerSettings) -> RunDirectory:
    try:
        if settings.resume == NEWEST:
            return RunDirectory.newest(settings.runs)
        return RunDirectory(Path(settings.resume or ""))
    except HRMTrainError as error:
        raise UserError(f"--resume: {error}") from error


def _settings_of(run: RunDirectory) -> TrainerSettings:
    content = read_run_settings(run.path / "config.json")
    try:
        return settings_type(find_family(content.get("dataset"), content.get("data_path")))(**content)
    except ValidationError as error:
        raise UserError(f"{run.path / 'config.json'}: {describe(error)}") from error


def _checkpoint_of(run: RunDirectory, display: Display) -> Path | None:
    """Return where a run goes on; None before its first checkpoint, when it starts again, exactly as it did."""
    if not checkpoints(run.checkpoint_directory):
        display.say(f"{run.path}: has no checkpoint yet, so it starts at step 0 again")
        return None
    try:
        return run.newest_checkpoint(report=lambda problem: print(f"trainer: {problem}", file=sys.stderr))
    except HRMTrainError as error:
        again = f"trainer --config {run.path / 'config.json'}"
        raise HRMTrainError(f"--resume: {error} with {again}") from error


def _is_finished(run: RunDirectory, checkpoint: Path | None, steps: int) -> bool:
    """Whether all steps are done, and the evaluation at the end as well."""
    return checkpoint is not None and step_of(checkpoint) >= steps and run.was_evaluated(steps)


def _refuse_other_data(run: RunDirectory, path: Path, data_fingerprint: str) -> None:
    if path.exists() and run.config.get("data_fingerprint") != data_fingerprint:
        raise UserError(
            f"--resume: the puzzles in {path} are not those that {run.path} was started with (data_fingerprint in its "
            "config.json); restore the dataset, or start a new run"
        )


def _check_runs(runs: Path) -> None:
    """Refuse, before anything slow starts, a place where no run directory can be made."""
    existing = next(path for path in (runs.absolute(), *runs.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise UserError(f"--runs {runs}: {existing} is a file, but should be a directory")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UserError(f"--runs {runs}: {existing} cannot be written to")


def _choose_device(settings: TrainerSettings) -> None:
    if settings.device == "auto":
        return
    if settings.device == "gpu" and not TrainerSettings.gpu_available:
        raise UserError("--device gpu: MLX finds no GPU here; use --device cpu or install mlx with a GPU backend")
    mx.set_default_device(mx.cpu if settings.device == "cpu" else mx.gpu)

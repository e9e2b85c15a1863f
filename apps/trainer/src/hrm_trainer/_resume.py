"""Resumes a run: finds it, its settings and its checkpoint, and says what was changed since."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from shlex import quote

from hrm_data import file_checksums, fingerprint, terminal
from hrm_data.command_line import CommandError, underscored, validate
from hrm_train import HRMTrainError, RunDirectory, TrainConfig, checkpoints, saved_settings, step_of

from hrm_trainer.settings._settings import NEWEST, TrainerSettings, find_family, settings_type
from hrm_trainer.settings._settings_file import read_run_settings


def resume_command(run: str | Path, asked: TrainerSettings) -> str:
    """Return the command that resumes a run with as many processes as were asked for."""
    ranks = f" --ranks {asked.ranks}" if asked.ranks > 1 else ""
    return f"trainer --resume {quote(str(run))}{ranks}{' --oversubscribe' if asked.oversubscribe else ''}"


def find_run(settings: TrainerSettings) -> RunDirectory:
    """Return the run that `--resume` names.

    Raises:
        CommandError: There is none.
    """
    try:
        if settings.resume == NEWEST:
            return RunDirectory.newest(settings.runs)
        return RunDirectory(Path(settings.resume or ""))
    except HRMTrainError as error:
        raise CommandError(f"--resume: {error}") from error


def config_of(run: RunDirectory | None) -> str:
    """Return the path of a run's configuration and its settings as JSON, to be sent to other ranks."""
    if run is None:
        return ""
    return json.dumps([str(run.path / "config.json"), read_run_settings(run.path / "config.json")], default=str)


def settings_of(asked: TrainerSettings, config: str) -> TrainerSettings:
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


def checkpoint_of(run: RunDirectory, say: Callable[[str], object]) -> Path | None:
    """Return the checkpoint to resume from; None before the first one: the run then starts again, identically."""
    if not checkpoints(run.checkpoint_directory):
        say(f"{run.path}: has no checkpoint yet, so it starts at step 0 again")
        return None
    try:
        return run.newest_checkpoint(report=lambda problem: terminal.say(f"trainer: {problem}", file=sys.stderr))
    except HRMTrainError as error:
        again = f"trainer --config {run.path / 'config.json'}"
        raise HRMTrainError(f"--resume: {error} with {again}") from error


def finished(run: RunDirectory | None, checkpoint: Path | None, train: TrainConfig) -> str:
    """Return a sentence if a run and its last evaluation are finished, else an empty string."""
    if run is None or checkpoint is None or not run.was_evaluated(done := step_of(checkpoint)):
        return ""
    if done >= train.steps:
        return f"{run.path}: is finished, {done} of {train.steps} steps are done"
    if train.early_stop_accuracy > 0 and run.reached(train.early_stop_accuracy, done):
        return f"{run.path}: is finished, it reached early_stop_accuracy {train.early_stop_accuracy} at step {done}"
    return ""


def check_changes(
    run: RunDirectory | None, checkpoint: Path | None, settings: TrainerSettings, say: Callable[[str], object]
) -> str:
    """Name the settings that were changed in a run's configuration since its checkpoint, or refuse them.

    Settings of the model and those that chose the puzzles are fixed; those of training and augmentation apply from now.

    Raises:
        CommandError: A fixed setting was changed.
    """
    if run is None or checkpoint is None:
        return ""
    file, then, now = run.path / "config.json", saved_settings(checkpoint), settings.model_dump(mode="json")
    free = {f"data.{name}" for name in (settings.family.augmentation.model_fields if settings.family else ())}
    for part in ("data", "arch", "train"):
        before = then.get(part, {})
        for name in sorted(before.keys() & now[part].keys()):
            if before[name] == now[part][name]:
                continue
            change = f"{file}: {part}.{name} is {now[part][name]} now, it was {before[name]} at {checkpoint.name}"
            if part != "train" and f"{part}.{name}" not in free:
                what = "the model has been trained so" if part == "arch" else "the puzzles are made already"
                raise CommandError(
                    f"--resume: {change}, and {what}; put it back, or start a new run with trainer --config {file}"
                )
            say(f"{change}; the run goes on with {now[part][name]}")
    return ""


def refuse_other_data(run: RunDirectory, path: Path, files: dict[str, str]) -> None:
    """Raise unless a dataset is the one that a run was started with.

    Raises:
        CommandError: With the files that differ.
    """
    began = run.config.get("data_fingerprint")
    # Runs were once started with a fingerprint that left out the files from which ARC examples are computed.
    if began == fingerprint(files) or began == fingerprint(file_checksums(path, stored_only=True)):
        return
    raise CommandError(
        f"--resume: the puzzles in {path} are not those that {run.path} was started with (data_fingerprint in its "
        f"config.json){_file_changes(run.config.get('data_files') or {}, files)}; restore the dataset, or start "
        "a new run"
    )


def _file_changes(before: dict[str, str], now: dict[str, str]) -> str:
    """The files that changed, are missing or are new; empty if it is not known which files there were."""
    found = {
        "changed": [name for name in before if now.get(name, before[name]) != before[name]],
        "missing": [name for name in before if name not in now],
        "new": [name for name in now if before and name not in before],
    }
    parts = [f"{kind}: {', '.join(names)}" for kind, names in found.items() if names]
    return f", {'; '.join(parts)}" if parts else ""

"""Finds or builds the dataset of a run, and opens it."""

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from hrm_data import (
    Dataset,
    HRMDataError,
    HRMDataIOError,
    Progress,
    Task,
    TaskFamily,
    family_version,
    open_dataset,
    task_of,
)
from hrm_data.command_line import CommandError
from platformdirs import user_cache_path
from pydantic import BaseModel

from hrm_trainer.settings._settings import TrainerSettings


class Data(NamedTuple):
    """The dataset of a run; `task` is None if nothing describes the puzzles."""

    train: Dataset
    test: Dataset
    task: Task | None


def find_or_build(settings: TrainerSettings, announce: Callable[[str], None], progress: Progress) -> Path:
    """Return the dataset directory of a run; a missing one is built in the user's cache.

    If several processes need the same dataset, one builds it and the others wait.

    Args:
        settings: With `data_path`, that directory is used; else the dataset that `data` describes is built.
        announce: Called with one sentence before slow work.
        progress: Called with the progress of the build.

    Raises:
        CommandError: No such dataset can be built.
    """
    if settings.data_path is not None:
        return settings.data_path
    family = settings.family
    assert family is not None, "settings without data_path have a family"
    options = family.options(**settings.options(family.options))
    path = user_cache_path("hrm") / "datasets" / f"{family.name}-{dataset_key(family, options)}"
    with suppress(PermissionError):
        if path.exists():
            return path
    _check_writable(path.parent)
    with _locked(
        path.with_name(f".{path.name}.lock"), lambda: announce(f"Waiting for another run that makes {path} ...")
    ):
        if not path.exists():
            announce(f"Making the dataset {path} (once) ...")
            try:
                family.build(path, options, progress)
            except HRMDataIOError:
                raise
            except HRMDataError as error:
                raise CommandError(f"--data: {error}") from error
    return path


def open_data(path: Path, dataset: str | None) -> Data:
    """Open both splits of a dataset directory and its task.

    Args:
        path: A directory in the reference's format.
        dataset: The name of its task; without it, `task.json` decides if there is one.

    Raises:
        CommandError: The directory is no dataset, or one of another task.
    """
    try:
        train, test = open_dataset(path, "train"), open_dataset(path, "test")
        task = task_of(train, dataset)
    except HRMDataError as error:
        raise CommandError(f"--data_path {path}: {error}") from error
    for name in ("seq_len", "vocab_size", "num_puzzle_identifiers"):
        if getattr(train.metadata, name) != getattr(test.metadata, name):
            raise CommandError(
                f"{path}: {name} is {getattr(train.metadata, name)} in train/dataset.json, "
                f"but {getattr(test.metadata, name)} in test/dataset.json; build the dataset again"
            )
    if not test.examples:
        raise CommandError(f"{path}: its test split has no puzzles; build it with some")
    return Data(train, test, task)


def dataset_key(family: TaskFamily, options: BaseModel) -> str:
    """A key of the dataset that a builder would make: its version, its options, and the state of its input files."""
    files = [file for file in family.files(options) if file.exists()]
    states = [[str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    parts = [family_version(family.name), family.name, options.model_dump(mode="json"), states]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def _check_writable(folder: Path) -> None:
    """Make the directory of all datasets.

    Raises:
        CommandError: Nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CommandError(
            f"the dataset cannot be made in {folder} ({error.strerror}), where datasets are kept; set XDG_CACHE_HOME "
            "to a directory of your own for another place, or name a dataset that is made already with --data-path"
        ) from error


@contextmanager
def _locked(path: Path, waiting: Callable[[], Any]) -> Iterator[None]:
    """Hold a file lock, waiting for another holder; the system releases it when the process ends."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise CommandError(f"{path}: cannot be locked ({error.strerror}); remove it") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)

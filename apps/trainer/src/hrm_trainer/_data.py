import hashlib
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hrm_data import Dataset, HRMDataError, SudokuOptions, Task, build_sudoku, get_task, open_dataset
from platformdirs import user_cache_path

from hrm_trainer._errors import UserError
from hrm_trainer._settings import TrainerSettings


def find_or_build(settings: TrainerSettings, announce: Callable[[str], None]) -> Path:
    """Return the dataset directory of a run; one that is not there yet is generated into the user's cache.

    Args:
        settings: With ``data_path`` for a directory in the reference's format, else ``data`` is built.
        announce: Told before something slow starts.

    Raises:
        UserError: If there are no such puzzles.
    """
    if settings.data_path is not None:
        return settings.data_path
    options = settings.data.model_dump(mode="json", exclude={"hints"})
    key = json.dumps([version("hrm-data"), settings.dataset, options], sort_keys=True)
    rows, columns = settings.data.box
    name = f"{settings.dataset}-{rows * columns}x{rows * columns}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    path = user_cache_path("hrm") / "datasets" / name
    if not path.exists():
        announce(f"Making the dataset {path} (once) ...")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            build_sudoku(path, SudokuOptions(**options))
        except HRMDataError as error:
            if not path.exists():  # another run was not faster
                raise UserError(f"--data: {error}") from error
    return path


def open_splits(path: Path, dataset: str) -> tuple[Dataset, Dataset, Task, dict[str, Any]]:
    """Open both splits of a dataset directory and find its task.

    Returns:
        Training split, test split, the task, and the content of ``task.json``.

    Raises:
        UserError: If the directory is no dataset.
    """
    try:
        train, test = open_dataset(path, "train"), open_dataset(path, "test")
        task = get_task(path) if (path / "task.json").exists() else get_task(dataset)
    except HRMDataError as error:
        raise UserError(f"--data_path {path}: {error}") from error
    for split, opened in (("train", train), ("test", test)):
        if opened.metadata.seq_len != task.seq_len:
            raise UserError(
                f"{path / split}: has {opened.metadata.seq_len} tokens an example, but {task.name} has {task.seq_len}"
            )
    return train, test, task, task.to_json()

"""Reads the JSON files of a dataset directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hrm_data._errors import HRMDataError


def read_task(root: Path) -> dict[str, Any] | None:
    """Content of `<root>/task.json`, None where there is none; raises `HRMDataError` if it is no object."""
    path = root / "task.json"
    if not path.exists():
        return None
    task = read_json(path)
    if not isinstance(task, dict):
        raise HRMDataError(f'{path} holds {type(task).__name__}; expected an object such as {{"task": "sudoku"}}')
    return task


def read_json(path: Path) -> Any:
    """Content of a JSON file; raises `HRMDataError` if it cannot be read."""
    try:
        return json.loads(path.read_bytes())
    except (ValueError, OSError, RecursionError) as error:
        raise HRMDataError(f"{path} is not readable JSON ({error}); restore it or build the dataset again") from None

"""Reads JSON files of a dataset directory, `task.json` among them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hrm_data._errors import HRMDataError


def read_task(root: str | Path) -> dict[str, Any] | None:
    """Return the content of `<root>/task.json`, or None if there is no such file.

    Raises:
        HRMDataError: It cannot be read, or holds no JSON object.
    """
    path = Path(root) / "task.json"
    if not path.exists():
        return None
    task = read_json(path)
    if not isinstance(task, dict):
        raise HRMDataError(f'{path} holds {type(task).__name__}; expected an object such as {{"task": "sudoku"}}')
    return task


def read_json(path: Path) -> Any:
    """Return the content of a JSON file; raises `HRMDataError` if it cannot be read."""
    try:
        return json.loads(path.read_bytes())
    except (ValueError, OSError, RecursionError) as error:
        raise HRMDataError(f"{path} is not readable JSON ({error}); restore it or build the dataset again") from None

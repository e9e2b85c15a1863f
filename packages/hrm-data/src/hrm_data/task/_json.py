"""Reads JSON files of a dataset directory, `task.json` among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hrm_data._errors import HRMDataError
from hrm_data.untrusted import parse_json, read_bytes, shortened

MOST_BYTES = 1 << 28
"""The most bytes of a JSON file: names of puzzles, of which a dataset may have millions."""
MOST_VALUES = 1 << 22
"""The most values in it: as many names take some hundred megabytes of memory."""


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
        return parse_json(read_bytes(path, MOST_BYTES), MOST_VALUES)
    except (ValueError, OSError) as error:
        raise HRMDataError(
            f"{path} is not readable JSON ({shortened(error)}); restore it or build the dataset again"
        ) from None

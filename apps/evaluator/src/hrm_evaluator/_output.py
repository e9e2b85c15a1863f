"""Output: JSON, and files that are written atomically; existing ones are kept unless `--overwrite` is given."""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from hrm_evaluator._errors import UserError


def to_json(value: Any) -> str:
    """Return JSON on one line; a number that is not finite, which JSON cannot hold, becomes null."""
    return json.dumps(finite(value), allow_nan=False)


def finite(value: Any) -> Any:
    """Return a value of JSON with null in place of numbers that are not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    return [finite(inner) for inner in value] if isinstance(value, list | tuple) else value


def check_writable(option: str, path: Path | None, *, overwrite: bool) -> None:
    """Refuse a path that cannot be written, before any work is done.

    Missing directories are no fault, because `atomic_file` makes them.

    Raises:
        UserError: If the path is a directory, exists without `overwrite`, or lies where nothing can be written.
    """
    if path is None:
        return
    if path.is_dir():
        raise UserError(f"{option} {path}: is a directory; name a file in it")
    if path.exists() and not overwrite:
        raise UserError(f"{option} {path}: exists already; choose another name or add --overwrite")
    parent = next(parent for parent in path.absolute().parents if parent.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise UserError(f"{option} {path}: {parent} is not a writable directory")


def check_new(option: str, path: Path | None) -> None:
    """Refuse a path of a file that must be new, before any work is done.

    Raises:
        UserError: If the file exists, or its directory does not.
    """
    if path is None:
        return
    if path.exists():
        raise UserError(f"{option} {path}: exists already; choose another name")
    if not path.parent.is_dir():
        raise UserError(f"{option} {path}: the directory {path.parent} does not exist")


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that appears under its name only when it is complete; it replaces an earlier one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def publish_new(option: str, complete: Path, path: Path) -> None:
    """Sync a complete file and give it its final name, which must still be free.

    Raises:
        UserError: If a file of that name appeared in the meantime.
    """
    with complete.open("rb") as file:
        os.fsync(file.fileno())
    try:
        os.link(complete, path)
    except FileExistsError:
        raise UserError(f"{option} {path}: exists already; choose another name") from None

"""Files that a user asked for: never over others unaskedly, and whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from hrm_evaluator._errors import UserError


def claim(option: str, path: Path | None, *, overwrite: bool) -> None:
    """Refuse, before any work is done, to write where something is or nothing can be.

    Raises:
        UserError: If there is a file and it shall stay, or something that is no file.
    """
    if path is None:
        return
    if path.is_dir():
        raise UserError(f"{option} {path}: is a directory; name a file in it")
    if path.exists() and not overwrite:
        raise UserError(f"{option} {path}: exists already; name another or say --overwrite")
    parent = next(parent for parent in path.absolute().parents if parent.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise UserError(f"{option} {path}: nothing can be written in {parent}")


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes its name, and the place of an earlier one, only when it is complete."""
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

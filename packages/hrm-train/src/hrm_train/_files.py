"""Files and directories that are written atomically, without following a link that somebody else has put there."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

_TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}\.tmp")  # what `tempfile` makes of the prefixes and suffixes below
_UMASK = os.umask(0)  # read once, by one thread: reading it changes it for a moment
os.umask(_UMASK)


def sync(path: Path) -> None:
    """Wait until the disk holds a file's content, or a directory's entries."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_in_place(path: Path, mode: str) -> IO[str]:
    """Open a text file for appending or locking; a missing one is made, no content is removed.

    Raises:
        OSError: If it cannot be opened; `ELOOP` if it is a symbolic link.
    """

    def opener(name: str, flags: int) -> int:
        return os.open(name, (flags & ~os.O_TRUNC) | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)

    return open(path, mode, encoding="utf-8", opener=opener)


@contextmanager
def replacement(path: str | Path) -> Iterator[Path]:
    """Yield a temporary file that replaces `path` when the block succeeds: a crash leaves the old or the new content.

    Raises:
        OSError: With the file's name, if it cannot be written; the old content stays.
    """
    path = Path(path)
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        temporary = Path(name)
        try:
            os.fchmod(descriptor, 0o666 & ~_UMASK)
            os.close(descriptor)
            yield temporary
            sync(temporary)
            temporary.replace(path)
            sync(path.parent)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_text(path: Path, text: str) -> None:
    """Replace a file's content atomically.

    Raises:
        OSError: With the file's name, if it cannot be written; the old content stays.
    """
    with replacement(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2) + "\n")


@contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """Yield a temporary directory that becomes `path` when the block succeeds, and is removed when it fails.

    Raises:
        FileExistsError: If `path` exists.
    """
    if path.exists():
        raise FileExistsError(f"{path} exists and is not overwritten")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    try:
        temporary.chmod(0o777 & ~_UMASK)
        yield temporary
        for inside in temporary.rglob("*"):
            sync(inside)
        sync(temporary)
        temporary.rename(path)
        sync(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def remove_directory(path: Path) -> None:
    """Remove a directory; an interruption leaves nothing under its name."""
    doomed = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    path.rename(doomed)  # over an empty directory, which goes in the same moment
    shutil.rmtree(doomed)


def remove_leftovers(directory: Path) -> None:
    """Remove the temporary files of a killed process; no other process may be writing here."""
    for path in directory.glob(".*.tmp"):
        if not _TEMPORARY.fullmatch(path.name):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

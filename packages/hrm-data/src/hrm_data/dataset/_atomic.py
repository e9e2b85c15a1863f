"""Writes directories and files atomically: whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from hrm_data._errors import HRMDataError, HRMDataIOError

_PIECE = 1 << 22  # numbers written at a time


def check_new(root: Path) -> None:
    """Make the parents of `root`, before work for it begins.

    Raises:
        HRMDataError: `root` exists, or nothing can be written beside it.
    """
    if root.exists() or root.is_symlink():
        raise HRMDataError(f"{root} exists already; nothing is overwritten, remove it or choose another name")
    with disk_errors(root):
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root.parent):
            pass


@contextmanager
def new_directory(root: Path) -> Iterator[Path]:
    """A temporary directory beside `root` that becomes `root` at the end, synced; a reader sees all of it or nothing.

    It is removed after any exception, Ctrl-C included. The next build of `root` removes the leftovers of a killed
    one.

    Raises:
        HRMDataError: `root` exists, or the disk is full or cannot be written.
    """
    check_new(root)
    with disk_errors(root):
        _remove_leftovers(root)
        scratch, lock = _scratch(root)
        try:
            scratch.chmod(0o777 & ~_umask())
            yield scratch
            for folder in (*(path for path in scratch.rglob("*") if path.is_dir()), scratch):
                _sync(folder)
            try:
                scratch.rename(root)
            except OSError as error:
                raise HRMDataError(f"{root} could not be put in place: {error.strerror}; choose another name") from None
            _sync(root.parent)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            os.close(lock)


def _scratch(root: Path) -> tuple[Path, int]:
    """Return a new directory beside `root`, and the handle of the lock that this process holds on it."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=f".{root.name}.", suffix=".tmp", dir=root.parent))
        handle = os.open(path, os.O_RDONLY)
        with suppress(OSError):  # without file locks, leftovers stay
            fcntl.flock(handle, fcntl.LOCK_EX)
        if path.exists():
            return path, handle
        os.close(handle)  # another process took it for a leftover before it was locked


def _remove_leftovers(root: Path) -> None:
    """Remove the directories of `_scratch` that no process locks."""
    name = re.compile(rf"\.{re.escape(root.name)}\.[a-z0-9_]{{8}}\.tmp")
    for path in root.parent.iterdir():
        if not name.fullmatch(path.name) or path.is_symlink() or not path.is_dir():
            continue
        with suppress(OSError):  # it is held, gone meanwhile, or another user's
            handle = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)
            finally:
                os.close(handle)


@contextmanager
def disk_errors(root: Path) -> Iterator[None]:
    """Turn errors of the disk while `root` is made into an `HRMDataIOError` with a remedy."""
    try:
        yield
    except OSError as error:
        remedy = "free some space" if error.errno == errno.ENOSPC else "choose another place"
        raise HRMDataIOError(
            f"{root} cannot be written ({error.strerror or error}); nothing was kept, {remedy}"
        ) from None


@contextmanager
def synced(path: Path) -> Iterator[IO[bytes]]:
    """A new file that is on the disk when the block ends."""
    with path.open("xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def write_array_header(file: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Begin a `.npy` file; the elements follow in C order."""
    np.lib.format.write_array_header_1_0(file, {"descr": dtype.str, "fortran_order": False, "shape": shape})


def write_array(path: Path, array: np.ndarray, dtype: type[np.integer[Any]] | None = None) -> None:
    """Write a `.npy` file piece by piece, so that `array` may be anything that gives its rows in slices."""
    kind = np.dtype(dtype or array.dtype)
    rows = max(1, _PIECE // max((*array.shape[1:], 1)))
    with synced(path) as file:
        write_array_header(file, kind, array.shape)
        for start in range(0, len(array), rows):
            file.write(np.ascontiguousarray(array[start : start + rows], kind).data)


def write_json(path: Path, value: Any, indent: int | None = 1) -> None:
    """Write a JSON file; a list of a million names is written much faster on one line, with `indent` None."""
    with synced(path) as file:
        file.write(json.dumps(value, indent=indent).encode() + b"\n")


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

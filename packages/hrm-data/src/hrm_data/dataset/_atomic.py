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
_OWN: set[Path] = set()  # the claims of this process, absolute


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

    It is removed after any exception, Ctrl-C included, and `root` is claimed inside the block.

    Raises:
        HRMDataError: `root` exists, another process is making it, or the disk is full or cannot be written.
    """
    with disk_errors(root), claimed(root) as scratch:
        yield scratch
        for path in (*scratch.rglob("*"), scratch):
            _sync(path)
        try:
            scratch.rename(root)
        except OSError as error:
            raise HRMDataError(f"{root} could not be put in place: {error.strerror}; choose another name") from None
        _sync(root.parent)


@contextmanager
def claimed(root: Path) -> Iterator[Path]:
    """Keep other processes from making `root` during the block, for work that ends with a `new_directory`.

    The claim is an empty directory beside `root`, removed at the end. It is locked, and its name holds the number of
    the process; the next claim of `root` removes those of killed processes.

    Raises:
        HRMDataError: `root` exists, another process is making it, or nothing can be written beside it.
    """
    check_new(root)
    with disk_errors(root):
        with _one_claim_at_a_time(root.parent):
            _refuse_claimed(root)
            prefix = f".{root.name}.{os.getpid()}-"
            path = Path(tempfile.mkdtemp(prefix=prefix, suffix=".tmp", dir=root.parent))
            lock = os.open(path, os.O_RDONLY)
            _flock(lock, fcntl.LOCK_EX)
        own = path.absolute()
        _OWN.add(own)
        try:
            path.chmod(0o777 & ~_umask())
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
            _OWN.discard(own)
            os.close(lock)


def _refuse_claimed(root: Path) -> None:
    """Raise if another process claims or has made `root`; remove the claims of killed processes."""
    check_new(root)
    name = re.compile(rf"\.{re.escape(root.name)}\.(\d+)-[a-z0-9_]{{8}}\.tmp")
    for path in sorted(root.parent.iterdir()):
        match = name.fullmatch(path.name)
        if match is None or path.absolute() in _OWN or path.is_symlink() or not path.is_dir():
            continue
        with suppress(OSError):  # it is gone meanwhile, or another user's
            handle = os.open(path, os.O_RDONLY)
            try:
                if _flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    shutil.rmtree(path)
            except BlockingIOError:
                raise HRMDataError(
                    f"{root} is being made by process {match[1]}; wait for it, or choose another name"
                ) from None
            finally:
                os.close(handle)


@contextmanager
def _one_claim_at_a_time(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        _flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _flock(handle: int, how: int) -> bool:
    """Lock a file until it is closed, or the process ends; return whether its file system has locks.

    Without locks leftovers stay, and the last step decides which process was first.
    """
    try:
        fcntl.flock(handle, how)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


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


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

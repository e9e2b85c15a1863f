"""The folder in which MLX keeps the CPU kernels of `mx.compile`, and what can make it unusable."""

import errno
import os
import pwd
import stat
import tempfile
from pathlib import Path

import mlx.core as mx

# The C++ library takes the first of these that is set, whatever it holds, and else /tmp.
_VARIABLES = ("TMPDIR", "TMP", "TEMP", "TEMPDIR")
_NEEDED = 16 << 20  # bytes: the kernels of a training step take a third of it, and g++ writes files in between
REMEDY = f"set TMPDIR to a directory of your own with {_NEEDED >> 20} MiB free"
_FULL = (errno.ENOSPC, errno.EDQUOT)


def temporary_directory() -> Path:
    """Return the directory below which MLX keeps its kernels. It may not exist."""
    name = _named()
    return Path(os.environ[name] if name else "/tmp")


def kernel_folder(base: Path) -> Path:
    """Return where MLX keeps the kernels below a directory for temporary files."""
    return base / "mlx" / mx.__version__ / "cpu"  # type: ignore[attr-defined]


def temporary_directory_problem() -> str:
    """Return what is wrong with the temporary directory that the environment names, or an empty string.

    Example:
        >>> import os
        >>> from hrm_ops import temporary_directory_problem
        >>> os.environ["TMPDIR"] = "/nowhere"
        >>> temporary_directory_problem()
        'TMPDIR is /nowhere, which is no directory, and MLX compiles there; make it, or unset TMPDIR'
        >>> del os.environ["TMPDIR"]
    """
    name = _named()
    if not name or Path(os.environ[name]).is_dir() or "MLX_DISABLE_COMPILE" in os.environ:
        return ""
    return f"{name} is {os.environ[name]}, which is no directory, and MLX compiles there; make it, or unset {name}"


def folder_problem(base: Path) -> str:
    """Make the folder for kernels below a directory; return why it cannot be used, or an empty string."""
    try:
        folder = _claim(base)
        filesystem = os.statvfs(folder)
        free = filesystem.f_bavail * filesystem.f_frsize
        if free < _NEEDED:
            return f"{base} is full: {free >> 10:,} KiB are free, and kernels need {_NEEDED >> 20} MiB"
        if filesystem.f_flag & os.ST_NOEXEC:
            return f"{base} is mounted so that no program runs from it (noexec)"
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".hrm-ops-") as file:
            file.write(bytes(1 << 16))
    except OSError as error:
        if error.errno in _FULL:
            return f"{base} is full ({error.strerror})"
        return f"{kernel_folder(base)} cannot be written to ({error.strerror})"
    except _UnusableError as error:
        return str(error)
    return ""


class _UnusableError(Exception):
    """The folder is there but must not be used."""


def _claim(base: Path) -> Path:
    """Make the folder if it is missing. Refuse one that another user can write to: its kernels run in this process."""
    folder = kernel_folder(base)
    if not base.is_dir():
        raise _UnusableError(f"{base} is no directory")
    for part in (base / "mlx", folder.parent, folder):
        try:
            part.mkdir(mode=0o755)
        except FileExistsError:
            found = part.lstat()
            if not stat.S_ISDIR(found.st_mode):
                raise _UnusableError(f"{part} is no directory") from None
            if found.st_uid != os.geteuid():
                raise _UnusableError(f"{part} belongs to another user, {_name(found.st_uid)}") from None
            if found.st_mode & stat.S_IWOTH:
                raise _UnusableError(f"{part} can be written to by every user") from None
        except OSError as error:
            if error.errno in _FULL:
                raise
            raise _UnusableError(f"{part} cannot be made ({error.strerror})") from None
    return folder


def _named() -> str:
    """The variable of the environment that names the directory for temporary files, or an empty string."""
    return next((name for name in _VARIABLES if name in os.environ), "")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"number {uid}"

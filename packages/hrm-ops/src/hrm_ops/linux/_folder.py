"""The folder in which MLX keeps the CPU kernels of `mx.compile`, and what can make it unusable."""

import errno
import fcntl
import os
import pwd
import stat
import struct
import tempfile
from pathlib import Path

import mlx.core as mx

# The C++ library takes the first of these that is set, whatever it holds, and else /tmp.
VARIABLES = ("TMPDIR", "TMP", "TEMP", "TEMPDIR")
_DEFAULT = "/tmp"
_NEEDED = 16 << 20  # bytes: the kernels of a training step take a third of it, and g++ writes files in between
REMEDY = f"set TMPDIR to a directory of your own with {_NEEDED >> 20} MiB free"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_OVERFLOW = 65534  # the owner that a container shows for users of the machine around it
_ELF = struct.Struct("<4s36xQ10xHH")  # magic, offset of the section headers, their size and number


def temporary_directory() -> Path:
    """Return the directory below which MLX keeps its kernels. It may not exist."""
    return Path(os.environ[_named()] if is_named() else _DEFAULT)


def is_named() -> bool:
    """Return whether the environment names the directory for temporary files."""
    return bool(_named())


def kernel_folder(base: Path) -> Path:
    """Return where MLX keeps the kernels below a directory for temporary files."""
    return base / "mlx" / mx.__version__ / "cpu"  # type: ignore[attr-defined]


def own_directory() -> Path:
    """Return the directory for kernels in the user's cache. It may not exist."""
    from platformdirs import user_cache_path  # installed on Linux only

    return user_cache_path("hrm") / "kernels"


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
    value = os.environ.get(name, "")
    if not name or (value and Path(value).is_dir()) or "MLX_DISABLE_COMPILE" in os.environ:
        return ""
    what = f"{name} is {value}, which is no directory" if value else f"{name} is set to nothing"
    return f"{what}, and MLX compiles there; make it, or unset {name}"


def is_shared(base: Path) -> bool:
    """Return whether a directory is for several users, as /tmp is."""
    try:
        found = base.stat()
    except OSError:
        return False
    return found.st_uid != os.geteuid() or bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def make_private(base: Path) -> str:
    """Make a directory that only this user can enter; return why that is impossible, or an empty string."""
    try:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        if is_shared(base):
            return f"{base} {_whose(base.stat())}"
        base.chmod(0o700)
    except OSError as error:
        return f"{base} cannot be made ({error.strerror})"
    return ""


def folder_problem(base: Path) -> str:
    """Make the folder for kernels below a directory; return why it cannot be used, or an empty string."""
    try:
        folder = _claim(base)
        if problem := filesystem_problem(base):
            return problem
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".hrm-ops-") as file:
            file.write(bytes(1 << 16))
    except OSError as error:
        if error.errno in _FULL:
            return f"{base} is full ({error.strerror})"
        return f"{kernel_folder(base)} cannot be written to ({error.strerror})"
    except _UnusableError as error:
        return str(error)
    return ""


def filesystem_problem(base: Path) -> str:
    """Return why no kernel can be on the file system of a directory, or an empty string."""
    filesystem = os.statvfs(base)
    if filesystem.f_flag & os.ST_RDONLY:
        return f"{base} cannot be written to ({os.strerror(errno.EROFS)})"
    free = filesystem.f_bavail * filesystem.f_frsize
    if free < _NEEDED:
        return f"{base} is full: {free >> 10:,} KiB are free, and kernels need {_NEEDED >> 20} MiB"
    if filesystem.f_flag & os.ST_NOEXEC:
        return f"{base} is mounted so that no program runs from it (noexec)"
    return ""


def remove_damaged(folder: Path) -> list[str]:
    """Remove the kernels that were written in part, as by a killed compiler, so that MLX compiles them again.

    Loading such a file can end the process.

    Returns:
        Their names.
    """
    removed = []
    for path in sorted(folder.glob("lib*.so")):
        try:
            with path.open("rb") as file:
                if _is_whole(file.read(_ELF.size), path.stat().st_size) or _is_written_now(file.fileno()):
                    continue
            path.unlink()
            removed.append(path.name)
        except OSError:  # removed by another process meanwhile
            continue
    return removed


def _is_whole(head: bytes, size: int) -> bool:
    """Whether a shared library is as long as its header says: the section headers are its last part."""
    if len(head) < _ELF.size:
        return False
    magic, start, each, count = _ELF.unpack(head)
    return magic == b"\x7fELF" and start > 0 and start + each * count <= size


def _is_written_now(descriptor: int) -> bool:
    """Whether a process has the file open for writing: no lease on reading is given then."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:
        return True
    return False


class _UnusableError(Exception):
    """The folder is there but must not be used."""


def _claim(base: Path) -> Path:
    """Make the folder if it is missing. Refuse one that another user can change: its kernels run in this process."""
    folder = kernel_folder(base)
    if not base.is_dir():
        raise _UnusableError(f"{base} is no directory")
    for above in (base.resolve(), *base.resolve().parents):
        found = above.stat()
        is_sticky = found.st_mode & stat.S_ISVTX  # nobody can replace what belongs to others there
        if found.st_uid not in (0, os.geteuid(), _OVERFLOW) or (found.st_mode & stat.S_IWOTH and not is_sticky):
            raise _UnusableError(f"{above} {_whose(found)}")
    for part in (base / "mlx", folder.parent, folder):
        try:
            part.mkdir(mode=0o700)
        except FileExistsError:
            found = part.lstat()
            if not stat.S_ISDIR(found.st_mode):
                raise _UnusableError(f"{part} is no directory") from None
            if is_shared(part):
                raise _UnusableError(f"{part} {_whose(found)}") from None
        except OSError as error:
            if error.errno in _FULL:
                raise
            raise _UnusableError(f"{part} cannot be made ({error.strerror})") from None
    return folder


def _whose(found: os.stat_result) -> str:
    if found.st_uid not in (os.geteuid(), 0) or (found.st_uid != os.geteuid() and not found.st_mode & stat.S_IWOTH):
        return f"belongs to another user, {_name(found.st_uid)}"
    return f"can be written to by {'every user' if found.st_mode & stat.S_IWOTH else 'its group'}"


def _named() -> str:
    """The variable of the environment that names the directory for temporary files, or an empty string."""
    return next((name for name in VARIABLES if name in os.environ), "")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"number {uid}"

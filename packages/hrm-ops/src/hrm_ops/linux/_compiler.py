"""Whether MLX's CPU kernels compile here, and help where plain MLX fails.

For `mx.compile` on a Linux CPU, MLX writes C++, has the first `g++` of the PATH compile it, and keeps the kernel in the
directory for temporary files. Three things can fail: there is no compiler, the compiler fails, or the folder is
unusable. Which of them it is, is found out by compiling one kernel, when something is about to be compiled.

Delete the renaming in `gxx` once no MLX wheel contains preprocessed headers of an older compiler
(https://github.com/ml-explore/mlx/issues/2281), and all of it once MLX writes kernels under another name first.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx

from hrm_ops.linux._folder import (
    REMEDY,
    filesystem_problem,
    folder_problem,
    is_named,
    is_shared,
    kernel_folder,
    make_private,
    own_directory,
    remove_damaged,
    temporary_directory,
)
from hrm_ops.linux._patches import enabled, record

_WRAPPER = Path(__file__).with_name("gxx")
_RENAMED, _SPARED = "HRM_OPS_RENAMED", "HRM_OPS_SPARED"  # what the wrapper does
_MEMORY = "hrm-ops.json"  # in the folder of the kernels: with which compiler the wrapper renames there
_INSTALL = "install g++ (Debian, Ubuntu: apt install g++)"

# Prints the error of MLX itself, which contains what the compiler said.
_COMPILE = """
import sys, mlx.core as mx
mx.set_default_device(mx.cpu)
x = mx.arange(1000, dtype=mx.float32)
try:
    right = mx.allclose(mx.compile(lambda x: mx.square(x * 0.5) + x)(x), mx.square(x * 0.5) + x).item()
except RuntimeError as error:
    sys.exit(str(error))
sys.exit(None if right else "the kernel computes a wrong result")
"""


class KernelWarning(RuntimeWarning):
    """`mx.compile` has no effect; the message says why.

    Example:
        Where that must stop a program:

        >>> import warnings
        >>> from hrm_ops import KernelWarning
        >>> warnings.simplefilter("error", KernelWarning)
    """


@dataclass(frozen=True)
class KernelInfo:
    """Whether compiled functions get kernels of their own.

    Attributes:
        compiles: Whether they do. Otherwise they compute the same, but slower.
        problem: Why they do not, with the remedy; empty where they do.
        note: What had to be done so that they do, and why; empty where plain MLX works.

    Example:
        >>> from hrm_ops import KernelInfo
        >>> KernelInfo(compiles=False, problem="there is no g++ in the PATH").compiles
        False
    """

    compiles: bool
    problem: str = ""
    note: str = ""


_info: KernelInfo | None = None
_lock = threading.Lock()


def prepare_kernels(*, warn: bool = True) -> KernelInfo:
    """Make sure that compiled functions work before the first one is called; later calls return the first's result.

    On a Linux CPU it compiles one kernel in a process of its own, which takes about a second. The result is remembered
    for this compiler in the folder of the kernels. The wrapper of hrm-ops is put first in the PATH: it gives a kernel
    its name when it is whole and, where plain MLX fails, some types of MLX's sources another name. Kernels go to the
    directory for temporary files only if that is the user's own and usable, else to the user's cache directory: MLX
    runs what it finds there. Where nothing helps, `mx.disable_compile` is called and everything computes uncompiled.
    With `HRM_OPS_PATCH=0` nothing is changed but that. Everywhere else it returns at once.

    Args:
        warn: Whether a problem is a `KernelWarning` at the first call.

    Example:
        >>> from hrm_ops import prepare_kernels
        >>> info = prepare_kernels()
        >>> info.compiles or bool(info.problem)
        True
    """
    global _info
    if _info is not None:
        return _info
    with _lock:
        if _info is None:
            _info = check_kernels()
            if _info.problem and "MLX_DISABLE_COMPILE" not in os.environ:
                mx.disable_compile()
                if warn:
                    warnings.warn(f"mx.compile has no effect: {_info.problem}.", KernelWarning, stacklevel=2)
    return _info


def check_kernels(*, remembered: bool = True) -> KernelInfo:
    """Find out whether kernels compile, and help where plain MLX fails.

    Args:
        remembered: Whether the result of an earlier process counts.
    """
    if "MLX_DISABLE_COMPILE" in os.environ:
        return KernelInfo(False, "MLX_DISABLE_COMPILE is set; unset it")
    if sys.platform != "linux" or mx.default_device().type != mx.DeviceType.cpu:
        return KernelInfo(True)
    if problem := _compiler_problem():
        return KernelInfo(False, problem)
    base, problem, note = _choose_base()
    if problem:
        return KernelInfo(False, problem)
    if damaged := remove_damaged(kernel_folder(base)):
        count = f"{len(damaged)} damaged {'kernel was' if len(damaged) == 1 else 'kernels were'}"
        note = _joined(note, f"{count} removed from {kernel_folder(base)}; MLX compiles again")
    problem = _compile_somehow(base, remembered)
    return KernelInfo(not problem, problem, note)


def _compiler_problem() -> str:
    """Return why g++ cannot be used, or an empty string. MLX makes the same check before it compiles."""
    compiler = real_compiler()
    if not compiler:
        return f"there is no g++ in the PATH; {_INSTALL}"
    try:
        subprocess.run([compiler, "--version"], check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        return f"{compiler} does not work ({_first_line(_said_by(error))}); reinstall g++"
    return ""


def _said_by(error: Exception) -> str:
    said = getattr(error, "stderr", None)
    return said.decode(errors="replace") if said else str(error)


def _choose_base() -> tuple[Path, str, str]:
    """Return the directory below which kernels go, why there is none (or an empty string), and a note.

    It is the directory for temporary files if that is the user's own, else the user's cache directory. If nothing can
    be written there, it is the directory for temporary files again, with a folder of the user's own.
    """
    named = temporary_directory()
    if not enabled():
        problem = folder_problem(named)
        return named, f"{problem}; {REMEDY}" if problem else "", ""
    if is_shared(named):
        why = filesystem_problem(named) if is_named() else ""
    else:
        why = folder_problem(named)
        if not why:
            return named, "", ""
    own = own_directory()
    own_problem = make_private(own) or folder_problem(own)
    if own_problem:
        why = why or folder_problem(named)
        return named, f"{_joined(why, own_problem)}; {REMEDY}" if why else "", ""
    tempfile.gettempdir()  # Python keeps the directory that it has now
    os.environ["TMPDIR"] = str(own)
    record("TMPDIR", f"TMPDIR={own} in the environment", why or f"{named} is for several users")
    note = f"{why}, so kernels go to {own}; set TMPDIR to choose another directory" if why else ""
    return own, "", note


def _joined(*texts: str) -> str:
    return "; ".join(text for text in texts if text)


def _compile_somehow(base: Path, remembered: bool) -> str:
    """Put the wrapper first in the PATH, if anything may be changed; return why no kernel compiles, or nothing."""
    if Path(shutil.which("g++") or "").parent == _WRAPPER:  # put there by the process that started this one
        return ""
    compiler = real_compiler()
    memory = kernel_folder(base) / _MEMORY
    key = compiler_identity(compiler)
    renames = _recall(memory).get(key) if remembered else None
    if renames is None:
        failure = _failure_of_one(base, renames=False)
        renames = bool(failure)
        if failure and (not enabled() or _failure_of_one(base, renames=True)):
            return explain(failure, base)
        _remember(memory, key, renames)
    if enabled():
        os.environ |= _wrapped(renames)
        record("PATH", f"{_WRAPPER} is first in the PATH", "a kernel gets its name when it is whole")
        if renames:
            record("g++", f"{_RENAMED}=1 in the environment", "MLX's sources define types that this g++ has built in")
    return ""


def real_compiler() -> str:
    """Return the path of the first g++ in the PATH that is not the wrapper, or an empty string."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return shutil.which("g++", path=os.pathsep.join(f for f in folders if Path(f) != _WRAPPER)) or ""


@contextmanager
def compilers_spared() -> Iterator[None]:
    """Let compilers of kernels that are started in the block ignore stop signals.

    Ctrl-C reaches all processes of a terminal, and a step whose compiler is ended fails.

    Example:
        >>> from hrm_ops import compilers_spared
        >>> with compilers_spared():
        ...     pass
    """
    before = os.environ.get(_SPARED)
    os.environ[_SPARED] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(_SPARED, None)


def _wrapped(renames: bool) -> dict[str, str]:
    """The environment in which the wrapper is called."""
    return {"PATH": f"{_WRAPPER}{os.pathsep}{os.environ['PATH']}", **({_RENAMED: "1"} if renames else {})}


def _failure_of_one(base: Path, *, renames: bool) -> str:
    """Compile one kernel in an empty folder below `base`, and return what MLX says if that fails."""
    with tempfile.TemporaryDirectory(dir=base, prefix="hrm-ops-") as empty:
        environment = {**os.environ, "TMPDIR": empty, **(_wrapped(renames) if enabled() else {})}
        command = [sys.executable, "-P", "-c", _COMPILE]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        except (OSError, subprocess.SubprocessError) as error:
            return str(error)
        if done.returncode:
            return done.stderr.strip() or f"exit code {done.returncode}"
        return "" if any(Path(empty).rglob("*.so")) else "MLX made no kernel"


def explain(failure: str, base: Path) -> str:
    """Return in one clause, with the remedy, why MLX could not make or load a kernel.

    Args:
        failure: What MLX said.
        base: The directory for temporary files.
    """
    compiler = real_compiler() or "g++"
    if problem := folder_problem(base):
        return f"{problem}; {REMEDY}"
    if "No space left" in failure or "quota exceeded" in failure:
        return f"{base} is full; {REMEDY}"
    if "cannot open shared object file" in failure:
        return f"{compiler} was ended before a kernel was done; run the command again"
    if "Could not load C++ shared library" in failure or "Failed to load compiled function" in failure:
        remove_damaged(kernel_folder(base))
        return f"a kernel in {kernel_folder(base)} is damaged; remove that folder, and MLX compiles again"
    if "the output is:" in failure:
        said = _first_line(failure.rpartition("the output is:")[2])
        return f"{compiler} cannot compile MLX's kernels ({said}); repair it or put another g++ first in the PATH"
    return f"MLX cannot compile a kernel ({_first_line(failure)})"


def _first_line(text: str) -> str:
    """Return the first line that names an error, or else the first line."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return next((line for line in lines if "error" in line.lower()), lines[0] if lines else "it says nothing")[:200]


def forget() -> None:
    """Forget the remembered result, so that the next process checks again whether kernels compile."""
    with suppress(OSError):
        (kernel_folder(temporary_directory()) / _MEMORY).unlink()


def compiler_identity(compiler: str) -> str:
    """Return what changes with a compiler: its path, size and time."""
    real = Path(compiler).resolve()
    found = real.stat()
    return f"{real} {found.st_size} {found.st_mtime_ns}"


def _recall(memory: Path) -> dict[str, bool]:
    try:
        known = json.loads(memory.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(memory: Path, key: str, needs_wrapper: bool) -> None:
    with suppress(OSError), tempfile.NamedTemporaryFile("w", dir=memory.parent, delete=False) as file:
        json.dump({**_recall(memory), key: needs_wrapper}, file)
        file.flush()
        Path(file.name).replace(memory)

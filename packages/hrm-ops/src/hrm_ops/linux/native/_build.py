"""Compiles our own CPU kernels on first use, tries them in another process, and loads them.

They lie in the folder of MLX's kernels, under a name that stands for their sources, the compiler and the processor.
Where they cannot be had, everything computes with MLX's operations instead.

MLX's extensions are usually bound with nanobind, whose sources would have to be compiled as well, in the version of the
wheel. Here Python's arrays are read through the layout of nanobind's instances, which the trial checks.
"""

import ctypes
import hashlib
import os
import platform
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx

from hrm_ops.linux._compiler import compiler_identity, prepare_kernels, real_compiler
from hrm_ops.linux._folder import filesystem_problem, kernel_folder, temporary_directory
from hrm_ops.linux._patches import enabled

_HERE = Path(__file__).parent
_MLX = Path(mx.__file__).parent
_TUNED = "-march=native" if platform.machine() == "x86_64" else "-mcpu=native"
# What g++ is told of each library. C++20 is that of MLX's headers.
_COMMON = ["-std=c++20", "-fPIC", "-shared"]
_LIBRARIES = {
    "kernels": ["kernels.cpp", "-O3", _TUNED, "-fno-math-errno", "-Wno-psabi"],
    "primitive": ["primitive.cpp", "-O2", "-lmlx"],
}
_PATHS = [f"-I{_MLX / 'include'}", f"-L{_MLX / 'lib'}"]


@dataclass(frozen=True)
class Native:
    """Our kernels, loaded.

    Attributes:
        kernels: The functions that compute.
        primitive: What makes them operations of MLX.
    """

    kernels: ctypes.CDLL
    primitive: ctypes.PyDLL

    @staticmethod
    def load(kernels: Path, primitive: Path) -> "Native":
        """Load both libraries."""
        found = Native(ctypes.CDLL(str(kernels)), ctypes.PyDLL(str(primitive)))
        found.primitive.hrm_call.restype = ctypes.c_char_p
        return found


_lock = threading.Lock()
_result: tuple[Native | None, str] | None = None


def native() -> Native | None:
    """Return our kernels, built first where they are missing; None where there can be none."""
    return native_or_reason()[0]


def native_or_reason(*, remembered: bool = True) -> tuple[Native | None, str]:
    """Return our kernels, or why there are none.

    Args:
        remembered: Whether a failure of an earlier process counts.
    """
    global _result
    if _result is None:
        with _lock:
            if _result is None:
                _result = _find(remembered)
    return _result


def _find(remembered: bool) -> tuple[Native | None, str]:
    if not enabled():
        return None, "HRM_OPS_PATCH is 0"
    if sys.platform != "linux" or mx.default_device().type != mx.DeviceType.cpu:
        return None, "they serve MLX's Linux CPU backend"
    if not (info := prepare_kernels()).compiles:
        return None, info.problem
    try:
        return _load_or_build(kernel_folder(temporary_directory()), remembered), ""
    except (OSError, subprocess.SubprocessError, _UnusableError) as error:
        return None, str(error)


class _UnusableError(Exception):
    """The kernels cannot be built, or compute something else."""


def _load_or_build(folder: Path, remembered: bool) -> Native:
    key = _key()
    targets = {name: folder / f"libhrm-ops-{key}-{name}.so" for name in _LIBRARIES}
    failed = folder / f"hrm-ops-{key}.txt"
    if not all(target.exists() for target in targets.values()):
        if remembered and failed.exists():
            raise _UnusableError(failed.read_text())
        try:
            _build(folder, targets)
        except _UnusableError as error:
            if not filesystem_problem(folder):
                failed.write_text(str(error))
            raise
    return Native.load(**targets)


def _key() -> str:
    """Stand for everything on which the libraries depend."""
    found = hashlib.sha256()
    for path in sorted([*_HERE.glob("*.h"), *_HERE.glob("*.cpp")]):
        found.update(path.read_bytes())
    size = (_MLX / "lib" / "libmlx.so").stat().st_size
    found.update(repr([_COMMON, _LIBRARIES, size, compiler_identity(real_compiler()), _processor()]).encode())
    return found.hexdigest()[:16]


def _processor() -> list[str]:
    """The lines that name the first processor and what it can do."""
    lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    return [line for line in lines if line.partition("\t")[0].strip().lower() in ("model name", "flags", "features")]


def _build(folder: Path, targets: dict[str, Path]) -> None:
    """Compile both libraries at a time, and give them their names when they have passed the trial."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="hrm-ops-") as name:
        made = {library: Path(name) / target.name for library, target in targets.items()}
        compilers = {
            library: _start(
                [real_compiler(), *_COMMON, "-o", str(made[library]), str(_HERE / source), *_PATHS, *options]
            )
            for library, (source, *options) in _LIBRARIES.items()
        }
        for library, compiler in compilers.items():
            if said := _failure(compiler):
                raise _UnusableError(f"g++ cannot compile the {library}: {said}")
        trial = _start([sys.executable, "-P", "-m", "hrm_ops.linux.native._trial", *map(str, made.values())])
        if said := _failure(trial):
            raise _UnusableError(f"they fail their trial: {said}")
        for library, path in made.items():
            path.replace(targets[library])


def _start(command: list[str]) -> subprocess.Popen[str]:
    """Start a program that Ctrl-C in a terminal does not reach."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, process_group=0
    )


def _failure(process: subprocess.Popen[str]) -> str:
    """Wait for a program and return the last line that names an error, or an empty string."""
    _, said = process.communicate(timeout=300)
    lines = [line.strip() for line in said.splitlines() if "error" in line.lower()]
    return (lines[-1] if lines else f"exit code {process.returncode}")[:200] if process.returncode else ""

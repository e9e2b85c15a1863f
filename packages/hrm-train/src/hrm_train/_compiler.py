"""Whether mx.compile has an effect, a place for what it makes, and what it says when it fails."""

import os
import subprocess
import sys
from pathlib import Path

import mlx.core as mx


def compile_problem() -> str:
    """Return why a step will not be compiled, or nothing when it will; it trains the same without, but slower."""
    if "MLX_DISABLE_COMPILE" in os.environ:
        return "MLX_DISABLE_COMPILE is set"
    if sys.platform != "linux" or mx.default_device().type != mx.DeviceType.cpu:
        return ""
    try:  # what MLX does before it decides
        subprocess.run(["g++", "--version"], check=True, capture_output=True)
    except FileNotFoundError:
        return "there is no g++"
    except (OSError, subprocess.CalledProcessError) as error:
        return f"g++ does not work ({error})"
    return ""


def temporary_directory_problem() -> str:
    """Return what is wrong with the directory in which mx.compile puts its kernels, or nothing.

    MLX asks the C++ library for it, which takes the first of these variables that is set, whatever it holds.
    """
    name = next((name for name in ("TMPDIR", "TMP", "TEMP", "TEMPDIR") if name in os.environ), None)
    if name is None or Path(os.environ[name]).is_dir() or "MLX_DISABLE_COMPILE" in os.environ:
        return ""
    return f"{name} is {os.environ[name]}, which is no directory, and MLX compiles there; make it, or unset {name}"


def failure_of_mlx(error: RuntimeError) -> str:
    """Return in one line what MLX could not do, or nothing for an error that is not MLX's.

    MLX raises ``RuntimeError`` with its function's name in brackets for what it cannot compile, write or allocate.
    """
    text = str(error)
    if not text.startswith("["):
        return ""
    if "Failed to compile function" not in text:
        return text
    said = text.rpartition("the output is:")[2].strip().partition("\n")[0]
    return (
        f"g++ could not compile a kernel of mx.compile ({said}); repair g++, or set MLX_DISABLE_COMPILE=1 to "
        "compute the same without kernels, which is slower"
    )

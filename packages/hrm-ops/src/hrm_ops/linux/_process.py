"""Settings of MLX and of the C library that are made once for the whole process."""

import ctypes
import os
import sys

import mlx.core as mx

from hrm_ops.linux._folder import VARIABLES, make_private, own_directory
from hrm_ops.linux._patches import record

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_ONE_GIB = 1 << 30


def multiply_in_float32() -> None:
    """Let float32 products on CUDA be float32, as in PyTorch; MLX reads this variable at its first product."""
    if sys.platform == "linux":
        _set_default("MLX_ENABLE_TF32", "0", "TF32 rounds the factors of float32 products to 10 bits")


def let_lanes_overlap() -> None:
    """Make MLX walk wide graphs breadth first, so that all lanes get work from the start.

    MLX reads this variable at its first evaluation. By default it goes depth first as soon as more than 20
    arrays are wanted at once, and then fills one lane after the other.
    """
    if sys.platform == "linux":
        _set_default("MLX_BFS_MAX_WIDTH", "100000", "all lanes of a CPU get work from the start")


def unset_empty_directories() -> None:
    """Unset TMPDIR and its like where they are empty: the C++ library takes the empty name for a directory."""
    for name in VARIABLES:
        if os.environ.get(name) == "":
            del os.environ[name]
            record(name, f"the empty {name} is unset", "the C++ library takes it for a directory")


def keep_cuda_kernels_private() -> None:
    """Let MLX keep CUDA kernels in the user's cache directory: it runs what it finds in their folder."""
    if sys.platform == "linux" and mx.cuda.is_available() and "MLX_PTX_CACHE_DIR" not in os.environ:
        folder = own_directory() / "ptx" / mx.__version__  # type: ignore[attr-defined]
        if not (make_private(own_directory()) or make_private(folder)):
            _set_default("MLX_PTX_CACHE_DIR", str(folder), "other users can write to MLX's own folder in /tmp")


def keep_freed_memory() -> None:
    """Tell glibc to keep big freed blocks, because returning them costs a page fault for every page."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, _ONE_GIB)
        libc.mallopt(_M_TRIM_THRESHOLD, _ONE_GIB)
        record("malloc", "freed blocks of up to 1 GiB stay in the process", "returning them costs page faults")


def _set_default(name: str, value: str, reason: str) -> None:
    if name not in os.environ:
        os.environ[name] = value
        record(name, f"{name}={value} in the environment", reason)

"""Settings of MLX and of the C library that are made once for the whole process."""

import ctypes
import os
import sys

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

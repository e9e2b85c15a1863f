"""The device that MLX uses: chip, memory, backend, compiler, fused kernels."""

import os
import platform
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import mlx.core as mx

from hrm_ops.linux._blas import BlasInfo, blas_info
from hrm_ops.linux._compiler import real_compiler

_HEAD_DIMS = (32, 64, 80, 96, 128, 256)


@dataclass(frozen=True)
class DeviceInfo:
    """The result of `device_info`.

    Attributes:
        platform: Operating system, its release and the machine's architecture.
        chip: Name of the processor that MLX computes on.
        cores: CPU cores that this process may use.
        backend: `"metal"`, `"cuda"` or `"cpu"`, that of MLX's default device.
        memory: Bytes of memory that MLX's default device has in all.
        memory_available: Bytes of it that are free now.
        mlx: Version of MLX.
        blas: Which library multiplies matrices on the CPU.
        compiler: What turns `mx.compile` into kernels; empty when nothing does and it changes no speed.
        fused_attention: For each dtype the head sizes for which this backend has a fused attention kernel.

    Example:
        >>> from hrm_ops import device_info
        >>> device_info().backend in ("metal", "cuda", "cpu")
        True
    """

    platform: str
    chip: str
    cores: int
    backend: str
    memory: int
    memory_available: int
    mlx: str
    blas: BlasInfo
    compiler: str
    fused_attention: dict[str, list[int]]


def device_info() -> DeviceInfo:
    """Describe the device that MLX uses. It measures nothing; `diagnose` does.

    Example:
        >>> from hrm_ops import device_info
        >>> info = device_info()
        >>> info.memory >= info.memory_available > 0
        True
    """
    total, available = _memory()
    return DeviceInfo(
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        chip=str(mx.device_info().get("device_name", "")) or platform.processor() or platform.machine(),
        cores=len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
        backend=backend(),
        memory=total,
        memory_available=available,
        mlx=metadata.version("mlx"),
        blas=blas_info(),
        compiler=_compiler(),
        fused_attention={name: sizes for name in ("float32", "float16", "bfloat16") if (sizes := _fused_sizes(name))},
    )


def backend() -> str:
    """Return the backend of MLX's default device: `"metal"`, `"cuda"` or `"cpu"`."""
    if mx.default_device().type == mx.DeviceType.cpu:
        return "cpu"
    return "metal" if mx.metal.is_available() else "cuda"


def _compiler() -> str:
    if backend() != "cpu":
        return "the GPU's own"
    return real_compiler()


def _fused_sizes(dtype: str) -> list[int]:
    """Head sizes that MLX's fused kernel accepts. This builds a graph but computes nothing."""
    sizes = []
    for size in _HEAD_DIMS:
        q = mx.zeros((1, 1, 128, size), getattr(mx, dtype))
        try:
            mx.fast.scaled_dot_product_attention(q, q, q, scale=1.0, force_fused=True)
        except (ValueError, RuntimeError):
            continue
        sizes.append(size)
    return sizes


def _memory() -> tuple[int, int]:
    """Total and available bytes of the default device's memory."""
    info: dict[str, Any] = mx.device_info()
    for total_key, free_key in (("total_memory", "free_memory"), ("memory_size", "")):
        if total_key in info:  # a GPU's
            total = int(info[total_key])
            return total, int(info.get(free_key, total - mx.get_active_memory()))
    page = os.sysconf("SC_PAGE_SIZE")
    total = page * os.sysconf("SC_PHYS_PAGES")
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return total, total
    fields = dict(line.split(":") for line in meminfo.read_text().splitlines())
    available = int(fields["MemAvailable"].split()[0]) * 1024
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and (text := limit.read_text().strip()).isdigit():  # a container's
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        total, available = min(total, int(text)), min(available, int(text) - used)
    return total, max(available, 1)

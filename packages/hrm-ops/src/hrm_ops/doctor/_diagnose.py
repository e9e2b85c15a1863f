"""Whether MLX works here, and how fast. The module can be imported without MLX."""

import importlib.util
import math
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from hrm_ops.doctor._backend import import_problem, package_problem
from hrm_ops.doctor._busy import OtherWork, settled_seconds

if TYPE_CHECKING:
    import mlx.core as mx

    from hrm_ops.doctor._device import DeviceInfo

# Matrices that are multiplied, and batch and length of the attention that is measured: a GPU needs more to be busy.
_SIZES = {"cpu": (1024, 1, 512), "metal": (4096, 4, 2048), "cuda": (4096, 4, 2048)}
_HEADS, _HEAD_DIMS = 8, 64

# GFLOP/s in float32 below which something is in the way. MLX's reference BLAS reaches 4, OpenBLAS 30 to 130 a core.
_LEAST_PER_CORE, _MOST_CORES = 10, 16  # more cores share a product of this size badly
_LEAST_OF_GPU = 200
_LEAST_PART = 0.2  # of the products' rate on one core, that attention reaches; on a GPU it may lack a kernel


Verdict: TypeAlias = Literal["fast", "slow", "busy", "broken"]


@dataclass(frozen=True)
class Diagnosis:
    """The result of `diagnose`.

    Attributes:
        verdict: `"fast"`, `"slow"` (it works, and `advice` says what would make it faster), `"busy"` (it works, but
            other programs disturb the measurement of its speed) or `"broken"`.
        problems: What is broken, each with its remedy. Empty unless broken.
        advice: What to install or to do for speed.
        device: The device, None where MLX cannot be imported.
        compile_works: Whether a compiled function gives the right result in a kernel of its own.
        native_problem: Why blocks are not computed in kernels of our own; empty where they are, and on a GPU.
        rates: Measured float32 rates in GFLOP/s: `matmul` and `attention`, on a GPU also of `bfloat16`.
        notes: What had to be worked around, and why; nothing is slower for it.
        busy: Signs of other work on this machine during the measurement.

    Example:
        >>> from hrm_ops import diagnose
        >>> diagnose().verdict in ("fast", "slow", "busy")
        True
    """

    verdict: Verdict
    problems: list[str]
    advice: list[str]
    device: "DeviceInfo | None" = None
    compile_works: bool = False
    native_problem: str = ""
    rates: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON types; `device` is null if MLX cannot be imported."""
        return {"python": platform.python_version(), **asdict(self)}


def diagnose() -> Diagnosis:
    """Check that MLX computes correct results, measure its speed, and list what is missing. This takes seconds.

    Example:
        >>> from hrm_ops import diagnose
        >>> result = diagnose()
        >>> result.problems, result.rates["matmul"] > 0
        ([], True)
    """
    if problem := import_problem():
        return Diagnosis("broken", [problem], [])
    from hrm_ops.doctor._device import device_info

    device = device_info()
    problems = [problem for problem in (package_problem(), _blas_problem(device)) if problem]
    rates: dict[str, float] = {}
    for check in (_check_products, _check_attention):
        try:
            check()
        except Exception as error:  # whatever the backend raises is the cause that is reported
            problems.append(f"{check.__doc__} failed: {error}")
    compile_problem, note = _check_compile(device.backend)
    compile_works = not compile_problem
    if compile_problem and device.compiler and "MLX_DISABLE_COMPILE" not in os.environ:
        problems.append(f"mx.compile has no effect: {compile_problem}.")
    native_problem = _check_native(device.backend) if compile_works else compile_problem
    busy: list[str] = []
    if not problems:
        rates, busy = _rates(device.backend)
    advice = [] if problems else _missing(device, compile_works)
    if compile_works and native_problem and not problems:
        advice.append(f"Blocks take about 1.5 times as long without kernels of our own: {native_problem}.")
    verdict: Verdict = "broken" if problems else "slow" if advice else "busy" if busy else "fast"
    if verdict == "busy":
        advice = [f"{' and '.join(busy)}: the rates are lower bounds; end other programs, and ask again."]
    elif verdict == "fast" and (advice := _too_slow(device, rates)):
        verdict = "slow"
    return Diagnosis(
        verdict, problems, advice, device, compile_works, native_problem, rates, [note] if note else [], busy
    )


def _blas_problem(device: "DeviceInfo") -> str:
    """Return why an installed OpenBLAS is not in use, or an empty string."""
    if platform.system() != "Linux" or device.backend != "cpu" or device.blas.active:
        return ""
    if importlib.util.find_spec("scipy_openblas32") is None:
        return ""
    return (
        "scipy-openblas32 is installed but does not serve, so matrix products are about 40 times too slow: "
        f"{device.blas.reason.rstrip('.')}. Remedy: pip install --force-reinstall scipy-openblas32."
    )


def _missing(device: "DeviceInfo", compile_works: bool) -> list[str]:
    """Return what to install for more speed."""
    if device.backend != "cpu":
        return []
    advice = []
    if _has_nvidia_driver():
        advice.append(
            "An NVIDIA driver is loaded but MLX computes on the CPU: pip uninstall --yes mlx-cpu, "
            "then pip install 'mlx[cuda13]' (or 'mlx[cuda12]')."
        )
    if platform.system() == "Linux" and not device.blas.active:
        advice.append(
            f"Matrix products are about 40 times too slow: {device.blas.reason} pip install scipy-openblas32."
        )
    if not compile_works and "MLX_DISABLE_COMPILE" in os.environ:
        advice.append("mx.compile has no effect: unset MLX_DISABLE_COMPILE.")
    elif not compile_works:
        advice.append("mx.compile has no effect without g++ (Debian and Ubuntu: apt install g++).")
    return advice


def _has_nvidia_driver() -> bool:
    return Path("/proc/driver/nvidia/version").exists()


def _too_slow(device: "DeviceInfo", rates: dict[str, float]) -> list[str]:
    """Return which measured rate is lower than on any idle machine, and the likely causes."""
    products, attention = rates.get("matmul", math.inf), rates.get("attention", math.inf)
    least, least_of_attention = float(_LEAST_OF_GPU), 0.0
    if device.backend == "cpu":
        cores = min(device.cores, _MOST_CORES)
        least, least_of_attention = float(_LEAST_PER_CORE * cores), products / cores * _LEAST_PART
    if products < least:
        return [
            f"Matrix products reach {products} GFLOP/s, where at least {least:.0f} are to be expected of "
            f"{device.chip}, {device.cores} cores: look for a limit on processor time (of a container, say), "
            "OPENBLAS_NUM_THREADS or a power-saving mode."
        ]
    if attention < least_of_attention:
        return [
            f"Attention reaches {attention} GFLOP/s, where at least {least_of_attention:.0f} are to be expected beside "
            f"products at {products}: pip install --upgrade mlx hrm-ops."
        ]
    return []


def _check_products() -> None:
    """A matrix product."""
    import mlx.core as mx

    got = mx.arange(6, dtype=mx.float32).reshape(2, 3) @ mx.ones((3, 2))
    if got.tolist() != [[3.0, 3.0], [12.0, 12.0]]:
        raise ArithmeticError(f"got {got.tolist()}")


def _check_attention() -> None:
    """Attention against its plain expression."""
    import mlx.core as mx

    from hrm_ops._attention._attention import attention

    q = mx.sin(mx.arange(2 * 40 * 64, dtype=mx.float32)).reshape(1, 2, 40, 64)
    plain = mx.softmax(q @ q.swapaxes(-1, -2) / 8, axis=-1) @ q
    error = mx.abs(attention(q, q, q) - plain).max()
    if not (error < 1e-2).item():  # a GPU may multiply in a shortened float32
        raise ArithmeticError(f"the largest error is {error.item()}")


_COMPILE = """
import mlx.core as mx
x = mx.arange(1000, dtype=mx.float32)
got = mx.compile(lambda x: mx.square(x * 0.5) + x)(x)
assert mx.allclose(got, mx.square(x * 0.5) + x).item(), "the result is wrong"
"""


def _check_compile(backend: str) -> tuple[str, str]:
    """Return why compiled functions get no kernels (or an empty string), and which work-around was needed."""
    from hrm_ops.linux._compiler import check_kernels

    kernels = check_kernels(remembered=False)
    if backend == "cpu" or not kernels.compiles:
        return kernels.problem, kernels.note
    done = subprocess.run([sys.executable, "-c", _COMPILE], capture_output=True, text=True, timeout=300, check=False)
    said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return (f"a compiled function failed ({said}); set MLX_DISABLE_COMPILE=1" if done.returncode else ""), ""


def _check_native(backend: str) -> str:
    """Return why there are no kernels of our own, or an empty string."""
    from hrm_ops.linux.native._build import native_or_reason

    return native_or_reason(remembered=False)[1] if backend == "cpu" and platform.system() == "Linux" else ""


def _rates(backend: str) -> tuple[dict[str, float], list[str]]:
    """Return the rates in GFLOP/s, and signs of other work on the machine while they were measured."""
    import mlx.core as mx

    from hrm_ops._attention._attention import attention

    rates, spread = {}, 0.0
    size, batch, length = _SIZES[backend]
    others = OtherWork()
    for dtype in (mx.float32,) if backend == "cpu" else (mx.float32, mx.bfloat16):
        suffix = "" if dtype == mx.float32 else " bfloat16"
        x = mx.random.normal((size, size)).astype(dtype)
        q = mx.random.normal((batch, _HEADS, length, _HEAD_DIMS)).astype(dtype)
        mx.eval(x, q)
        works: dict[str, tuple[int, Callable[[], mx.array]]] = {
            "matmul": (2 * size**3, partial(mx.matmul, x, x)),
            "attention": (4 * batch * _HEADS * length**2 * _HEAD_DIMS, partial(attention, q, q, q)),
        }
        for name, (flops, work) in works.items():
            seconds = settled_seconds(partial(_evaluate, work))
            rates[f"{name}{suffix}"] = round(flops / seconds.fastest / 1e9, 1)
            spread = max(spread, seconds.spread)
    return rates, others.signs(spread)


def _evaluate(work: "Callable[[], mx.array]") -> None:
    import mlx.core as mx

    mx.eval(work())

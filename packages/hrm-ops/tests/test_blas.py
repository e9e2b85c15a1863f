"""On a Linux CPU MLX's products run in OpenBLAS, whatever the process did before."""

import ctypes
import mmap
import os
import subprocess
import sys
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from hrm_ops.linux import _blas

needs_openblas = pytest.mark.skipif(
    sys.platform != "linux" or mx.default_device().type == mx.DeviceType.gpu, reason="Linux CPU only"
)

# MLX's three references point into OpenBLAS's mapping, and the product is right.
CHECK = """
import ctypes, mlx.core as mx, hrm_ops
from hrm_ops.linux import _blas
info = _blas.blas_info()
assert info.active, info
lines = [line for line in open("/proc/self/maps") if line.rstrip().endswith(info.path)]
spans = [[int(end, 16) for end in line.split()[0].split("-")] for line in lines]
slots = _blas._find_slots()
assert {slot.symbol for slot in slots} == {b"cblas_sgemm", b"cblas_dgemm", b"cblas_cgemm"}
assert all(any(low <= slot.read() < high for low, high in spans) for slot in slots)
assert mx.matmul(mx.full((3, 4), 2.0), mx.ones((4, 5))).tolist() == [[8.0] * 5] * 3
"""
MULTIPLY = "import mlx.core as mx; mx.eval(mx.ones((9, 9)) @ mx.ones((9, 9)))\n"
LOAD_NETLIB = """
import ctypes, pathlib, sysconfig
for name in ("libgfortran*", "libblas*"):
    for path in pathlib.Path(sysconfig.get_path("purelib"), "mlx_cpu.libs").glob(name):
        ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL).cblas_sgemm if name == "libblas*" else None
"""
NOTHING_LOADED = """
import hrm_ops
from hrm_ops.linux import _blas
assert not _blas.blas_info().active and _blas.blas_info().reason, _blas.blas_info()
assert "scipy_openblas32" not in sys.modules
assert "libscipy_openblas.so" not in open("/proc/self/maps").read()
with _blas.blas_threads(1):
    pass
"""


def run(code: str, **environment: str) -> None:
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


@needs_openblas
@pytest.mark.parametrize(
    ("before", "environment"),
    [
        ("", {}),
        ("", {"LD_BIND_NOW": "1"}),
        (MULTIPLY, {}),
        ("import numpy; numpy.ones((9, 9)) @ numpy.ones((9, 9))\n", {}),
        (LOAD_NETLIB, {}),
        (LOAD_NETLIB + MULTIPLY, {}),
        ("import scipy_openblas32\n", {}),
    ],
    ids=["nothing", "bound at load", "mlx multiplied", "numpy", "netlib", "netlib, multiplied", "the wheel"],
)
def test_answers_whatever_was_loaded_before(before: str, environment: dict[str, str]) -> None:
    run(before + CHECK + "import numpy\n", **environment)


@needs_openblas
def test_reloading_and_forking_keep_it() -> None:
    again = "import importlib, os; importlib.reload(_blas); _blas.install(); assert _blas.blas_info().active\n"
    child = "os.fork() == 0 and os._exit(mx.sum(mx.ones((2, 3)) @ mx.ones((3, 2))).item() != 12)\n"
    run(
        "import hrm_ops, mlx.core as mx\nfrom hrm_ops.linux import _blas\n" + again + child + "assert os.wait()[1] == 0"
    )


@needs_openblas
@pytest.mark.parametrize("stream", ["mx.default_stream(mx.cpu)", "mx.new_stream(mx.cpu)"])
def test_exit_with_a_product_still_running_does_not_hang(stream: str) -> None:
    start = "import hrm_ops, mlx.core as mx; a = mx.ones((1500, 1500)); mx.eval(a); "
    run(start + f"mx.set_default_stream({stream}); mx.async_eval(a @ a @ a @ a)")


@needs_openblas
def test_missing_wheel_is_one_warning_with_the_reason() -> None:
    run(
        "import sys, warnings; sys.modules['scipy_openblas32'] = None\n"
        "with warnings.catch_warnings(record=True) as caught:\n    warnings.simplefilter('always')\n"
        "    import hrm_ops\n    from hrm_ops.linux import _blas\n"
        "assert [w.category for w in caught] == [_blas.BlasWarning], caught\n"
        "assert 'scipy-openblas32 is not installed' in str(caught[0].message)\n"
        "del sys.modules['scipy_openblas32']\n" + NOTHING_LOADED
    )


@pytest.mark.parametrize(
    "pretend",
    ["sys.platform = 'darwin'", "mx.default_device = lambda: mx.Device(mx.gpu)"],
    ids=["macOS", "GPU"],
)
def test_nothing_is_loaded_elsewhere(pretend: str) -> None:
    run(f"import ctypes, sys, mlx.core as mx\n{pretend}\n" + NOTHING_LOADED)


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
@pytest.mark.parametrize(
    ("left", "right", "axes"),
    [
        ((3, 5), (5, 4), (0, 1)),
        ((65, 129), (33, 129), (1, 0)),
        ((7, 2, 31, 64), (7, 2, 31, 64), (0, 1, 3, 2)),
        ((4, 1, 20, 16), (3, 16, 9), (0, 1, 2)),
        ((300, 1), (1, 200), (0, 1)),
        ((256, 512), (512, 384), (0, 1)),
    ],
)
def test_products_equal_numpys_to_rounding(
    left: tuple[int, ...], right: tuple[int, ...], axes: tuple[int, ...], dtype: type
) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal(left).astype(dtype), rng.standard_normal(right).astype(dtype)
    if dtype is np.complex64:
        x, y = x * (1 + 2j), y * (2 - 1j)
    x, y = x.astype(dtype), y.astype(dtype)
    got = mx.array(x) @ mx.array(y).transpose(axes)
    np.testing.assert_allclose(np.array(got), x @ y.transpose(axes), rtol=1e-4, atol=1e-3)


@needs_openblas
def test_threads_are_limited_inside_the_block_only() -> None:
    before = _blas.blas_info().threads
    with _blas.blas_threads(1):
        assert _blas.blas_info().threads == 1
    assert _blas.blas_info().threads == before
    with pytest.raises(ValueError, match="at least 1, but is 0"), _blas.blas_threads(0):
        pass


@needs_openblas
def test_threads_follow_affinity_and_environment() -> None:
    threads = (
        "import hrm_ops; from hrm_ops.linux import _blas; assert _blas.blas_info().threads == 1, _blas.blas_info()"
    )
    run("import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n" + threads)
    run(threads, OPENBLAS_NUM_THREADS="1")
    run(threads, OMP_NUM_THREADS="1")


@needs_openblas
def test_a_wrong_product_puts_the_references_back(monkeypatch: pytest.MonkeyPatch) -> None:
    slots = _blas._find_slots()
    before = [slot.read() for slot in slots]
    # A function that writes no result stands in for every product.
    monkeypatch.setattr(_blas, "_GEMM", {name: "scipy_openblas_get_num_threads" for name in _blas._GEMM})
    with pytest.raises(_blas._UnusableError, match="wrong product"):
        _blas._redirect(slots, _blas._load_openblas())
    assert [slot.read() for slot in slots] == before


@needs_openblas
def test_a_sealed_slot_is_written_and_sealed_again() -> None:
    page = mmap.mmap(-1, mmap.PAGESIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    _blas._protect(address, mmap.PROT_READ)
    slot = _blas._Slot(b"cblas_sgemm", address + 8, sealed=True)
    slot.write(42)
    mapped = [line for line in Path("/proc/self/maps").read_text().splitlines() if line.startswith(f"{address:x}-")]
    assert slot.read() == 42
    assert mapped[0].split()[1].startswith("r--")

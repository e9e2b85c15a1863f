import os
import sys
from collections.abc import Callable

import mlx.core as mx
import pytest
from hrm_ops import blas_info, blas_threads, lane_threads, lanes, share_cores
from hrm_ops.linux import _lanes

linux = pytest.mark.skipif(
    sys.platform != "linux" or mx.default_device().type != mx.DeviceType.cpu,
    reason="lanes are for MLX's Linux CPU backend",
)


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that says how many cores there are, and forget afterwards who shares them."""
    monkeypatch.setattr(_lanes, "_processes", 1)

    def pretend(count: int) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(count)))

    return pretend


@linux
@pytest.mark.parametrize(
    ("processes", "batch", "expected"), [(1, 8, 4), (1, 6, 3), (1, 7, 1), (2, 8, 2), (4, 8, 1), (9, 8, 1)]
)
def test_a_process_takes_its_share_of_the_cores_and_lanes_divide_the_batch(
    processes: int, batch: int, expected: int, cores: Callable[[int], None]
) -> None:
    cores(4)
    share_cores(processes)
    assert len(lanes(batch)) == expected


@linux
def test_processes_that_share_the_cores_share_the_blas_threads(cores: Callable[[int], None]) -> None:
    if not blas_info().active:
        pytest.skip("OpenBLAS is not active here")
    cores(4)
    before = blas_info().threads
    with lane_threads(7):
        assert blas_info().threads == before
    share_cores(2)
    with lane_threads(7):  # one lane, for 7 slots do not divide
        assert blas_info().threads == 2
    with lane_threads(8):
        assert blas_info().threads == 1
    assert blas_info().threads == before


@linux
def test_small_work_takes_one_thread(cores: Callable[[int], None]) -> None:
    if not blas_info().active:
        pytest.skip("OpenBLAS is not active here")
    cores(4)
    with blas_threads(4):
        for multiplications, threads in ((10**6, 1), (10**12, 4), (None, 4)):
            with lane_threads(1, multiplications):
                assert blas_info().threads == threads
        assert blas_info().threads == 4


def test_there_is_at_least_one_process() -> None:
    with pytest.raises(ValueError, match="processes must be at least 1, but is 0"):
        share_cores(0)

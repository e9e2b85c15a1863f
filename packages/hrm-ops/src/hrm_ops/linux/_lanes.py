"""Spread a batch over the cores of MLX's Linux CPU backend; delete when upstream runs elementwise work on threads.

MLX computes one stream on one thread, whatever the number of cores. A batch that is cut into as many lanes as
there are cores, each on a stream of its own and with one BLAS thread, keeps all of them busy: a training step
at hidden size 128 takes two thirds of the time on two hyperthreads.
"""

import os
import sys
import threading
from contextlib import AbstractContextManager, nullcontext

import mlx.core as mx

from hrm_ops._errors import HRMOpsError
from hrm_ops._fork import check_process
from hrm_ops.linux._blas import blas_threads

_SMALL = 10**9  # multiplications

_processes = 1


def share_cores(processes: int) -> None:
    """Set how many processes, this one included, compute on this machine; each then takes its share of the cores.

    Call it before `lanes`. It matters on MLX's Linux CPU backend only.

    Raises:
        HRMOpsError: If `processes` is less than 1.

    Example:
        >>> from hrm_ops import share_cores
        >>> share_cores(1)
    """
    global _processes
    if processes < 1:
        raise HRMOpsError(f"[share_cores] processes must be at least 1, but is {processes}.")
    _processes = processes


def _cores() -> int:
    """How many cores this process has to itself."""
    return max(1, len(os.sched_getaffinity(0)) // _processes)


class _Streams(threading.local):
    """The streams of a thread; only that thread can use them."""

    def __init__(self) -> None:
        self._made = [mx.default_stream(mx.cpu)]

    def first(self, count: int) -> list[mx.Stream]:
        """Return so many of them, always the same ones."""
        while len(self._made) < count:
            self._made.append(mx.new_stream(mx.cpu))
        return self._made[:count]


_streams = _Streams()


def lanes(batch_size: int) -> list[mx.Stream]:
    """Return the streams over which equal slices of a batch should be computed.

    Args:
        batch_size: Examples in the batch.

    Returns:
        On MLX's Linux CPU backend as many streams as there are cores for this process, or the most that divide
        the batch; one stream everywhere else. They are those of the calling thread, and no other can use them.

    Raises:
        HRMOpsError: If `batch_size` is less than 1, or this process was forked after MLX had been used.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import lane_threads, lanes
        >>> x, results = mx.ones((8, 64, 64)), []
        >>> streams = lanes(batch_size=8)
        >>> for stream, part in zip(streams, mx.split(x, len(streams))):
        ...     with mx.stream(stream):
        ...         results.append(mx.exp(part @ part))
        >>> with lane_threads(batch_size=8):
        ...     mx.eval(results)
    """
    if batch_size < 1:
        raise HRMOpsError(f"[lanes] batch_size must be at least 1, but is {batch_size}.")
    check_process()
    if sys.platform != "linux" or mx.default_device().type != mx.DeviceType.cpu:
        return [mx.default_stream(mx.default_device())]
    return _streams.first(max(n for n in range(1, _cores() + 1) if batch_size % n == 0))


def lane_threads(batch_size: int, multiplications: int | None = None) -> AbstractContextManager[None]:
    """Limit BLAS threads inside the block to the cores that the lanes leave free, and to one for small work.

    MLX is lazy: call `mx.eval` inside the block.

    Args:
        batch_size: Examples in the batch that is spread over `lanes`.
        multiplications: How many the block computes in one pass over the batch, if known. Fewer than 10^9 take some
            milliseconds on one core; on a busy machine a second thread may be waited for a hundred times as long.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import lane_threads
        >>> with lane_threads(batch_size=8):
        ...     mx.eval(mx.ones((8, 8)) @ mx.ones((8, 8)))
    """
    if len(lanes(batch_size)) > 1 or (multiplications is not None and multiplications < _SMALL):
        return blas_threads(1)
    return blas_threads(_cores()) if _processes > 1 and sys.platform == "linux" else nullcontext()

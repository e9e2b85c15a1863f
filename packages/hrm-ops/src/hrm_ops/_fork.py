"""Refuses to compute in a process that was forked after MLX was used: there, MLX would wait for ever."""

import os

import mlx.core as mx

from hrm_ops._errors import HRMOpsError

_computes = False  # this process has been told that MLX is about to compute
_used_at_fork = False
_forked = False  # from a process in which MLX had been used


def check_process() -> None:
    """Raise if this process was forked from one that had used MLX; call it before MLX computes.

    MLX computes on threads, and a fork copies none of them, so that the first evaluation would never end.

    Raises:
        HRMOpsError: If it was.

    Example:
        >>> from hrm_ops import check_process
        >>> check_process()
    """
    global _computes
    if _forked:
        raise HRMOpsError(
            f"process {os.getpid()} was forked after MLX had been used, and MLX cannot compute in it; start processes "
            'with multiprocessing.get_context("spawn"), or fork before the first use of MLX'
        )
    _computes = True


def _before() -> None:
    global _used_at_fork
    # Asking a GPU for its memory would use it. On a CPU, memory tells of computations that nobody announced.
    on_cpu = mx.default_device().type == mx.DeviceType.cpu
    _used_at_fork = _computes or (on_cpu and mx.get_peak_memory() > 0)


def _in_child() -> None:
    global _forked
    _forked = _forked or _used_at_fork


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_child=_in_child)

"""Calls of our kernels as operations of MLX's graph."""

import ctypes
from collections.abc import Sequence
from typing import Any

import mlx.core as mx

from hrm_ops.linux.native._build import Native

_HEADER = object.__basicsize__


def call(
    native: Native,
    kernel: str,
    inputs: Sequence[mx.array],
    shapes: Sequence[tuple[int, ...]],
    sizes: Sequence[int],
    eps: float = 0.0,
) -> list[mx.array]:
    """Return the results of a kernel, which runs when they are evaluated.

    Args:
        native: The kernels.
        kernel: Name of a function in `kernels.cpp`, where its inputs and sizes are described.
        inputs: float32 arrays.
        shapes: Those of the results, which are float32.
        sizes: What the kernel needs to know of its inputs.
        eps: Added to means of squares.
    """
    outputs = [mx.array(0.0) for _ in shapes]  # each becomes a result
    flat = [size for shape in shapes for size in (len(shape), *shape)]
    failure = native.primitive.hrm_call(
        _HEADER,
        ctypes.cast(getattr(native.kernels, kernel), ctypes.c_void_p),
        *_pointers(inputs),
        *_pointers(outputs),
        (ctypes.c_int * len(flat))(*flat),
        len(sizes),
        (ctypes.c_int64 * len(sizes))(*sizes),
        ctypes.c_float(eps),
    )
    if failure:
        raise RuntimeError(failure.decode())
    return outputs


def _pointers(arrays: Sequence[Any]) -> tuple[int, Any]:
    return len(arrays), (ctypes.c_void_p * len(arrays))(*map(id, arrays))

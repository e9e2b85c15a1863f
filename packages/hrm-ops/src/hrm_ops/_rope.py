from functools import lru_cache

import mlx.core as mx

from hrm_ops._errors import HRMOpsError


@lru_cache(maxsize=32)
def rope_tables(length: int, dims: int, base: float = 10000.0) -> tuple[mx.array, mx.array]:
    """Return the cosines and sines of rotary position embedding for positions ``0 .. length - 1``.

    Source: Su et al., "RoFormer" (arXiv 2104.09864), section 3.4.2, in the half-split convention.

    Args:
        length: Number of positions.
        dims: Size of a head, even.
        base: Base of the geometric sequence of wavelengths.

    Returns:
        ``(cos, sin)``, each float32 ``[length, dims / 2]``. Cached by argument.

    Raises:
        HRMOpsError: If ``dims`` is odd.
    """
    if dims % 2:
        raise HRMOpsError(f"[rope_tables] dims must be even, but is {dims}.")
    frequencies = base ** (-mx.arange(0, dims, 2, dtype=mx.float32) / dims)
    angles = mx.arange(length, dtype=mx.float32)[:, None] * frequencies
    tables = mx.cos(angles), mx.sin(angles)
    mx.eval(tables)  # what is cached must not belong to the graph of the function that asked first
    return tables


def apply_rope(x: mx.array, cos: mx.array, sin: mx.array) -> mx.array:
    """Rotate every head vector by its position's angles (half-split pairs ``(i, i + dims / 2)``).

    Args:
        x: Queries or keys ``[B, H, L, dims]``.
        cos: ``[L, dims / 2]`` from :func:`rope_tables`.
        sin: ``[L, dims / 2]`` from :func:`rope_tables`.

    Returns:
        Array of the shape and dtype of ``x``; computed in float32.

    Raises:
        HRMOpsError: If the tables do not fit ``x``.
    """
    if cos.shape != (x.shape[-2], x.shape[-1] // 2) or sin.shape != cos.shape:
        raise HRMOpsError(
            f"[apply_rope] cos and sin must be {(x.shape[-2], x.shape[-1] // 2)} for x {x.shape}, "
            f"but are {cos.shape} and {sin.shape}."
        )
    first, second = mx.split(x.astype(mx.float32), 2, axis=-1)
    rotated = mx.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
    return rotated.astype(x.dtype)

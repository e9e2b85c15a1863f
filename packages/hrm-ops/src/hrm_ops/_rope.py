"""Rotary position embeddings."""

import math
from functools import lru_cache
from typing import Any, Literal

import mlx.core as mx
from einops import rearrange

from hrm_ops._errors import HRMOpsError, check_array, check_floating

# Annotated upstream as a function that returns object.
_custom_function: Any = mx.custom_function


def rope_tables(
    length: int, dims: int, base: float = 10000.0, offset: int = 0, scale: float = 1.0
) -> tuple[mx.array, mx.array]:
    """Return the cosines and sines of rotary position embedding for positions `offset .. offset + length - 1`.

    Source: Su et al., "RoFormer" (arXiv 2104.09864), section 3.4.2.

    Args:
        length: Number of positions.
        dims: Size of a head, even.
        base: Base of the geometric sequence of wavelengths.
        offset: The first position.
        scale: What positions are multiplied by.

    Returns:
        `(cos, sin)`, each float32 `[length, dims / 2]`, cut from a table that is cached by length.

    Raises:
        HRMOpsError: If `dims` is odd or an argument is too small.

    Example:
        >>> from hrm_ops import rope_tables
        >>> cos, sin = rope_tables(length=10, dims=64)
        >>> cos.shape, sin[0].max().item()
        ((10, 32), 0.0)
    """
    if dims % 2 or dims < 2:
        raise HRMOpsError(f"[rope_tables] dims must be even, but is {dims}.")
    if not (isinstance(length, int) and isinstance(offset, int)) or length < 0 or offset < 0:
        raise HRMOpsError(
            f"[rope_tables] length and offset must be ints of at least 0, but are {length!r} and {offset!r}."
        )
    end = offset + length
    cos, sin = _tables(_rounded_up(end), dims, float(base), _checked_scale("rope_tables", scale))
    return cos[offset:end], sin[offset:end]


def grid_rope_tables(rows: mx.array, columns: mx.array, dims: int, base: float = 10000.0) -> tuple[mx.array, mx.array]:
    """Return the cosines and sines of rotary position embedding in two dimensions, for `apply_rope`.

    The first half of the pairs turns with the row, the second with the column.

    Source: Heo et al., "Rotary Position Embedding for Vision Transformer" (arXiv 2403.13298), section 3.2, axial.

    Args:
        rows: Row of each position `[L]`, of any integer dtype.
        columns: Column of each position `[L]`.
        dims: Size of a head, a multiple of 4.
        base: Base of the geometric sequence of wavelengths.

    Returns:
        `(cos, sin)`, each float32 `[L, dims / 2]`.

    Raises:
        HRMOpsError: If `dims` is no multiple of 4, `base` is not positive, or rows and columns are not alike.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import grid_rope_tables
        >>> cos, sin = grid_rope_tables(mx.array([0, 0, 1]), mx.array([0, 1, 0]), dims=8)
        >>> cos.shape, sin[2, 0].item() == sin[1, 2].item()
        ((3, 4), True)
    """
    if dims % 4 or dims < 4:
        raise HRMOpsError(f"[grid_rope_tables] dims must be a multiple of 4, but is {dims}.")
    if base <= 0:
        raise HRMOpsError(f"[grid_rope_tables] base must be greater than 0, but is {base}.")
    if rows.ndim != 1 or rows.shape != columns.shape:
        raise HRMOpsError(
            f"[grid_rope_tables] rows and columns must be [L] both, but are {rows.shape} and {columns.shape}."
        )
    frequencies = base ** (-mx.arange(0, dims, 4, dtype=mx.float32) / dims)
    angles = mx.concatenate([axis.astype(mx.float32)[:, None] * frequencies for axis in (rows, columns)], axis=-1)
    return mx.cos(angles), mx.sin(angles)


def _rounded_up(length: int) -> int:
    """Return a power of two, so that sequences that grow need few tables."""
    return max(64, 1 << (length - 1).bit_length())


@lru_cache(maxsize=32)
def _tables(length: int, dims: int, base: float, scale: float) -> tuple[mx.array, mx.array]:
    if base <= 0:
        raise HRMOpsError(f"[rope_tables] base must be greater than 0, but is {base}.")
    frequencies = base ** (-mx.arange(0, dims, 2, dtype=mx.float32) / dims)
    angles = (scale * mx.arange(length, dtype=mx.float32))[:, None] * frequencies
    tables = mx.cos(angles), mx.sin(angles)
    mx.eval(tables)  # what is cached must not belong to the graph of the function that asked first
    return tables


def apply_rope(
    x: mx.array,
    cos: mx.array,
    sin: mx.array,
    *,
    traditional: bool = False,
    layout: Literal["bhld", "blhd"] = "bhld",
) -> mx.array:
    """Rotate every head vector by its position's angles.

    Args:
        x: Queries or keys `[B, H, L, dims]`, or `[B, L, H, dims]` with layout `"blhd"`.
        cos: `[L, dims / 2]` from `rope_tables`, or `[B, L, dims / 2]` where positions differ in a batch.
        sin: As `cos`.
        traditional: Whether pairs are neighbours `(2 i, 2 i + 1)` instead of `(i, i + dims / 2)`.
        layout: Order of the axes of `x`.

    Returns:
        Array of the shape and dtype of `x`; computed in float32.

    Raises:
        HRMOpsError: If the tables do not fit `x`.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import apply_rope, rope_tables
        >>> x = mx.ones((2, 8, 10, 64))
        >>> apply_rope(x, *rope_tables(10, 64)).shape
        (2, 8, 10, 64)
    """
    _check(x, layout, "apply_rope")
    check_array("apply_rope", "cos", cos)
    check_array("apply_rope", "sin", sin)
    B, L, half = x.shape[0], x.shape[2 if layout == "bhld" else 1], x.shape[-1] // 2
    if cos.shape not in ((L, half), (B, L, half)) or sin.shape != cos.shape:
        raise HRMOpsError(
            f"[apply_rope] cos and sin must be {(L, half)} or {(B, L, half)} for x {x.shape} ({' '.join(layout)}), "
            f"but are {cos.shape} and {sin.shape}."
        )
    if cos.ndim == 3 or layout == "blhd":  # broadcast over heads, which stand before or after the positions
        cos, sin = (mx.expand_dims(table, -3 if layout == "bhld" else -2) for table in (cos, sin))
    if traditional:
        y = x.astype(mx.float32)
        first, second = y[..., ::2], y[..., 1::2]
        pairs = mx.stack([first * cos - second * sin, second * cos + first * sin], axis=-1)
        return rearrange(pairs, "... d pair -> ... (d pair)").astype(x.dtype)
    return _rotate_halves(x, *_for_halves(cos, sin))


def _for_halves(cos: mx.array, sin: mx.array) -> tuple[mx.array, mx.array]:
    """Bring tables `[..., dims / 2]` to the form of `_rotate_halves`: `[..., 1 or 2, dims / 2]`."""
    return cos[..., None, :], mx.stack([-sin, sin], axis=-2)


@lru_cache(maxsize=32)
def _tables_for_halves(length: int, dims: int, base: float, scale: float) -> tuple[mx.array, mx.array]:
    tables = _for_halves(*_tables(length, dims, base, scale))
    mx.eval(tables)
    return tables


@_custom_function
def _rotate_halves(x: mx.array, cos: mx.array, sin: mx.array) -> mx.array:
    """Rotate the pairs `(i, i + dims / 2)` in one fused float32 expression, without putting halves together."""
    halves = mx.unflatten(x, -1, (2, -1))
    own, other = halves.astype(mx.float32), halves[..., ::-1, :].astype(mx.float32)
    return mx.flatten((own * cos + other * sin).astype(x.dtype), -2)


@_rotate_halves.vjp
def _rotate_halves_vjp(
    primals: tuple[mx.array, mx.array, mx.array], cotangent: mx.array, _: mx.array
) -> tuple[mx.array, mx.array, mx.array]:
    _, cos, sin = primals
    return _rotate_halves(cotangent, cos, -sin), mx.zeros_like(cos), mx.zeros_like(sin)


def rope(
    x: mx.array,
    *,
    traditional: bool = False,
    base: float = 10000.0,
    scale: float = 1.0,
    offset: int | mx.array = 0,
    layout: Literal["bhld", "blhd"] = "bhld",
) -> mx.array:
    """Rotate every head vector by the angles of its position, counted from `offset`.

    On a GPU this is `mx.fast.rope`; on a CPU cached tables, because MLX computes its cosines there every time.

    The arguments are those of `mlx.nn.RoPE`.

    Args:
        x: Queries or keys `[B, H, L, dims]`, or `[B, L, H, dims]` with layout `"blhd"`.
        traditional: Whether pairs are neighbours `(2 i, 2 i + 1)` instead of `(i, i + dims / 2)`.
        base: Base of the geometric sequence of wavelengths.
        scale: What positions are multiplied by.
        offset: The first position: one for all, or an int array `[B]` with one for each batch element.
        layout: Order of the axes of `x`.

    Returns:
        Array of the shape and dtype of `x`.

    Raises:
        HRMOpsError: If `dims` is odd, or `offset` is negative or does not fit the batch.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import rope
        >>> whole = rope(mx.ones((1, 1, 6, 8)))
        >>> mx.allclose(rope(mx.ones((1, 1, 2, 8)), offset=4), whole[:, :, 4:]).item()
        True
    """
    _check(x, layout, "rope")
    dims, L = x.shape[-1], x.shape[2 if layout == "bhld" else 1]
    if isinstance(offset, mx.array):
        if offset.shape != (x.shape[0],) or not mx.issubdtype(offset.dtype, mx.integer):
            raise HRMOpsError(
                f"[rope] offset must be an int or an int array {(x.shape[0],)}, but is {offset.dtype} {offset.shape}."
            )
    elif not isinstance(offset, int) or offset < 0:
        raise HRMOpsError(f"[rope] offset must be an int of at least 0, but is {offset!r}.")
    scale = _checked_scale("rope", scale)
    on_cpu = mx.default_device().type == mx.DeviceType.cpu
    if on_cpu and isinstance(offset, int):
        if traditional:
            return apply_rope(x, *rope_tables(L, dims, base, offset, scale), traditional=True, layout=layout)
        end = offset + L
        tables = (table[offset:end] for table in _tables_for_halves(_rounded_up(end), dims, float(base), scale))
        if layout == "blhd":
            tables = (mx.expand_dims(table, 1) for table in tables)
        return _rotate_halves(x, *tables)
    y = x if layout == "bhld" else x.swapaxes(1, 2)
    y = mx.fast.rope(y, dims, traditional=traditional, base=base, scale=scale, offset=offset)
    return y if layout == "bhld" else y.swapaxes(1, 2)


def _checked_scale(function: str, scale: float) -> float:
    if not isinstance(scale, int | float) or not math.isfinite(scale):
        raise HRMOpsError(f"[{function}] scale must be a finite number, but is {scale!r}.")
    return float(scale)


def _check(x: mx.array, layout: str, function: str) -> None:
    if layout not in ("bhld", "blhd"):
        raise HRMOpsError(f"[{function}] layout must be 'bhld' or 'blhd', but is {layout!r}.")
    check_floating(function, "x", x)
    if x.ndim != 4:
        raise HRMOpsError(f"[{function}] x must have 4 axes ({' '.join(layout)}), but is {x.shape}.")
    if x.shape[-1] % 2 or not x.shape[-1]:
        raise HRMOpsError(f"[{function}] the heads of x must have an even size, but x is {x.shape}.")

"""The parts of a post-norm block as one operation each: the norm of a sum with a gated unit, attention or means."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import mlx.core as mx

from hrm_ops._first_order import once_differentiable
from hrm_ops.linux.native._build import Native
from hrm_ops.linux.native._call import call

# Annotated upstream as a function that returns object.
_custom_function: Any = mx.custom_function

_differentiated = ContextVar("differentiated", default=True)


@contextmanager
def without_gradient() -> Iterator[None]:
    """Keep nothing for a gradient of what is computed in the block: less memory, less time.

    Differentiating it then fails where our own CPU kernels compute; elsewhere the block changes nothing.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import TransformerBlock, without_gradient
        >>> block = TransformerBlock(64, num_heads=4, expansion=4.0)
        >>> with without_gradient():
        ...     y = block(mx.ones((2, 10, 64)))
    """
    token = _differentiated.set(False)
    try:
        yield
    finally:
        _differentiated.reset(token)


def is_differentiated() -> bool:
    """Return whether a gradient may be wanted: not within `without_gradient`."""
    return _differentiated.get()


def gated_unit(native: Native, x: mx.array, gate_up: mx.array, down: mx.array, eps: float) -> mx.array:
    """Return `rms(x + down @ (silu(gate @ x) * (up @ x)))` of every row.

    Args:
        native: The kernels.
        x: `[..., D]`.
        gate_up: Both weights in one, `[2 I, D]`.
        down: `[D, I]`.
        eps: Added to the mean of squares.
    """
    D, inner = down.shape
    rows = x.size // D
    kept = [(rows, 2 * inner), (rows,)]

    def forward(x: mx.array, gate_up: mx.array, down: mx.array, keeps: bool) -> tuple[mx.array, ...]:
        packed = [_transposed(native, gate_up, 0, inner), _transposed(native, gate_up, inner, inner)]
        inputs, shapes = [x, *packed, _transposed(native, down, 0, D)], [x.shape, *(kept if keeps else [])]
        return tuple(call(native, "hrm_gated_unit", inputs, shapes, [rows, D, inner, keeps], eps))

    @once_differentiable
    def backward(primals: Any, cotangent: mx.array, outputs: Any) -> tuple[mx.array, ...]:
        x, gate_up, down = primals
        y, gates, factor = outputs
        inputs = [cotangent, y, factor, x, gates, _packed(native, gate_up), _packed(native, down)]
        shapes = [x.shape, gate_up.shape, down.shape]
        return tuple(call(native, "hrm_gated_unit_gradient", inputs, shapes, [rows, D, inner]))

    return _with_gradient(forward, backward)(x, gate_up, down)


def attention(
    native: Native,
    x: mx.array,
    qkv: mx.array,
    out: mx.array,
    rope: tuple[mx.array, mx.array] | None,
    heads: int,
    first: int,
    eps: float,
) -> mx.array:
    """Return the norm of `x` and its multi-head attention, of the first positions.

    Args:
        native: The kernels.
        x: `[B, L, D]`.
        qkv: All three weights in one, `[3 D, D]`.
        out: `[D, D]`.
        rope: Rotary tables `[L, D / heads / 2]`, or None.
        heads: Number of heads.
        first: How many positions are wanted; all where a gradient is.
        eps: Added to the mean of squares.
    """
    B, L, D = x.shape
    tables = list(rope or ())
    sizes = [B, L, D, heads, len(tables)]
    kept = [(B, L, 3 * D), (B, L, D), (B, heads, L), (B, L)]

    def forward(x: mx.array, qkv: mx.array, out: mx.array, keeps: bool) -> tuple[mx.array, ...]:
        inputs = [x, _transposed(native, qkv, 0, 3 * D), _transposed(native, out, 0, D), *tables]
        shapes = [(B, first, D), *(kept if keeps else [])]
        return tuple(call(native, "hrm_attention", inputs, shapes, [*sizes, first, keeps], eps))

    @once_differentiable
    def backward(primals: Any, cotangent: mx.array, outputs: Any) -> tuple[mx.array, ...]:
        x, qkv, out = primals
        y, projected, answers, logarithms, factor = outputs
        weights = [_packed(native, qkv), _packed(native, out)]
        inputs = [cotangent, y, factor, x, projected, answers, logarithms, *weights, *tables]
        return tuple(call(native, "hrm_attention_gradient", inputs, [x.shape, qkv.shape, out.shape], sizes))

    return _with_gradient(forward, backward)(x, qkv, out)


def means(
    native: Native, x: mx.array, groups: mx.array, weights: Sequence[mx.array], of_planes: bool, eps: float
) -> mx.array:
    """Return `rms(x + ...)`, with the maps of means over groups of positions, and of the mean over planes.

    Args:
        native: The kernels.
        x: `[B, S, L, D]`.
        groups: Group of each position, of every kind of groups `[kinds, L]`.
        weights: `[D, D]` for each kind, and one more for planes.
        of_planes: Whether there is one more.
        eps: Added to the mean of squares.
    """
    sizes = [*x.shape, groups.shape[0], of_planes]
    groups = groups.astype(mx.float32)

    def forward(x: mx.array, *weights: mx.array, keeps: bool) -> tuple[mx.array, ...]:
        inputs = [x, groups, *(_transposed(native, weight, 0, len(weight)) for weight in weights)]
        shapes = [x.shape, *([x.shape[:-1]] if keeps else [])]
        return tuple(call(native, "hrm_means", inputs, shapes, [*sizes, keeps], eps))

    @once_differentiable
    def backward(primals: Any, cotangent: mx.array, outputs: Any) -> tuple[mx.array, ...]:
        x, *weights = primals
        inputs = [cotangent, *outputs, x, groups, *(_packed(native, weight) for weight in weights)]
        return tuple(call(native, "hrm_means_gradient", inputs, [a.shape for a in primals], sizes))

    return _with_gradient(forward, backward)(x, *weights)


def _with_gradient(forward: Callable[..., tuple[mx.array, ...]], backward: Any) -> Callable[..., mx.array]:
    """Return a function of the same arrays that gives the first result, and keeps the others for its gradient."""
    if not is_differentiated():
        return lambda *arrays: forward(*arrays, keeps=False)[0]

    @_custom_function
    def run(*arrays: mx.array) -> tuple[mx.array, ...]:
        return forward(*arrays, keeps=True)

    @run.vjp
    def vjp(primals: Any, cotangents: Any, outputs: Any) -> tuple[mx.array, ...]:
        return backward(primals, cotangents[0], outputs)

    return lambda *arrays: run(*arrays)[0]


def _transposed(native: Native, weight: mx.array, start: int, rows: int) -> mx.array:
    """Pack the transpose of some rows of a weight as the right factor of products."""
    width = weight.shape[1]
    size = _columns(native, rows) * width
    return call(native, "hrm_pack_transposed", [weight], [(size,)], [start, rows, width])[0]


def _packed(native: Native, weight: mx.array) -> mx.array:
    """Pack a weight as the right factor of products."""
    rows, width = weight.shape
    return call(native, "hrm_pack", [weight], [(_columns(native, width) * rows,)], [rows, width])[0]


def _columns(native: Native, count: int) -> int:
    """Round up to whole panels."""
    panel: int = native.kernels.hrm_columns()
    return -(-count // panel) * panel

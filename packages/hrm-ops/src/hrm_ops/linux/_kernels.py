"""Faster elementwise work for MLX's Linux CPU backend; delete when upstream vectorises its transcendentals.

MLX calls the scalar libm for `exp` and its relatives, 13 to 17 ns an element, and `mx.compile` does not
vectorise kernels that broadcast. Here `exp` is a polynomial in operations that do vectorise, each unit has
its own vector-Jacobian product, and expensive chains run on flat arrays so that no broadcast is fused into
them. Everything computes in float32.
"""

import sys
from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache, wraps
from typing import Any, TypeVar, cast

import mlx.core as mx

from hrm_ops._first_order import first_order
from hrm_ops.linux._compiler import prepare_kernels

Result = TypeVar("Result")
# Annotated upstream as a function that returns object.
_custom_function: Any = mx.custom_function


_compiles = ContextVar("compiles", default=True)


def uncompiled(function: Callable[..., Result]) -> Callable[..., Result]:
    """Return a function that computes the same op by op, without kernels of its own.

    On a Linux CPU a compiler makes such kernels, in seconds, where none are in its cache: too long for work that takes
    a fraction of a second. Results differ by rounding.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import swiglu, uncompiled
        >>> uncompiled(swiglu)(mx.ones((2, 8)), mx.ones((2, 8))).shape
        (2, 8)
    """

    @wraps(function)
    def call(*args: Any, **options: Any) -> Result:
        token = _compiles.set(False)
        try:
            return function(*args, **options)
        finally:
            _compiles.reset(token)

    return call


def compiles() -> bool:
    """Whether kernels may be compiled here: not within a function that `uncompiled` returned."""
    return _compiles.get()


def fused(function: Callable[..., mx.array]) -> Callable[..., mx.array]:
    """Fuse what is called op by op. Within a function that is compiled or differentiated MLX leaves it as it is."""
    compiled: Any = mx.compile(function)

    @wraps(function)
    def call(*args: Any) -> mx.array:
        if not compiles():
            return function(*args)
        prepare_kernels()
        return cast(mx.array, compiled(*args))

    return call


_CPU = mx.DeviceType.cpu
_LOG2_E = 1.4426950408889634
# 2**r is the polynomial with these coefficients, from the constant up, to 9.2e-8 for |r| <= 1/2
_EXP2 = (
    1.0,
    0.6931470036506653,
    0.24022242426872253,
    0.05550733581185341,
    0.009671512991189957,
    0.001326472731307149,
)
FEW_TO_NORM = 32_768  # elements, below which one call of mx.fast takes less time than several
FEW = 8192  # elements, below which more calls cost more than the exponentials that they save
LONG = 32  # elements of a row, from which on BLAS adds them up faster
_ROUND_BITS = 0x4B400000
_ROUND = 12582912.0  # 1.5 * 2**23: adding it rounds to an integer and leaves that in the low mantissa bits


def is_active(*arrays: mx.array) -> bool:
    """Return whether these kernels apply: float32 on MLX's Linux CPU backend."""
    return sys.platform == "linux" and mx.default_device().type == _CPU and all(a.dtype == mx.float32 for a in arrays)


def serves_units(x: mx.array) -> bool:
    """Return whether the gated unit is faster with these kernels: on a Linux CPU, from some thousand elements on."""
    return x.size >= FEW and x.dtype != mx.float64 and is_active()


@fused
def exp2(x: mx.array, to_zero: bool) -> mx.array:
    """Return `2**x` for `x <= 0` with a relative error below 2.5e-7; from -126 on 2**-126, or 0 if `to_zero`."""
    flat = mx.maximum(x.reshape(-1), -126.0)
    shifted = flat + _ROUND
    e = _mantissa(flat - (shifted - _ROUND)).view(mx.int32) + (shifted.view(mx.int32) << 23)  # adds to the exponent
    e = e.view(mx.float32)
    return (e - 2.0**-126 if to_zero else e).reshape(x.shape)


def _mantissa(r: mx.array) -> mx.array:
    """Return `2**r` for `|r| <= 1/2`, of few levels, so that it is one fused kernel."""
    c, r2 = _EXP2, r * r
    return ((c[0] + c[1] * r) + (c[2] + c[3] * r) * r2) + (c[4] + c[5] * r) * (r2 * r2)


def row_max(x: mx.array) -> mx.array:
    """Return the maximum over the last axis, which is kept with size 1; elementwise as far as halves are equal."""
    while x.shape[-1] % 2 == 0 and x.shape[-1] >= 128:
        first, second = mx.split(x, 2, axis=-1)
        x = mx.maximum(first, second)
    return x.max(axis=-1, keepdims=True)


def row_sum(x: mx.array) -> mx.array:
    """Return the sum over the last axis, which is kept with size 1: in BLAS, because MLX adds one by one."""
    width = x.shape[-1]
    if width < LONG:
        return x.sum(axis=-1, keepdims=True)
    return (x.reshape(-1, width) @ _ones(width)).reshape(*x.shape[:-1], 1)


@lru_cache(maxsize=64)
def _ones(count: int) -> mx.array:
    column = mx.ones((count, 1))
    mx.eval(column)  # what is cached must not belong to the graph of the function that asked first
    return column


def _rows(x: mx.array, per_row: mx.array) -> mx.array:
    """Reshape `[rows]` to broadcast against the last axis of `x`; the reshape also ends a fused kernel."""
    return per_row.reshape(*x.shape[:-1], 1)


def _inverse_sigmoid(flat: mx.array) -> mx.array:
    """Return `1 + e**-x` for `x` that is not infinite, between `1 + 2**-126` and about `1 + 2**126`.

    It is three fused kernels: the exponent, rounded to an integer; its power of two; and, with whatever the caller
    goes on to compute, the rest. The product of `x` stands in the first and, negated, in the last: it costs less
    than to store it, and an equal expression would be.
    """
    rounded = _cut(flat * -_LOG2_E + _ROUND)
    # In the bits of numbers about as large as _ROUND the integer stands lowest, and further out the bits only grow.
    # Integers are clamped in a third of the time that numbers take, because any of these could be a nan.
    exponent = mx.minimum(mx.maximum(rounded.view(mx.int32), _ROUND_BITS - 126), _ROUND_BITS + 126)
    power = ((exponent << 23) + (127 << 23)).view(mx.float32)
    return 1 + _mantissa((_ROUND - rounded) - flat * _LOG2_E) * power


@_custom_function
def _sigmoid(flat: mx.array) -> mx.array:
    return _reciprocal(flat)


@_sigmoid.vjp
def _sigmoid_vjp(_: mx.array, cotangent: mx.array, s: mx.array) -> mx.array:
    return cotangent * (s * (1 - s))


@fused
def _reciprocal(flat: mx.array) -> mx.array:
    return 1 / _inverse_sigmoid(flat)


@fused
def _product(gate: mx.array, sigmoid: mx.array, up: mx.array) -> mx.array:
    return gate * sigmoid * up


def swiglu(gate: mx.array, up: mx.array) -> mx.array:
    """Return `silu(gate) * up` for arrays of one shape."""
    g, u = gate.reshape(-1), up.reshape(-1)
    return _product(g, _sigmoid(g), u).reshape(gate.shape)


@_custom_function
def linear(x: mx.array, weight: mx.array) -> mx.array:
    """Return `x @ weight.T` for `x [rows, n]` and `weight [m, n]`.

    MLX's own gradient of the weight comes out transposed, and all that is done with it is not vectorised then.
    """
    return x @ weight.T


@linear.vjp
def _linear_vjp(primals: tuple[mx.array, mx.array], cotangent: mx.array, _: mx.array) -> tuple[mx.array, mx.array]:
    x, weight = primals
    return cotangent @ weight, cotangent.T @ x


def _cut(flat: mx.array) -> mx.array:
    """End a fused kernel here. Where `mx.compile` has to, it makes constants into inputs, and does not vectorise."""
    return flat.reshape(1, -1).reshape(-1)


def rms_norm(x: mx.array, eps: float) -> mx.array:
    """Return `x / sqrt(mean(x**2) + eps)` over the last axis."""
    return _rms_norm(eps)(x)[0]


@lru_cache
def _rms_norm(eps: float) -> Any:
    @_custom_function
    def norm(x: mx.array) -> tuple[mx.array, mx.array]:
        mean = row_sum(x.square()).reshape(-1) / x.shape[-1]
        inverse_rms = _rows(x, mx.rsqrt(mean + eps))
        return x * inverse_rms, inverse_rms

    @norm.vjp
    def norm_vjp(_: mx.array, cotangents: tuple[mx.array, ...], outputs: tuple[mx.array, ...]) -> mx.array:
        cotangent, y, inverse_rms = cotangents[0], outputs[0], first_order(outputs[1])
        inner = row_sum(cotangent * y).reshape(-1) / y.shape[-1]
        return (cotangent - y * _rows(y, inner)) * inverse_rms

    return norm


FEW_SCORES = 20_000  # up to which one call of mx.fast takes less time than the calls that these kernels consist of

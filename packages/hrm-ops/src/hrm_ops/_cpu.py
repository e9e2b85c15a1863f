"""Faster elementwise work for MLX's Linux CPU backend; delete when upstream vectorises its transcendentals.

MLX calls the scalar libm for ``exp`` and its relatives, 13 to 17 ns an element, and ``mx.compile`` does not
vectorise kernels that broadcast. Here ``exp`` is a polynomial in operations that do vectorise, each unit has
its own vector-Jacobian product, and expensive chains run on flat arrays so that no broadcast is fused into
them. Everything computes in float32.
"""

import math
import sys
from typing import Any

import mlx.core as mx

from hrm_ops._attention_blocks import Kernel

# Annotated upstream as a function that returns object.
_custom_function: Any = mx.custom_function

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
FEW = 8192  # elements, below which more calls cost more than the exponentials that they save
_ROUND = 12582912.0  # 1.5 * 2**23: adding it rounds to an integer and leaves that in the low mantissa bits


def is_active(*arrays: mx.array) -> bool:
    """Say whether these kernels should serve: float32 on MLX's CPU backend under Linux."""
    return (
        sys.platform == "linux"
        and mx.default_device().type == mx.DeviceType.cpu
        and all(a.dtype == mx.float32 for a in arrays)
    )


def serves_units(x: mx.array) -> bool:
    """Say whether a gated unit of such arrays is faster here: under Linux's CPU, from some thousand elements on."""
    return is_active() and x.size >= FEW and x.dtype != mx.float64


def exp2(x: mx.array, to_zero: bool) -> mx.array:
    """Return ``2**x`` for ``x <= 0`` with a relative error below 2.5e-7; from -126 on 2**-126, or 0 if ``to_zero``."""
    e = _exp2(mx.maximum(x.reshape(-1), -126.0))
    return (e - 2.0**-126 if to_zero else e).reshape(x.shape)


def _exp2(flat: mx.array) -> mx.array:
    """Return ``2**x`` for ``x`` from -126 to 127."""
    shifted = flat + _ROUND
    r = flat - (shifted - _ROUND)
    p = _EXP2[-1] * r + _EXP2[-2]
    for c in _EXP2[-3::-1]:
        p = p * r + c
    # Adding n to the exponent field multiplies by 2**n.
    return (p.view(mx.int32) + (shifted.view(mx.int32) << 23)).view(mx.float32)


def row_max(x: mx.array) -> mx.array:
    """Return the maximum over the last axis, which is kept with size 1; elementwise as far as halves are equal."""
    while x.shape[-1] % 2 == 0 and x.shape[-1] >= 128:
        first, second = mx.split(x, 2, axis=-1)
        x = mx.maximum(first, second)
    return x.max(axis=-1, keepdims=True)


def _rows(x: mx.array, per_row: mx.array) -> mx.array:
    """Reshape ``[rows]`` to broadcast against the last axis of ``x``; the reshape also ends a fused kernel."""
    return per_row.reshape(*x.shape[:-1], 1)


def _inverse_sigmoid(flat: mx.array) -> mx.array:
    """Return ``1 + e**-x``; at most ``1 + 2**126``."""
    return 1 + _exp2(mx.minimum(mx.maximum(flat * -_LOG2_E, -126.0), 126.0))


@_custom_function
def swiglu(gate: mx.array, up: mx.array) -> mx.array:
    """Return ``silu(gate) * up`` for arrays of one shape."""
    g, u = gate.reshape(-1), up.reshape(-1)
    return (g * u / _inverse_sigmoid(g)).reshape(gate.shape)


@swiglu.vjp
def _swiglu_vjp(primals: tuple[mx.array, mx.array], cotangent: mx.array, _: mx.array) -> tuple[mx.array, mx.array]:
    g, u, c = (a.reshape(-1) for a in (*primals, cotangent))
    s = 1 / _inverse_sigmoid(g)
    silu = g * s
    d_gate = c * u * (s + silu - silu * s)
    return d_gate.reshape(primals[0].shape), (c * silu).reshape(primals[0].shape)


def rms_norm(x: mx.array, eps: float) -> mx.array:
    """Return ``x / sqrt(mean(x**2) + eps)`` over the last axis."""

    @_custom_function
    def norm(x: mx.array) -> tuple[mx.array, mx.array]:
        mean = x.square().sum(axis=-1).reshape(-1) / x.shape[-1]
        inverse_rms = _rows(x, mx.rsqrt(mean + eps))
        return x * inverse_rms, inverse_rms

    @norm.vjp
    def norm_vjp(_: mx.array, cotangents: tuple[mx.array, ...], outputs: tuple[mx.array, ...]) -> mx.array:
        cotangent, (y, inverse_rms) = cotangents[0], outputs
        inner = (cotangent * y).sum(axis=-1).reshape(-1) / y.shape[-1]
        return (cotangent - y * _rows(y, inner)) * inverse_rms

    return norm(x)[0]


FEW_SCORES = 1 << 15  # up to which one call of mx.fast takes less time than the calls that these kernels consist of
KERNEL = Kernel(exp2, row_max, unit=1 / math.log(2), block=1 << 19)

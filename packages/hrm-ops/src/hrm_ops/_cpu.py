"""Faster elementwise work for MLX's Linux CPU backend; delete when upstream vectorises its transcendentals.

MLX calls the scalar libm for ``exp`` and its relatives, 13 to 17 ns an element, and ``mx.compile`` does not
vectorise kernels that broadcast. Here ``exp`` is a polynomial in operations that do vectorise, each unit has
its own vector-Jacobian product, and expensive chains run on flat arrays so that no broadcast is fused into
them. Everything computes in float32.
"""

import sys
from typing import Any

import mlx.core as mx

# Annotated upstream as a function that returns object.
_custom_function: Any = mx.custom_function

_LOG2_E = 1.4426950408889634
_LN2_HIGH = 0.693359375  # few enough bits that its product with the exponent is exact
_LN2_LOW = -2.12194440e-4
# exp(r) is 1 + r + r**2 * (these, from the constant up) with a relative error below 4e-9 for |r| <= ln(2) / 2
_MINIMAX = (0.49999993447788155, 0.16666520631719084, 0.04166838804701092, 0.008368716878801816, 0.0013814598562210318)
_ROUND = 12582912.0  # 1.5 * 2**23: adding it rounds to an integer and leaves that in the low mantissa bits


def is_active(*arrays: mx.array) -> bool:
    """Say whether these kernels should serve: float32 on MLX's CPU backend under Linux."""
    return (
        sys.platform == "linux"
        and mx.default_device().type == mx.DeviceType.cpu
        and all(a.dtype == mx.float32 for a in arrays)
    )


def exp(x: mx.array) -> mx.array:
    """Return ``e**x`` with a relative error below 1.3e-7; clamped at ``e**-87`` and ``e**88``. Not differentiable."""
    x = mx.clip(x, -87.0, 88.0)
    shifted = x * _LOG2_E + _ROUND
    n = shifted - _ROUND
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    r2 = r * r
    c0, c1, c2, c3, c4 = _MINIMAX
    p = (1 + r) + r2 * ((c0 + r * c1) + r2 * ((c2 + r * c3) + r2 * c4))
    # Adding n to the exponent field multiplies by 2**n.
    return (p.view(mx.int32) + (shifted.view(mx.int32) << 23)).view(mx.float32)


def _rows(x: mx.array, per_row: mx.array) -> mx.array:
    """Reshape ``[rows]`` to broadcast against the last axis of ``x``; the reshape also ends a fused kernel."""
    return per_row.reshape(*x.shape[:-1], 1)


@_custom_function
def swiglu(gate: mx.array, up: mx.array) -> mx.array:
    """Return ``silu(gate) * up`` for arrays of one shape."""
    g, u = gate.reshape(-1), up.reshape(-1)
    return (g * u / (1 + exp(-g))).reshape(gate.shape)


@swiglu.vjp
def _swiglu_vjp(primals: tuple[mx.array, mx.array], cotangent: mx.array, _: mx.array) -> tuple[mx.array, mx.array]:
    g, u, c = (a.reshape(-1) for a in (*primals, cotangent))
    s = 1 / (1 + exp(-g))
    silu = g * s
    d_gate = c * u * (s + silu - silu * s)
    return d_gate.reshape(primals[0].shape), (c * silu).reshape(primals[0].shape)


@_custom_function
def softmax(x: mx.array) -> mx.array:
    """Return the softmax over the last axis."""
    shifted = x - x.max(axis=-1, keepdims=True)
    e = exp(shifted.reshape(-1)).reshape(x.shape)
    return e * _rows(x, 1 / e.sum(axis=-1).reshape(-1))


@softmax.vjp
def _softmax_vjp(_: mx.array, cotangent: mx.array, p: mx.array) -> mx.array:
    inner = (cotangent * p).sum(axis=-1).reshape(-1)
    return p * (cotangent - _rows(p, inner))


def rms_norm(x: mx.array, eps: float) -> mx.array:
    """Return ``x / sqrt(mean(x**2) + eps)`` over the last axis."""

    def inverse_rms(x: mx.array) -> mx.array:
        mean = x.square().sum(axis=-1).reshape(-1) / x.shape[-1]
        return _rows(x, mx.rsqrt(mean + eps))

    @_custom_function
    def norm(x: mx.array) -> mx.array:
        return x * inverse_rms(x)

    @norm.vjp
    def norm_vjp(x: mx.array, cotangent: mx.array, y: mx.array) -> mx.array:
        inner = (cotangent * y).sum(axis=-1).reshape(-1) / x.shape[-1]
        return (cotangent - y * _rows(x, inner)) * inverse_rms(x)

    return norm(x)

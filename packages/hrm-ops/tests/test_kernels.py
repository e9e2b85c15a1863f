"""The kernels for MLX's Linux CPU backend give what the plain expressions give."""

from collections.abc import Callable

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from hrm_ops.linux import _kernels
from hypothesis import given, settings
from hypothesis import strategies as st

EXTREME = np.array([0, -0.0, 1e-30, -1e-30, 1, -1, 20, -20, 86, -86, 100, -100, 1e4, -1e4], np.float32)
SEEDS = st.integers(0, 2**31)
SCALES = st.sampled_from([1e-3, 1.0, 10.0])

pytestmark = pytest.mark.skipif(not _kernels.is_active(mx.zeros(1)), reason="only for MLX's CPU backend under Linux")


def plain_rms_norm(x: mx.array) -> mx.array:
    return x * mx.rsqrt(x.square().mean(axis=-1, keepdims=True) + 1e-5)


def with_gradients(f: Callable[..., mx.array], *args: mx.array) -> list[np.ndarray]:
    weight = mx.random.normal(f(*args).shape, key=mx.random.key(7))
    _, gradients = mx.value_and_grad(lambda *a: (weight * f(*a)).sum(), argnums=list(range(len(args))))(*args)
    return [np.array(f(*args)), *map(np.array, gradients)]


def agree(
    ours: Callable[..., mx.array],
    plain: Callable[..., mx.array],
    *args: mx.array,
    rtol: float = 3e-6,
    scale: float | None = None,
) -> None:
    """Compare value and gradients, each to a relative error or that part of the scale (the largest element)."""
    for f in (ours, mx.compile(ours)):
        for a, b in zip(with_gradients(f, *args), with_gradients(plain, *args), strict=True):
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * (scale or np.abs(b).max()))


def normal(seed: int, scale: float, *shape: int) -> mx.array:
    return scale * mx.random.normal(shape, key=mx.random.key(seed))


def test_exp2_has_a_relative_error_below_2_5e_7() -> None:
    x = np.linspace(-126, 0, 1_000_001).astype(np.float32)
    exact = 2 ** x.astype(np.float64)
    for f in (_kernels.exp2, mx.compile(_kernels.exp2)):
        assert np.abs(np.array(f(mx.array(x), False)) / exact - 1).max() < 2.5e-7


def test_exp2_is_one_at_zero_and_can_be_zero_at_minus_infinity() -> None:
    x = mx.array([0.0, -126.0, -1e30, -np.inf])
    assert _kernels.exp2(x, True).tolist() == [1, 0, 0, 0]
    assert _kernels.exp2(x, False).tolist() == [1, 2.0**-126, 2.0**-126, 2.0**-126]


@settings(deadline=None, max_examples=10)
@given(SEEDS, st.integers(1, 300))
def test_row_max_is_the_maximum(seed: int, width: int) -> None:
    x = normal(seed, 1.0, 3, width)
    assert mx.array_equal(_kernels.row_max(x), x.max(axis=-1, keepdims=True))


@settings(deadline=None, max_examples=10)
@given(SEEDS, SCALES)
def test_swiglu_agrees_with_the_plain_expression(seed: int, scale: float) -> None:
    gate, up = normal(seed, scale, 3, 5, 17), normal(seed + 1, scale, 3, 5, 17)
    agree(_kernels.swiglu, lambda g, u: nn.silu(g) * u, gate, up)


def test_second_derivatives_of_swiglu_are_right() -> None:
    gate, up = normal(0, 2.0, 40), normal(1, 1.0, 40)

    def slopes(unit: Callable[..., mx.array]) -> Callable[..., mx.array]:
        return lambda g, u: mx.grad(lambda g, u: unit(g, u).sum())(g, u)

    agree(slopes(_kernels.swiglu), slopes(lambda g, u: nn.silu(g) * u), gate, up, rtol=1e-5)


@pytest.mark.parametrize("width", [1, 11, 64, 1001])
def test_row_sum_is_the_sum(width: int) -> None:
    x = normal(0, 1.0, 2, 3, width)
    agree(_kernels.row_sum, lambda x: x.sum(axis=-1, keepdims=True), x, rtol=1e-5)


def test_swiglu_agrees_with_float64_for_extreme_inputs() -> None:
    g, u = (a.ravel() for a in np.meshgrid(EXTREME, EXTREME))
    value, d_gate, d_up = with_gradients(_kernels.swiglu, mx.array(g), mx.array(u))
    c = np.array(mx.random.normal(g.shape, key=mx.random.key(7))).astype(np.float64)
    g64, u64 = g.astype(np.float64), u.astype(np.float64)
    with np.errstate(over="ignore"):
        s = 1 / (1 + np.exp(-g64))
    exact = (g64 * s * u64, c * u64 * (s + g64 * s * (1 - s)), c * g64 * s)
    for ours, expected in zip((value, d_gate, d_up), exact, strict=True):
        # 1e4 * exp(-87) is what the clamp leaves of silu(-1e4); times 1e4 again.
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-25)


@settings(deadline=None, max_examples=10)
@given(SEEDS, SCALES, st.integers(1, 40))
def test_rms_norm_agrees_with_the_plain_expression(seed: int, scale: float, width: int) -> None:
    x = normal(seed, scale, 3, 4, width)
    largest = 1 / np.sqrt(np.square(np.array(x)).mean(axis=-1).min() + 1e-5)  # what the gradient is multiplied by
    agree(lambda x: _kernels.rms_norm(x, 1e-5), plain_rms_norm, x, scale=max(1.0, largest))


def test_rms_norm_agrees_with_mlx_for_extreme_inputs() -> None:
    rows = mx.array(np.stack([EXTREME, np.zeros_like(EXTREME), np.full_like(EXTREME, 1e4)]))
    agree(lambda x: _kernels.rms_norm(x, 1e-5), lambda x: mx.fast.rms_norm(x, None, 1e-5), rows, rtol=1e-5)


@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16])
def test_half_precision_is_left_to_mlx(dtype: mx.Dtype) -> None:
    assert not _kernels.is_active(mx.zeros(1), mx.zeros(1, dtype))

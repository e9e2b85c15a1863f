import math
from collections.abc import Callable

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from hrm_ops import (
    Embedding,
    HRMOpsError,
    Linear,
    SwiGLU,
    lanes,
    lecun_normal,
    log_stablemax,
    rms_norm,
    stablemax,
    stablemax_score,
    swiglu,
    swiglu_width,
    truncated_normal,
)
from hypothesis import given, settings
from hypothesis import strategies as st

SEEDS = st.integers(0, 2**31)
DTYPES = [mx.float32, mx.bfloat16, mx.float16]


def normal(seed: int, *shape: int) -> mx.array:
    return mx.random.normal(shape, key=mx.random.key(seed))


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.integers(1, 64), st.floats(0.1, 1e3))
def test_rms_norm_gives_unit_root_mean_square(seed: int, dims: int, scale: float) -> None:
    y = rms_norm(scale * normal(seed, 4, dims), eps=0.0)
    np.testing.assert_allclose(np.sqrt(np.square(np.array(y)).mean(axis=-1)), 1, rtol=1e-5)


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.floats(1e-2, 1e4))
def test_rms_norm_does_not_depend_on_scale(seed: int, scale: float) -> None:
    x = normal(seed, 4, 16)
    np.testing.assert_allclose(np.array(rms_norm(scale * x, eps=0.0)), np.array(rms_norm(x, eps=0.0)), rtol=1e-5)


def test_rms_norm_of_zeros_is_zero_and_its_gradient_finite() -> None:
    value, gradient = mx.value_and_grad(lambda x: rms_norm(x).sum())(mx.zeros((2, 8)))
    assert value.item() == 0
    assert np.isfinite(np.array(gradient)).all()


def test_rms_norm_multiplies_by_a_weight() -> None:
    x, w = normal(0, 4, 16), normal(1, 16)
    np.testing.assert_allclose(np.array(rms_norm(x, w)), np.array(rms_norm(x) * w), rtol=1e-5, atol=1e-6)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 2048), st.floats(0.1, 8))
def test_swiglu_width_is_two_thirds_of_the_ungated_width_rounded_up(dims: int, expansion: float) -> None:
    width, wanted = swiglu_width(dims, expansion), round(expansion * dims * 2 / 3)
    assert width % 256 == 0
    assert wanted <= width < wanted + 256


@pytest.mark.parametrize(
    ("dims", "expansion", "width"), [(512, 4, 1536), (32, 2, 256), (128, 4, 512), (384, 1, 256), (96, 4, 256)]
)
def test_swiglu_width_has_the_published_values(dims: int, expansion: float, width: int) -> None:
    assert swiglu_width(dims, expansion) == width


@pytest.mark.parametrize("dtype", DTYPES)
def test_swiglu_is_silu_of_gate_times_up(dtype: mx.Dtype) -> None:
    gate, up = normal(0, 3, 8).astype(dtype), normal(1, 3, 8).astype(dtype)
    out = swiglu(gate, up)
    assert out.dtype == dtype
    np.testing.assert_allclose(
        np.array(out.astype(mx.float32)), np.array((nn.silu(gate) * up).astype(mx.float32)), rtol=1e-5, atol=1e-6
    )


def test_swiglu_layer_stores_the_gate_before_the_up_projection() -> None:
    mx.random.seed(0)
    layer, x = SwiGLU(16, 2.0), normal(0, 3, 16)
    w_gate, w_up = mx.split(layer.gate_up_proj.weight, 2)
    expected = (nn.silu(x @ w_gate.T) * (x @ w_up.T)) @ layer.down_proj.weight.T
    np.testing.assert_allclose(np.array(layer(x)), np.array(expected), rtol=1e-4, atol=1e-5)
    half = layer(x.astype(mx.bfloat16))
    assert half.dtype == mx.bfloat16
    np.testing.assert_allclose(np.array(half.astype(mx.float32)), np.array(expected), rtol=0.1, atol=0.05)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [True, False])
def test_linear_computes_in_the_dtype_of_its_input_with_float32_parameters(dtype: mx.Dtype, bias: bool) -> None:
    layer = Linear(8, 3, bias=bias)
    assert layer(normal(0, 5, 8).astype(dtype)).dtype == dtype
    assert all(p.dtype == mx.float32 for p in layer.parameters().values())
    gradients = mx.grad(lambda p: layer.update(p)(normal(0, 5, 8).astype(dtype)).sum())(layer.parameters())
    assert all(g.dtype == mx.float32 for g in gradients.values())


def test_linear_is_an_affine_map() -> None:
    layer, x = Linear(8, 3), normal(0, 5, 8)
    layer.bias = mx.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(np.array(layer(x)), np.array(x @ layer.weight.T + layer.bias), rtol=1e-5, atol=1e-6)


def test_linear_names_the_shapes_that_do_not_fit() -> None:
    with pytest.raises(HRMOpsError, match=r"\[Linear\] the last axis of x must be 8, but x is \(5, 7\)"):
        Linear(8, 3)(mx.zeros((5, 7)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_embedding_returns_rows_of_a_float32_table_in_the_asked_dtype(dtype: mx.Dtype) -> None:
    table = Embedding(5, 4, std=1.0, dtype=dtype)
    rows = table(mx.array([[3, 3], [0, 4]]))
    assert (rows.dtype, rows.shape) == (dtype, (2, 2, 4))
    assert table.weight.dtype == mx.float32
    assert mx.array_equal(rows[0, 0], table.weight[3].astype(dtype))


def test_embedding_of_std_zero_starts_at_zero() -> None:
    assert not Embedding(5, 4, std=0.0).weight.any().item()


@settings(deadline=None, max_examples=5)
@given(SEEDS, st.floats(1e-3, 10))
def test_truncated_normal_has_the_asked_std_and_is_cut(seed: int, std: float) -> None:
    sample = np.array(truncated_normal((200_000,), std=std, key=mx.random.key(seed)))
    bound = 2 * std / 0.87962566
    assert sample.std() == pytest.approx(std, rel=0.01)
    assert sample.mean() == pytest.approx(0, abs=0.015 * std)
    assert 0.99 * bound < np.abs(sample).max() <= 1.0001 * bound


def test_lecun_normal_has_variance_one_over_fan_in() -> None:
    assert np.array(lecun_normal((500, 100), key=mx.random.key(0))).std() == pytest.approx(1 / math.sqrt(100), rel=0.02)


def test_truncated_normal_refuses_a_negative_std() -> None:
    with pytest.raises(HRMOpsError, match=r"std must be at least 0, but is -1"):
        truncated_normal((2,), std=-1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: rms_norm(mx.zeros((2, 3)), mx.ones(2)),
            r"\[rms_norm\] weight must be \(3,\) for x \(2, 3\), but is \(2,\)",
        ),
        (lambda: rms_norm(mx.zeros(3, mx.int32)), r"\[rms_norm\] x must be floating point, but is mlx.core.int32"),
        (lambda: rms_norm(mx.array(1.0)), r"\[rms_norm\] x must have at least 1 axis, but is \(\)"),
        (lambda: rms_norm(mx.zeros(3), eps=-1), r"\[rms_norm\] eps must be at least 0, but is -1"),
        (lambda: swiglu(mx.zeros(3), mx.zeros(4)), r"\[swiglu\] up must have the shape of gate, \(3,\), but is \(4,\)"),
        (
            lambda: swiglu(mx.zeros(3), mx.zeros(3, mx.float16)),
            r"\[swiglu\] up must have the dtype of gate, .*float32, but",
        ),
        (lambda: swiglu([1.0], mx.zeros(1)), r"\[swiglu\] gate must be an mlx.core.array, but is a list"),
        (
            lambda: swiglu_width(0, 4),
            r"\[swiglu_width\] dims, expansion and multiple must be positive, but are 0, 4 and",
        ),
        (lambda: stablemax(mx.zeros(3, mx.int32)), r"\[stablemax\] x must be floating point, but is mlx.core.int32"),
        (lambda: stablemax(mx.zeros(3), axis=1), r"\[stablemax\] axis must be an axis of x \(3,\), but is 1"),
        (lambda: log_stablemax(mx.array(1.0)), r"\[log_stablemax\] x must have at least 1 axis, but is \(\)"),
        (
            lambda: stablemax_score(mx.zeros(3) > 0),
            r"\[stablemax_score\] x must be floating point, but is mlx.core.bool",
        ),
        (lambda: swiglu(mx.zeros(1), [1.0]), r"\[swiglu\] up must be an mlx.core.array, but is a list"),
        (lambda: rms_norm(mx.zeros(3), [1.0]), r"\[rms_norm\] weight must be an mlx.core.array, but is a list"),
        (lambda: truncated_normal(3), r"\[truncated_normal\] shape must be a tuple of sizes of at least 0, but is 3"),
        (lambda: truncated_normal((2,), dtype="x"), r"\[truncated_normal\] dtype must be floating point, but is x"),
        (lambda: truncated_normal((2,), dtype=mx.int32), r"\[truncated_normal\] dtype must be floating point, but is"),
        (lambda: lecun_normal((3,)), r"\[lecun_normal\] shape must be two positive sizes \(out, in\), but is \(3,\)"),
        (lambda: lanes(0), r"\[lanes\] batch_size must be at least 1, but is 0"),
    ],
)
def test_wrong_arguments_are_named_with_what_was_expected_and_what_came(
    call: Callable[[], object], message: str
) -> None:
    with pytest.raises(HRMOpsError, match=f"^{message}"):
        call()

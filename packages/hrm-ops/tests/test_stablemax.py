import mlx.core as mx
import numpy as np
import pytest
from hrm_ops import log_stablemax, stablemax, stablemax_score
from hypothesis import given, settings
from hypothesis import strategies as st

FINITE = st.floats(-1e6, 1e6, width=32)
LOGITS = st.lists(FINITE, min_size=1, max_size=12)
EXTREME = [0.0, -0.0, 1e-30, -1e-30, 100.0, -100.0, 1e4, -1e4, 1e30, -1e30]


@settings(deadline=None, max_examples=50)
@given(LOGITS)
def test_probabilities_are_positive_and_sum_to_one(logits: list[float]) -> None:
    p = np.array(stablemax(mx.array(logits)))
    assert (p > 0).all()
    assert p.sum() == pytest.approx(1, rel=1e-5)


@settings(deadline=None, max_examples=50)
@given(LOGITS)
def test_a_greater_logit_has_no_smaller_probability(logits: list[float]) -> None:
    p = np.array(log_stablemax(mx.array(logits)))
    order = np.argsort(np.array(logits, np.float32), kind="stable")
    assert (np.diff(p[order]) >= -1e-5).all()


@settings(deadline=None, max_examples=50)
@given(FINITE)
def test_scores_of_opposite_logits_are_reciprocal(x: float) -> None:
    up, down = stablemax_score(mx.array([x, -x])).tolist()
    assert up * down == pytest.approx(1, rel=1e-5)


@settings(deadline=None, max_examples=30)
@given(LOGITS)
def test_float32_agrees_with_the_definition_in_float64(logits: list[float]) -> None:
    x = np.array(logits, np.float32).astype(np.float64)
    s = np.where(x >= 0, x + 1, 1 / (1 - x + 1e-30))
    np.testing.assert_allclose(np.array(log_stablemax(mx.array(logits))), np.log(s / s.sum()), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("x", EXTREME)
def test_value_and_gradient_are_finite_for_extreme_logits(x: float) -> None:
    logits = mx.array([x, 0.0, -x])
    for i in range(3):
        value, gradient = mx.value_and_grad(lambda z, i=i: log_stablemax(z)[i])(logits)
        assert np.isfinite(value.item())
        assert np.isfinite(np.array(gradient)).all()


def test_any_axis_can_be_normalised() -> None:
    x = mx.random.normal((3, 4, 5), key=mx.random.key(0))
    for axis in range(3):
        np.testing.assert_allclose(np.array(stablemax(x, axis).sum(axis=axis)), 1, rtol=1e-5)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31), st.sampled_from([3, 63, 64, 200]), st.booleans())
def test_value_and_gradient_are_those_of_the_plain_expression(seed: int, width: int, log: bool) -> None:
    def plain(x: mx.array) -> mx.array:
        score = mx.where(x < 0, 1 / (1 - mx.minimum(x, 0)), x + 1)
        p = score / score.sum(axis=-1, keepdims=True)
        return mx.log(p) if log else p

    ours = log_stablemax if log else stablemax
    x, weight = (10 * mx.random.normal((3, width), key=mx.random.key(seed + i)) for i in range(2))
    for got, expected in zip(
        *(mx.value_and_grad(lambda x, f=f: (f(x) * weight).sum())(x) for f in (ours, plain)), strict=True
    ):
        scale = np.abs(np.array(expected)).max()
        np.testing.assert_allclose(np.array(got), np.array(expected), rtol=1e-4, atol=1e-5 * scale)
    np.testing.assert_allclose(np.array(ours(x)), np.array(plain(x)), rtol=1e-5, atol=1e-6)


def test_half_precision_is_computed_in_float32() -> None:
    assert log_stablemax(mx.zeros((2,), mx.bfloat16)).dtype == mx.float32
    largest = float(np.finfo(np.float16).max)
    assert stablemax_score(mx.array([largest, 0.5], mx.float16)).tolist() == [largest, 1.5]

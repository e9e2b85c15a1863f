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


def test_half_precision_is_computed_in_float32() -> None:
    assert log_stablemax(mx.zeros((2,), mx.bfloat16)).dtype == mx.float32

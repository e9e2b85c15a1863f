"""The update rules of both optimisers, and the learning rate schedule."""

import math

import mlx.core as mx
import numpy as np
import pytest
from hrm_train import AdamAtan2, SparseSignSGD, cosine_with_warmup
from hypothesis import given, settings
from hypothesis import strategies as st

SEEDS = st.integers(0, 2**31)


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def steps_of(optimizer: AdamAtan2, parameter: np.ndarray, gradients: list[np.ndarray]) -> np.ndarray:
    parameters = {"w": mx.array(parameter)}
    for g in gradients:
        parameters = optimizer.apply_gradients({"w": mx.array(g)}, parameters)
        mx.eval(parameters)
    return np.array(parameters["w"])


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.floats(0, 1), st.sampled_from([(0.9, 0.95), (0.5, 0.999)]), st.floats(1e-4, 1e-1))
def test_adam_atan2_follows_its_formula(seed: int, decay: float, betas: tuple[float, float], lr: float) -> None:
    gradients = [normal(seed + t, 4, 3) for t in range(1, 6)]
    ours = steps_of(AdamAtan2(lr, betas, decay), normal(seed, 4, 3), gradients)
    p, m, v = normal(seed, 4, 3).astype(np.float64), 0.0, 0.0
    b1, b2 = betas
    for t, g in enumerate(gradients, start=1):
        p = p * (1 - lr * decay)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g.astype(np.float64) ** 2
        p = p - lr / (1 - b1**t) * np.arctan2(m, np.sqrt(v) / np.sqrt(1 - b2**t))
    np.testing.assert_allclose(ours, p, rtol=1e-4, atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.floats(1e-6, 1e6))
def test_a_step_of_adam_atan2_does_not_depend_on_the_scale_of_the_gradients(seed: int, scale: float) -> None:
    gradients = [normal(seed + t, 4, 3) for t in range(1, 4)]
    plain = steps_of(AdamAtan2(1e-2), normal(seed, 4, 3), gradients)
    scaled = steps_of(AdamAtan2(1e-2), normal(seed, 4, 3), [np.float32(scale) * g for g in gradients])
    np.testing.assert_allclose(scaled, plain, atol=1e-6)


def test_a_parameter_that_never_had_a_gradient_only_decays() -> None:
    start = normal(0, 4, 3)
    moved = steps_of(AdamAtan2(0.1, weight_decay=0.5), start, [np.zeros_like(start)] * 3)
    np.testing.assert_allclose(moved, start * 0.95**3, rtol=1e-5)


def test_a_step_of_adam_atan2_is_bounded_by_the_rate() -> None:
    first = steps_of(AdamAtan2(0.1, weight_decay=0), np.zeros(2, np.float32), [np.array([1e30, -1e-30], np.float32)])
    assert np.abs(first).max() <= 0.1 / (1 - 0.9) * math.pi / 2


@settings(deadline=None, max_examples=30)
@given(SEEDS, st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_sign_sgd_sums_the_gradients_of_a_row_before_the_sign(seed: int, identifiers: list[int]) -> None:
    table, gradients = normal(seed, 6, 3), normal(seed + 1, len(identifiers), 3)
    updated = SparseSignSGD(0.1, 0.5).apply_rows(
        mx.array(table[identifiers]), mx.array(identifiers), mx.array(gradients)
    )
    expected = np.empty_like(gradients)
    for place, row in enumerate(identifiers):
        total = sum(g.astype(np.float64) for g, i in zip(gradients, identifiers, strict=True) if i == row)
        expected[place] = table[row] * (1 - 0.1 * 0.5) - 0.1 * np.sign(total)
    np.testing.assert_allclose(np.array(updated), expected, rtol=1e-6, atol=1e-7)


def test_opposite_gradients_of_one_row_cancel_but_the_row_decays() -> None:
    updated = SparseSignSGD(0.1, 0.5).apply_rows(mx.ones((2, 1)), mx.array([1, 1]), mx.array([[2.0], [-2.0]]))
    assert updated.tolist() == [[pytest.approx(0.95)], [pytest.approx(0.95)]]


def test_sign_sgd_follows_its_schedule() -> None:
    optimizer, table = SparseSignSGD(cosine_with_warmup(1.0, 4, 100), 0.0), mx.zeros((1, 1))
    rates = []
    for _ in range(5):
        before = table.item()
        table = optimizer.apply_rows(table, mx.array([0]), mx.array([[-1.0]]))
        rates.append(table.item() - before)
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1, 1])


def rate(peak: float, warmup: int, total: int, floor: float, step: int) -> float:
    return cosine_with_warmup(peak, warmup, total, floor)(mx.array(step - 1)).item()


@settings(deadline=None, max_examples=30)
@given(st.floats(1e-5, 1), st.integers(1, 100), st.integers(1, 100), st.floats(0, 1))
def test_the_rate_rises_by_equal_steps_from_peak_over_warmup_to_the_peak(
    peak: float, warmup: int, rest: int, floor: float
) -> None:
    for step in {1, max(1, warmup // 2), warmup}:
        assert rate(peak, warmup, warmup + rest, floor, step) == pytest.approx(peak * step / warmup, rel=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.floats(1e-5, 1), st.integers(0, 100), st.integers(2, 100), st.floats(0, 1))
def test_the_rate_falls_along_half_a_cosine_to_the_floor_and_stays(
    peak: float, warmup: int, rest: int, floor: float
) -> None:
    for share in (0.25, 0.5, 0.75, 1.0):
        step = warmup + max(1, round(share * rest))
        progress = (step - warmup) / rest
        expected = peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))
        assert rate(peak, warmup, warmup + rest, floor, step) == pytest.approx(expected, rel=1e-4, abs=1e-6 * peak)
    after = [rate(peak, warmup, warmup + rest, floor, warmup + rest + n) for n in (0, 1, 1000)]
    assert after == pytest.approx([peak * floor] * 3, rel=1e-5, abs=1e-6 * peak)


def test_without_warmup_or_floor_the_rate_is_the_peak() -> None:
    assert [rate(0.5, 0, 10, 1.0, step) for step in (1, 5, 10, 50)] == pytest.approx([0.5] * 4)

"""The loss of an ACT step, its gradients, and the metrics counted with it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hrm_model import HRM, ACTOutput, initial_carry
from hrm_train import IGNORE_LABEL, LossType, act_loss, as_arrays, cross_entropy, loss_and_gradients
from hrm_train.step._sums import answer_sums
from hypothesis import given, settings
from hypothesis import strategies as st

SEEDS = st.integers(0, 2**31)
TYPES: list[LossType] = ["stablemax_cross_entropy", "softmax_cross_entropy"]
B, L, V = 3, 6, 5


def draw(seed: int) -> tuple[ACTOutput, mx.array]:
    """Outputs for B slots, and labels of which the last slot has none."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, V, (B, L))
    labels[rng.random((B, L)) < 0.3] = IGNORE_LABEL
    labels[-1] = IGNORE_LABEL
    q = [mx.array(3 * rng.normal(size=B).astype(np.float32)) for _ in range(3)]
    logits = mx.array(3 * rng.normal(size=(B, L, V)).astype(np.float32))
    return ACTOutput(logits, q[0], q[1], mx.sigmoid(q[2])), mx.array(labels.astype(np.int32))


def loss_of(output: ACTOutput, labels: mx.array, loss_type: LossType = TYPES[0]) -> Any:
    return act_loss(output, {"labels": labels}, loss_type)  # type: ignore[typeddict-item]


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.sampled_from(TYPES))
def test_ignored_positions_give_no_loss_and_no_gradient(seed: int, loss_type: LossType) -> None:
    output, labels = draw(seed)
    ignored = np.array(labels == IGNORE_LABEL)
    loss = np.array(cross_entropy(output.logits, labels, loss_type))
    gradient = np.array(mx.grad(lambda x: cross_entropy(x, labels, loss_type).sum())(output.logits))
    assert (loss[ignored] == 0).all()
    assert (gradient[ignored] == 0).all()
    assert (loss[~ignored] > 0).all()
    assert (np.abs(gradient[~ignored]).sum(axis=-1) > 0).all()


@settings(deadline=None, max_examples=20)
@given(SEEDS)
def test_softmax_cross_entropy_is_minus_the_log_probability_of_the_label(seed: int) -> None:
    output, labels = draw(seed)
    x, y = np.array(output.logits).astype(np.float64), np.array(labels)
    log_p = x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
    expected = np.where(y == IGNORE_LABEL, 0, -np.take_along_axis(log_p, np.where(y < 0, 0, y)[..., None], -1)[..., 0])
    ours = np.array(cross_entropy(output.logits, labels, "softmax_cross_entropy"))
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("loss_type", TYPES)
@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
def test_cross_entropy_of_extreme_logits_is_finite_with_a_finite_gradient(loss_type: LossType, size: float) -> None:
    logits = mx.array([[size, -size, 0.0]])
    for label in range(3):
        value, gradient = mx.value_and_grad(lambda x, y: cross_entropy(x, y, loss_type).sum())(
            logits, mx.array([label])
        )
        assert np.isfinite(value.item())
        assert np.isfinite(np.array(gradient)).all()


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.sampled_from(TYPES))
def test_the_loss_is_the_mean_over_labels_plus_half_of_both_value_losses(seed: int, loss_type: LossType) -> None:
    output, labels = draw(seed)
    loss, metrics = loss_of(output, labels, loss_type)
    valid = np.array(labels) != IGNORE_LABEL
    per_position = np.array(cross_entropy(output.logits, labels, loss_type))
    right = np.where(valid, np.array(output.logits.argmax(axis=-1)) == np.array(labels), True).all(axis=-1)

    def bce(x: mx.array, y: np.ndarray) -> float:
        p = 1 / (1 + np.exp(-np.array(x).astype(np.float64)))
        return float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).sum())

    q_halt = bce(output.q_halt_logits, right)
    q_continue = bce(output.q_continue_logits, np.array(output.target_q_continue))
    lm = (per_position.sum(axis=-1) / np.maximum(valid.sum(axis=-1), 1)).sum()
    assert metrics["lm_loss"].item() == pytest.approx(lm, rel=1e-5)
    assert metrics["q_halt_loss"].item() == pytest.approx(q_halt, rel=1e-5)
    assert metrics["q_continue_loss"].item() == pytest.approx(q_continue, rel=1e-5)
    assert loss.item() == pytest.approx(lm + 0.5 * (q_halt + q_continue), rel=1e-5)


@settings(deadline=None, max_examples=20)
@given(SEEDS)
def test_the_value_gradient_vanishes_exactly_where_the_target_is_met(seed: int) -> None:
    output, labels = draw(seed)
    met = output._replace(target_q_continue=mx.sigmoid(output.q_continue_logits))
    gradient = mx.grad(lambda q: loss_of(met._replace(q_continue_logits=q), labels)[0])
    assert not gradient(output.q_continue_logits).any().item()
    assert not mx.compile(gradient)(output.q_continue_logits).any().item()


def test_value_losses_of_extreme_logits_are_finite() -> None:
    output, labels = draw(0)
    extreme = output._replace(q_halt_logits=mx.array([1e4, -1e4, 0.0]), q_continue_logits=mx.array([-1e4, 1e4, 0.0]))
    value, gradient = mx.value_and_grad(lambda q: loss_of(extreme._replace(q_halt_logits=q), labels)[0])(
        extreme.q_halt_logits
    )
    assert np.isfinite(value.item())
    assert np.isfinite(np.array(gradient)).all()


def test_metrics_count_halted_slots_that_have_labels() -> None:
    logits = mx.zeros((4, 2, 3)).at[:, :, 1].add(1)  # the answer is always 1 1
    labels = mx.array([[1, 1], [1, 2], [1, 1], [IGNORE_LABEL, IGNORE_LABEL]])
    output = ACTOutput(logits, mx.array([1.0, 1.0, 1.0, 1.0]), mx.zeros(4), None)
    halted = mx.array([True, True, False, True])
    carry = {"labels": labels, "steps": mx.array([1, 2, 3, 4]), "halted": halted}
    metrics = answer_sums(output, carry, most_steps=4)  # type: ignore[arg-type]
    sums = {name: metrics[name].item() for name in ("count", "accuracy", "exact_accuracy", "q_halt_accuracy", "steps")}
    assert sums == {"count": 2, "accuracy": 1.5, "exact_accuracy": 1, "q_halt_accuracy": 1, "steps": 3}
    assert metrics["halting_steps"].tolist() == [1, 1, 0, 0]


def test_a_slot_without_labels_has_no_prediction_loss() -> None:
    output, labels = draw(0)
    gradient = mx.grad(lambda x: loss_of(output._replace(logits=x), labels)[0])(output.logits)
    assert not gradient[-1].any().item()
    assert gradient[0].any().item()


def test_a_fresh_model_has_no_gradient_for_the_value_of_continuing(
    make_model: Callable[..., HRM], make_puzzles: Callable[[HRM], Any]
) -> None:
    fresh = HRM(make_model().config)
    batch = as_arrays(next(make_puzzles(fresh)))
    loss = partial(act_loss, loss_type=TYPES[0])
    _, _, _, gradients, _ = loss_and_gradients(fresh, initial_carry(fresh.config, 4), batch, loss)
    halt, go_on = gradients["q_head"]["bias"].tolist()
    assert halt != 0
    assert go_on == 0
    assert not gradients["q_head"]["weight"][1].any().item()

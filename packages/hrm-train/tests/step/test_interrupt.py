"""A training step that raises leaves the model as it was."""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hrm_model import HRM, Predictor, initial_carry
from hrm_train import AdamAtan2, SparseSignSGD, TrainConfig, TrainStep, act_loss, as_arrays, loss_and_gradients


def interrupted(call: Callable[[], object], lines: int) -> bool:
    """Call, and raise KeyboardInterrupt after so many lines of Python, as Ctrl-C may; return whether that happened."""
    left = lines

    def count(frame: Any, event: str, arg: object) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            raise KeyboardInterrupt
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.mark.parametrize("lines", [300, 3000, 6000, 9000])
def test_ctrl_c_in_a_step_leaves_a_model_that_answers(
    lines: int, make_model: Callable[..., HRM], make_puzzles: Callable[[HRM], Any]
) -> None:
    model = make_model()
    batch = as_arrays(next(make_puzzles(model)))
    expected = Predictor(model)(batch).logits.tolist()
    step = TrainStep(model, AdamAtan2(1e-2), SparseSignSGD(1e-2), TrainConfig(global_batch_size=4))
    assert interrupted(lambda: step(batch), lines)
    assert Predictor(model)(batch).logits.tolist() == expected


def test_a_wrong_batch_leaves_a_model_that_answers(
    make_model: Callable[..., HRM], make_puzzles: Callable[[HRM], Any]
) -> None:
    model = make_model()
    batch = as_arrays(next(make_puzzles(model)))
    expected = Predictor(model)(batch).logits.tolist()
    wrong = {**batch, "inputs": batch["inputs"][:, :5]}
    step = TrainStep(model, AdamAtan2(1e-2), SparseSignSGD(1e-2), TrainConfig(global_batch_size=4))
    with pytest.raises(ValueError, match="broadcast"):
        step(wrong)
    assert Predictor(model)(batch).logits.tolist() == expected


@pytest.mark.parametrize("lines", [200, 500, 800])
def test_ctrl_c_in_a_gradient_leaves_a_model_that_answers(
    lines: int, make_model: Callable[..., HRM], make_puzzles: Callable[[HRM], Any]
) -> None:
    model = make_model()
    batch = as_arrays(next(make_puzzles(model)))
    expected = Predictor(model)(batch).logits.tolist()
    carry = initial_carry(model.config, 4)
    loss = partial(act_loss, loss_type="softmax_cross_entropy")
    assert interrupted(lambda: loss_and_gradients(model, carry, batch, loss), lines)
    assert Predictor(model)(batch).logits.tolist() == expected

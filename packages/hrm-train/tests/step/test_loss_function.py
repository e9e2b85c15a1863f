"""Training with a loss function of one's own."""

from collections.abc import Callable, Mapping
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hrm_model import HRM, ACTOutput, Carry
from hrm_train import (
    AdamAtan2,
    HRMTrainError,
    LossFunction,
    RunDirectory,
    SparseSignSGD,
    TrainConfig,
    TrainStep,
    act_loss,
    as_arrays,
    cross_entropy,
    train,
)
from mlx.utils import tree_flatten

MakeModel = Callable[..., HRM]
MakePuzzles = Callable[[HRM], Any]


def late_steps_count_more(output: ACTOutput, carry: Carry) -> tuple[mx.array, Mapping[str, mx.array]]:
    """The prediction loss times the ACT step, and the size of the logits."""
    per_slot = cross_entropy(output.logits, carry["labels"], "softmax_cross_entropy").mean(axis=-1)
    terms = {"late": (carry["steps"] * per_slot).sum(), "size": mx.abs(output.logits).astype(mx.float32).sum()}
    return terms["late"], terms


def new_step(model: HRM, loss: LossFunction | None = None, **options: Any) -> TrainStep:
    mx.random.seed(7)
    return TrainStep(
        model, AdamAtan2(1e-2), SparseSignSGD(1e-2), TrainConfig(global_batch_size=4, **options), loss=loss
    )


def test_a_step_follows_the_gradient_of_the_loss_that_it_was_given(
    make_model: MakeModel, make_puzzles: MakePuzzles
) -> None:
    step, batch, values = new_step(make_model(), late_steps_count_more), None, []
    batch = as_arrays(next(make_puzzles(step.model)))
    for _ in range(20):
        step.reset_metrics()
        step(batch, max_steps=1)
        values.append(step.metrics["late"])
    assert values[-1] < 0.8 * values[0]
    assert "lm_loss" not in step.metrics
    assert step.metrics["loss"] == step.metrics["late"]


def test_micro_batches_change_no_mean_of_a_term(make_model: MakeModel, make_puzzles: MakePuzzles) -> None:
    results = []
    for size in (0, 1):
        step = new_step(make_model(), late_steps_count_more, micro_batch_size=size)
        puzzles = make_puzzles(step.model)
        for _ in range(4):
            step(as_arrays(next(puzzles)))
        means = step.metrics
        assert sum(means.pop("halting_steps")) == means["count"] > 0
        results.append(means)
    assert results[0] == pytest.approx(results[1], rel=1e-4)


def test_the_loss_of_the_settings_given_as_a_function_changes_no_number(
    make_model: MakeModel, make_puzzles: MakePuzzles
) -> None:
    def given(output: ACTOutput, carry: Carry) -> tuple[mx.array, Mapping[str, mx.array]]:
        return act_loss(output, carry, "softmax_cross_entropy")

    states = []
    for loss in (None, given):
        step = new_step(make_model(), loss, loss_type="softmax_cross_entropy")
        puzzles = make_puzzles(step.model)
        for _ in range(3):
            step(as_arrays(next(puzzles)))
        states.append(step.state)
    for (name, a), (_, b) in zip(*(tree_flatten(state) for state in states), strict=True):
        assert np.array_equal(np.array(a), np.array(b)), name


def test_a_run_with_a_loss_of_its_own_reports_its_terms_and_resumes_bit_for_bit(
    make_model: MakeModel, make_puzzles: MakePuzzles, make_config: Callable[..., TrainConfig], tmp_path: Any
) -> None:
    class Breaking:
        """Puzzles that end after seven batches: between two checkpoints, and between two reports."""

        def __init__(self, model: HRM) -> None:
            self.puzzles = make_puzzles(model)

        position = property(lambda self: self.puzzles.position)

        def __next__(self) -> Any:
            if self.puzzles.position == 7:
                raise ConnectionError
            return next(self.puzzles)

        @position.setter
        def position(self, value: int) -> None:
            self.puzzles.position = value

    def run_on(run: RunDirectory, source: Callable[[HRM], Any], resume: Any = None) -> None:
        model, config = make_model(), make_config(checkpoint_interval=6)
        train(model, config, source(model), lambda _: {}, run, resume=resume, loss=late_steps_count_more)

    whole, broken = (RunDirectory.create(str(tmp_path), name, {}) for name in ("whole", "broken"))
    run_on(whole, make_puzzles)
    with pytest.raises(ConnectionError):
        run_on(broken, Breaking)
    run_on(broken, make_puzzles, str(broken.newest_checkpoint()))
    names = ("step", "late", "size", "loss", "accuracy", "steps", "halting_steps")
    reports = [
        [{name: m[name] for name in names} for m in run.read_metrics() if m["kind"] == "train"]
        for run in (whole, broken)
    ]
    assert len(reports[0]) == 3
    assert reports[0] == reports[1]


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (
            lambda output, carry: (output.q_halt_logits, {}),
            r"gives loss \(1,\), but it must be a scalar array; sum over",
        ),
        (lambda output, carry: (mx.zeros(()), {"size": 3}), r"gives size int, but it must be a scalar array"),
        (
            lambda output, carry: (mx.zeros(()), {"steps": mx.zeros(())}),
            r"calls a term steps, which names another number",
        ),
    ],
)
def test_a_loss_function_that_does_not_fit_is_refused_before_the_first_step(
    loss: LossFunction, message: str, make_model: MakeModel
) -> None:
    with pytest.raises(HRMTrainError, match=message):
        new_step(make_model(), loss)

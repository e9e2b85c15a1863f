"""A loss or gradient that is not finite stops the run or is left out, and never reaches parameters or checkpoints."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hrm_model import HRM
from hrm_train import HRMTrainError, RunDirectory, TrainConfig, as_arrays, checkpoints, make_train_step, train
from mlx.utils import tree_flatten

POISONED = 3
Make = Callable[..., Any]


def poison(model: HRM) -> HRM:
    """Give one puzzle an embedding that is finite, but whose attention scores overflow."""
    table = model.puzzle_emb.weight
    table[POISONED] = mx.full(table.shape[1:], 3e38)
    return model


def numbers(tree: Any) -> dict[str, np.ndarray]:
    return {name: np.array(array) for name, array in tree_flatten(tree)}


def same(one: Any, other: Any) -> bool:
    a, b = numbers(one), numbers(other)
    return a.keys() == b.keys() and all(a[name].tobytes() == b[name].tobytes() for name in a)


def assert_finite(checkpoint: Path) -> None:
    for file in checkpoint.glob("*.safetensors"):
        for name, array in mx.load(str(file)).items():
            assert mx.isfinite(array).all().item(), (file, name)


def run_of(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path, "test", {})


@pytest.mark.parametrize("log_interval", [1, 100])
def test_a_run_that_diverges_stops_with_the_step_and_its_last_good_checkpoint(
    log_interval: int, make_model: Make, make_puzzles: Make, make_config: Make, tmp_path: Path
) -> None:
    model, run = make_model(), run_of(tmp_path)
    config: TrainConfig = make_config(
        steps=200, lr=1e6, weight_decay=1e6, log_interval=log_interval, checkpoint_interval=1, keep_checkpoints=100
    )
    with pytest.raises(
        HRMTrainError, match=r"step \d+: loss or gradients are not finite; .* lower lr than 1000000\.0"
    ) as at:
        train(model, config, make_puzzles(model), lambda _: {}, run)
    bad = int(str(at.value).split(":")[0].removeprefix("step "))
    saved = checkpoints(run.checkpoint_directory)
    assert str(saved[-1]) in str(at.value)
    assert [int(path.name.removeprefix("step-")) for path in saved] == list(range(1, bad))
    for path in saved:
        assert_finite(path)


def test_the_step_that_was_not_finite_is_named_though_many_steps_pass_before_a_report(
    make_model: Make, make_puzzles: Make, make_config: Make, tmp_path: Path
) -> None:
    def first_bad(log_interval: int) -> str:
        model = poison(make_model())
        config = make_config(steps=40, log_interval=log_interval)
        with pytest.raises(HRMTrainError) as caught:
            train(model, config, make_puzzles(model), lambda _: {}, run_of(tmp_path))
        return str(caught.value).split(":")[0]

    assert first_bad(1) == first_bad(20)


def test_a_skipped_step_changes_no_parameter_and_no_optimiser_and_frees_every_slot(
    make_model: Make, make_puzzles: Make, make_config: Make
) -> None:
    model = make_model()
    step, puzzles = make_train_step(model, make_config()), make_puzzles(model)
    step(as_arrays(next(puzzles)))
    names = ("model", "optimizer", "puzzle_optimizer", "metrics")
    before = {name: numbers(step.state[name]) for name in names}
    good = mx.array(model.lm_head.weight)
    model.lm_head.weight = mx.full(good.shape, mx.inf)
    step(as_arrays(next(puzzles)))
    model.lm_head.weight = good
    assert step.skipped["count"].item() == 1
    assert step.carry["halted"].all().item()
    assert all(same(before[name], step.state[name]) for name in names)
    step(as_arrays(next(puzzles)))
    assert (step.skipped["count"].item(), step.skipped["since"].item()) == (1, 2)
    assert not same(before["model"], step.state["model"])


def test_with_skip_bad_steps_are_left_out_and_counted_and_the_run_learns_from_the_others(
    make_model: Make, make_puzzles: Make, make_config: Make, tmp_path: Path
) -> None:
    model, run = poison(make_model()), run_of(tmp_path)
    before = numbers(model.parameters())
    config = make_config(steps=40, log_interval=10, checkpoint_interval=5, keep_checkpoints=100, on_nan="skip")
    train(model, config, make_puzzles(model), lambda _: {}, run)
    reports = [line for line in run.read_metrics() if line["kind"] == "train"]
    assert 0 < sum(line["skipped"] for line in reports) < 40
    assert all(line["loss"] is not None for line in reports)
    after = numbers(model.parameters())
    assert np.array_equal(before["puzzle_emb.weight"][POISONED], after["puzzle_emb.weight"][POISONED])
    assert not np.array_equal(before["lm_head.weight"], after["lm_head.weight"])
    for path in checkpoints(run.checkpoint_directory):
        assert_finite(path)

"""What the options of a step do to its equations."""

from collections.abc import Callable
from functools import partial
from typing import Any

import hrm_train.step._lane_pass
import mlx.core as mx
import numpy as np
import pytest
from hrm_model import HRM, initial_carry
from hrm_train import AdamAtan2, SparseSignSGD, TrainConfig, TrainStep, act_loss, as_arrays, loss_and_gradients
from mlx.utils import tree_flatten, tree_map

STABLEMAX = partial(act_loss, loss_type="stablemax_cross_entropy")
MakeModel = Callable[..., HRM]
MakePuzzles = Callable[[HRM], Any]


def new_step(model: HRM, **options: Any) -> TrainStep:
    mx.random.seed(7)
    return TrainStep(model, AdamAtan2(1e-2), SparseSignSGD(1e-2), TrainConfig(global_batch_size=4, **options))


def run(model: HRM, puzzles: Any, steps: int = 6, **options: Any) -> TrainStep:
    step = new_step(model, **options)
    for _ in range(steps):
        step(as_arrays(next(puzzles)))
    mx.eval(step.state)
    return step


def assert_near(ours: Any, other: Any, atol: float = 1e-4) -> None:
    for (name, a), (_, b) in zip(tree_flatten(ours), tree_flatten(other), strict=True):
        np.testing.assert_allclose(np.array(a), np.array(b), rtol=1e-3, atol=atol, err_msg=name)


@pytest.mark.parametrize("micro_batch_size", [1, 2])
@pytest.mark.parametrize("prefix", [0, 16])
def test_micro_batches_do_what_one_large_batch_does(
    micro_batch_size: int, prefix: int, make_model: MakeModel, make_puzzles: MakePuzzles
) -> None:
    one, several = (
        run(model, make_puzzles(model), micro_batch_size=size).state
        for size in (0, micro_batch_size)
        for model in [make_model(puzzle_emb_ndim=prefix)]
    )
    assert one["carry"]["steps"].tolist() == several["carry"]["steps"].tolist()
    assert one["random"].tolist() == several["random"].tolist()
    for part in ("model", "optimizer", "puzzle_optimizer", "metrics"):
        assert_near(one[part], several[part])
    assert_near(one["carry"], several["carry"], atol=1e-3)


@pytest.mark.parametrize("largest", [0.05, 1e6])
def test_gradients_longer_than_the_largest_norm_are_shortened_to_it(
    largest: float, make_model: MakeModel, make_puzzles: MakePuzzles
) -> None:
    model = make_model(halt_exploration_prob=0.0)
    _, _, _, gradients, _ = loss_and_gradients(
        model, initial_carry(model.config, 4), as_arrays(next(make_puzzles(model))), STABLEMAX
    )
    norm = mx.sqrt(sum(array.square().sum() for _, array in tree_flatten(gradients))).item()
    assert 0.05 < norm < 1e6
    step = run(model, make_puzzles(model), steps=1, clip_norm=largest)
    expected = tree_map(lambda g: (1 - 0.9) * g * min(1, largest / norm), gradients)
    first_moments = {
        name.removesuffix(".m"): m for name, m in tree_flatten(step.optimizer.state) if name.endswith(".m")
    }
    for name, array in tree_flatten(expected):
        np.testing.assert_allclose(np.array(first_moments[name]), np.array(array), rtol=1e-3, atol=1e-6, err_msg=name)


def test_the_average_follows_the_weights_by_its_equation(make_model: MakeModel, make_puzzles: MakePuzzles) -> None:
    model, decay = make_model(), 0.75
    step, puzzles = new_step(model, ema_decay=decay), make_puzzles(model)
    expected = {name: np.array(array) for name, array in tree_flatten(model.trainable_parameters())}
    assert expected.keys() == dict(tree_flatten(step.average)).keys()
    assert not any("puzzle_emb" in name for name in expected)
    for _ in range(3):
        step(as_arrays(next(puzzles)))
        for name, array in tree_flatten(model.trainable_parameters()):
            expected[name] = decay * expected[name] + (1 - decay) * np.array(array)
    for name, array in tree_flatten(step.average):
        np.testing.assert_allclose(np.array(array), expected[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_an_average_changes_no_weight(make_model: MakeModel, make_puzzles: MakePuzzles) -> None:
    plain, averaged = (
        run(model, make_puzzles(model), ema_decay=decay) for decay in (0.0, 0.9) for model in [make_model()]
    )
    assert plain.average == {}
    for (name, a), (_, b) in zip(
        tree_flatten(plain.model.parameters()), tree_flatten(averaged.model.parameters()), strict=True
    ):
        assert mx.array_equal(a, b), name


def test_with_fixed_halting_every_puzzle_takes_all_steps(make_model: MakeModel, make_puzzles: MakePuzzles) -> None:
    step = run(make_model(), make_puzzles(make_model()), steps=8, halting="fixed")
    assert step.metrics["halting_steps"] == [0, 0, 0, 8]
    assert run(make_model(), make_puzzles(make_model()), steps=8).metrics["halting_steps"] > [0, 0, 0, 0]


def test_the_histogram_counts_the_puzzles_that_halted(make_model: MakeModel, make_puzzles: MakePuzzles) -> None:
    metrics = run(make_model(), make_puzzles(make_model()), steps=8).metrics
    counts = metrics["halting_steps"]
    assert sum(counts) == metrics["count"]
    total = sum(number * steps for steps, number in enumerate(counts, start=1))
    assert total / sum(counts) == pytest.approx(metrics["steps"])


def test_halting_by_bce_alone_has_no_loss_of_continuing_and_leaves_its_weights_alone(
    make_model: MakeModel, make_puzzles: MakePuzzles
) -> None:
    model = make_model(halt_loss="bce")
    before = np.array(model.q_head.weight)
    step = run(model, make_puzzles(model), steps=1)
    assert "q_continue_loss" not in step.metrics
    loss, prediction, halting = (step.metrics[name] for name in ("loss", "lm_loss", "q_halt_loss"))
    assert loss == pytest.approx(prediction + 0.5 * halting, rel=1e-6)
    changed = np.array(model.q_head.weight) != before * (1 - 1e-2 * 0.1)
    assert changed[0].any()
    np.testing.assert_allclose(np.array(model.q_head.weight)[1], before[1] * (1 - 1e-2 * 0.1), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_activation_checkpointing_changes_no_number(
    dtype: str, make_model: MakeModel, make_puzzles: MakePuzzles
) -> None:
    plain, saving = (
        run(model, make_puzzles(model), steps=3, activation_checkpointing=kind).state
        for kind in ("none", "blocks")
        for model in [make_model(forward_dtype=dtype)]
    )
    assert plain["carry"]["steps"].tolist() == saving["carry"]["steps"].tolist()
    assert_near(plain["model"], saving["model"], atol=1e-5 if dtype == "float32" else 1e-2)


def test_activation_checkpointing_needs_less_memory(
    make_model: MakeModel, make_puzzles: MakePuzzles, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One lane computes in one order, so its peak does not depend on the load of the machine.
    one_lane = [mx.default_stream(mx.default_device())]
    monkeypatch.setattr(hrm_train.step._lane_pass, "lanes", lambda _: one_lane)
    sizes = {"hidden_size": 64, "expansion": 4.0, "seq_len": 256, "H_layers": 6, "L_layers": 6, "halt_max_steps": 1}
    peaks = []
    for kind in ("none", "blocks"):
        model = make_model(**sizes)
        step, batch = new_step(model, activation_checkpointing=kind), as_arrays(next(make_puzzles(model)))
        mx.eval(step.state)
        mx.clear_cache()
        before = mx.get_active_memory()
        mx.reset_peak_memory()
        step(batch)
        mx.eval(step.state)
        peaks.append(mx.get_peak_memory() - before)
    assert peaks[1] < 0.85 * peaks[0]


def test_activations_in_bfloat16_train(make_model: MakeModel, make_puzzles: MakePuzzles) -> None:
    model = make_model(forward_dtype="bfloat16")
    step, batch, losses = new_step(model), as_arrays(next(make_puzzles(model))), []
    for _ in range(30):
        step.reset_metrics()
        step(batch)
        losses.append(step.metrics["lm_loss"])
    assert step.carry["z_H"].dtype == mx.bfloat16
    assert all(array.dtype == mx.float32 for _, array in tree_flatten(model.trainable_parameters()))
    assert sum(losses[-4:]) < 0.9 * sum(losses[:4])


def test_with_blank_identifiers_training_changes_the_first_row_alone(
    make_model: MakeModel, make_puzzles: MakePuzzles
) -> None:
    model = make_model(puzzle_identifiers="blank")
    step, puzzles = run(model, make_puzzles(model)), make_puzzles(model)
    assert step.carry["puzzle_identifiers"].any().item()
    changed = np.flatnonzero(np.array(model.puzzle_emb.weight).any(axis=1)).tolist()
    assert changed == [0]

    class Zero:
        def __next__(self) -> Any:
            batch = next(puzzles)
            return {**batch, "puzzle_identifiers": np.zeros_like(batch["puzzle_identifiers"])}

    given_zero = make_model()
    run(given_zero, Zero())
    assert_near(model.parameters(), given_zero.parameters(), atol=0)

"""A training step: what it computes, with any number of lanes, and what it leaves alone."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import hrm_train.step._lane_pass
import mlx.core as mx
import numpy as np
import pytest
from hrm_model import HRM, initial_carry
from hrm_train import AdamAtan2, SparseSignSGD, TrainConfig, TrainStep, act_loss, as_arrays, loss_and_gradients
from mlx.utils import tree_flatten

STABLEMAX = partial(act_loss, loss_type="stablemax_cross_entropy")


def run(model: HRM, puzzles: Any, steps: int = 6, max_steps: int | None = None) -> TrainStep:
    step = TrainStep(model, AdamAtan2(1e-2), SparseSignSGD(1e-2), TrainConfig(global_batch_size=4))
    for _ in range(steps):
        step(as_arrays(next(puzzles)), max_steps)
        mx.eval(step.state)
    return step


def assert_near(ours: Any, other: Any, atol: float = 1e-4) -> None:
    for (name, a), (_, b) in zip(tree_flatten(ours), tree_flatten(other), strict=True):
        np.testing.assert_allclose(np.array(a), np.array(b), rtol=1e-3, atol=atol, err_msg=name)


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("prefix", [0, 16])
def test_several_lanes_do_what_one_lane_does(
    count: int,
    prefix: int,
    make_model: Callable[..., HRM],
    make_puzzles: Callable[[HRM], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    results = []
    for lanes in (1, count):
        streams = [mx.default_stream(mx.default_device()), *(mx.new_stream(mx.cpu) for _ in range(lanes - 1))]
        monkeypatch.setattr(hrm_train.step._lane_pass, "lanes", lambda _, streams=streams: streams)
        model = make_model(puzzle_emb_ndim=prefix)
        results.append(run(model, make_puzzles(model)).state)
    one, several = results
    assert one["carry"]["steps"].tolist() == several["carry"]["steps"].tolist()
    assert_near(one["model"], several["model"])
    assert_near(one["carry"], several["carry"], atol=1e-3)
    assert_near(one["metrics"], several["metrics"])


def test_a_step_is_gradients_then_both_optimisers(
    make_model: Callable[..., HRM], make_puzzles: Callable[[HRM], Any]
) -> None:
    model = make_model(halt_exploration_prob=0.0)
    compiled = run(model, make_puzzles(model), steps=3)
    by_hand, puzzles = make_model(halt_exploration_prob=0.0), make_puzzles(model)
    optimizer, puzzle_optimizer = AdamAtan2(1e-2), SparseSignSGD(1e-2)
    carry = initial_carry(by_hand.config, 4)
    for _ in range(3):
        carry, _, _, gradients, rows = loss_and_gradients(by_hand, carry, as_arrays(next(puzzles)), STABLEMAX)
        optimizer.update(by_hand, gradients)
        assert rows is not None
        table = by_hand.puzzle_emb
        identifiers = carry["puzzle_identifiers"]
        table.weight[identifiers] = puzzle_optimizer.apply_rows(table.weight[identifiers], identifiers, rows)
    assert_near(compiled.model.parameters(), by_hand.parameters())


def test_training_lowers_the_loss_on_one_batch(
    make_model: Callable[..., HRM], make_puzzles: Callable[[HRM], Any]
) -> None:
    model = make_model()
    step = TrainStep(model, AdamAtan2(1e-2), SparseSignSGD(1e-2), TrainConfig(global_batch_size=4))
    batch, losses = as_arrays(next(make_puzzles(model))), []
    for _ in range(30):
        step.reset_metrics()
        step(batch)
        mx.eval(step.state)
        losses.append(step.metrics["lm_loss"])
    assert sum(losses[-4:]) < 0.9 * sum(losses[:4])


def test_initial_states_are_never_changed(make_model: Callable[..., HRM], make_puzzles: Callable[[HRM], Any]) -> None:
    model = make_model()
    before = mx.array(model.H_init), mx.array(model.L_init)
    run(model, make_puzzles(model))
    assert mx.array_equal(model.H_init, before[0])
    assert mx.array_equal(model.L_init, before[1])


def test_with_a_limit_of_one_every_slot_halts_in_every_step(
    make_model: Callable[..., HRM], make_puzzles: Callable[[HRM], Any]
) -> None:
    model = make_model()
    step = run(model, make_puzzles(model), steps=3, max_steps=1)
    assert step.carry["halted"].all().item()
    assert (step.metrics["count"], step.metrics["steps"]) == (12, 1)
    step(as_arrays(next(make_puzzles(model))), None)  # the limit is not compiled in
    assert not step.carry["halted"].all().item()


def test_metrics_are_means_over_all_steps_until_they_are_reset(
    make_model: Callable[..., HRM], make_puzzles: Callable[[HRM], Any]
) -> None:
    model = make_model()
    step, puzzles, sums, slots = run(model, make_puzzles(model), steps=0), make_puzzles(model), Counter[str](), 0
    for _ in range(8):
        before = run_alone(step, puzzles)
        slots += 4
        for name, value in before.items():
            sums[name] += value
    # the same steps again, counted together
    model = make_model()
    together = run(model, make_puzzles(model), steps=8).metrics
    assert together["count"] == sums["count"] > 4
    assert sum(together["halting_steps"]) == together["count"]
    for name in ("loss", "lm_loss", "q_halt_loss", "q_continue_loss"):
        assert together[name] == pytest.approx(sums[name] / slots, rel=1e-5)
    for name in ("accuracy", "exact_accuracy", "q_halt_accuracy", "steps"):
        assert together[name] == pytest.approx(sums[name] / sums["count"], rel=1e-5)
    step.reset_metrics()
    assert not any(value for name, value in step.metrics.items() if name != "halting_steps")
    assert step.metrics["halting_steps"] == [0, 0, 0, 0]


def run_alone(step: TrainStep, puzzles: Any) -> dict[str, float]:
    """Sums of one step, from its means and what they are taken over."""
    step.reset_metrics()
    step(as_arrays(next(puzzles)))
    means = step.metrics
    of = {name: 4 if name.endswith("loss") else means["count"] for name in means}
    sums = {name: value * of[name] for name, value in means.items() if name not in ("count", "halting_steps")}
    return {**sums, "count": means["count"]}


def test_a_mean_leaves_out_a_step_that_was_skipped(
    make_model: Callable[..., HRM], make_puzzles: Callable[[HRM], Any]
) -> None:
    model = make_model()
    step, puzzles = run(model, make_puzzles(model), steps=2), make_puzzles(model)
    before = step.metrics
    good = model.lm_head.weight
    model.lm_head.weight = good * float("nan")
    step(as_arrays(next(puzzles)))
    assert step.skipped["count"].item() == 1
    assert step.metrics == before


@pytest.mark.parametrize("count", [1, 2])
def test_the_puzzle_table_is_written_in_place(
    count: int,
    make_model: Callable[..., HRM],
    make_puzzles: Callable[[HRM], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    streams = [mx.default_stream(mx.default_device()), *(mx.new_stream(mx.cpu) for _ in range(count - 1))]
    monkeypatch.setattr(hrm_train.step._lane_pass, "lanes", lambda _: streams)
    model = make_model(num_puzzle_identifiers=100_000, puzzle_emb_ndim=128)
    table_bytes = model.puzzle_emb.weight.nbytes
    puzzles = make_puzzles(model)
    step = run(model, puzzles, steps=1)
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    for _ in range(10):
        step(as_arrays(next(puzzles)))
    mx.eval(step.state)
    assert mx.get_peak_memory() - before < table_bytes / 2
    puzzles.position = 0
    seen = {identifier for _ in range(11) for identifier in next(puzzles)["puzzle_identifiers"].tolist()}
    changed = np.flatnonzero(np.array(model.puzzle_emb.weight).any(axis=1)).tolist()
    assert len(changed) > 4
    assert set(changed) <= seen

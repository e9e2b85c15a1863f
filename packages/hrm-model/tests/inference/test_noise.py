"""Noise: it is the same in every batch, and an answer is the best of its steps."""

from collections.abc import Callable
from itertools import pairwise

import mlx.core as mx
import numpy as np
import pytest
from hrm_model import HRM, Answer, ContinuousPredictor, HaltingRule, HRMModelError, Noise
from hrm_model.inference._noise import gaussian
from hypothesis import given, settings
from hypothesis import strategies as st

MAX = HaltingRule("max")


@pytest.fixture
def model(make_model: Callable[..., HRM]) -> HRM:
    model = make_model(halt_max_steps=5)
    model.q_head.weight = 3 * model.q_head.weight
    return model


def puzzles(model: HRM, count: int, trajectories: int = 1) -> dict[str, np.ndarray]:
    config = model.config
    drawn = np.random.default_rng(0).integers(0, config.vocab_size, (count, config.seq_len), np.int32)
    return {
        "inputs": np.repeat(drawn, trajectories, axis=0),
        "trajectories": np.tile(np.arange(trajectories, dtype=np.int32), count),
    }


def answers(model: HRM, batch: dict[str, np.ndarray], batch_size: int, noise: Noise, **options: object) -> list[Answer]:
    return list(ContinuousPredictor(model, batch_size, MAX, trace=True, noise=noise, **options)([batch]))  # type: ignore[arg-type]


def test_without_noise_the_number_of_a_trajectory_and_the_seed_change_nothing(model: HRM) -> None:
    batch = puzzles(model, 3, trajectories=2)
    plain = answers(model, {"inputs": batch["inputs"]}, 6, Noise())
    assert answers(model, batch, 6, Noise(0.0, seed=7)) == plain
    assert plain[::2] == plain[1::2]


@pytest.mark.parametrize("batch_size", [1, 4, 16])
def test_a_trajectory_is_the_same_whatever_the_batch_size_and_its_place(model: HRM, batch_size: int) -> None:
    batch = puzzles(model, 3, trajectories=3)
    expected = answers(model, batch, 9, Noise(0.3))
    order = np.random.default_rng(1).permutation(9)
    shuffled = {name: array[order] for name, array in batch.items()}
    found = answers(model, shuffled, batch_size, Noise(0.3))
    for number, answer in zip(order.tolist(), found, strict=True):
        assert answer.tokens == expected[number].tokens
        assert answer.q_halt == pytest.approx(expected[number].q_halt, rel=1e-2, abs=1e-2)


def test_trajectories_and_seeds_differ(model: HRM) -> None:
    batch = puzzles(model, 2, trajectories=2)
    first, second, *_ = answers(model, batch, 4, Noise(0.3))
    assert first.q_halt != second.q_halt
    assert answers(model, batch, 4, Noise(0.3, seed=1))[0].q_halt != first.q_halt


def test_an_answer_is_that_of_the_step_with_the_highest_halting_value(model: HRM) -> None:
    for answer in answers(model, puzzles(model, 12), 4, Noise(1.0)):
        values = [thought.q_halt for thought in answer.trace]
        assert all(before <= after for before, after in pairwise(values))
        assert (answer.tokens, answer.q_halt) == (answer.trace[-1].tokens, values[-1])
        assert answer.steps == len(values) == 5


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)), min_size=2, max_size=5, unique=True))
def test_a_key_determines_its_row_alone_and_rows_are_normal_and_independent(keys: list[tuple[int, int]]) -> None:
    rows = np.array(gaussian(mx.array(keys, mx.uint32), (64, 64))).reshape(len(keys), -1)
    again = np.array(gaussian(mx.array(keys[::-1], mx.uint32), (64, 64))).reshape(len(keys), -1)
    np.testing.assert_array_equal(rows, again[::-1])
    assert abs(rows.mean(axis=1)).max() < 0.1  # six standard errors of 4,096 numbers
    assert abs(rows.std(axis=1) - 1).max() < 0.07
    assert abs((rows**4).mean(axis=1) - 3).max() < 1.0
    correlations = np.corrcoef(rows)[~np.eye(len(keys), dtype=bool)]
    assert abs(correlations).max() < 0.1


@settings(max_examples=50)
@given(
    st.lists(st.integers(0, 2**31 - 1), max_size=6),
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**31),
)
def test_a_key_depends_on_everything_that_chooses_it(
    inputs: list[int], identifier: int, trajectory: int, seed: int
) -> None:
    key = Noise(0.1, seed).key(inputs, identifier, trajectory)
    assert all(0 <= word < 2**32 for word in key)
    others = [
        Noise(0.1, seed + 1).key(inputs, identifier, trajectory),
        Noise(0.1, seed).key([*inputs, 0], identifier, trajectory),
        Noise(0.1, seed).key(inputs, identifier + 1, trajectory),
        Noise(0.1, seed).key(inputs, identifier, trajectory + 1),
    ]
    assert key not in others


@pytest.mark.parametrize("noise", [Noise(-0.1), Noise(float("nan")), Noise(1e9), Noise(0.1, seed=-1)])
def test_noise_out_of_range_is_refused(model: HRM, noise: Noise) -> None:
    with pytest.raises(HRMModelError, match="noise"):
        ContinuousPredictor(model, noise=noise)


def test_a_long_trace_of_a_settled_answer_stores_it_once(model: HRM) -> None:
    (answer,) = ContinuousPredictor(model, 1, MAX, max_steps=200, trace=True)([puzzles(model, 1)])
    assert len(answer.trace) == 200
    lists = {id(thought.tokens) for thought in answer.trace}
    changes = sum(one.tokens != other.tokens for one, other in pairwise(answer.trace))
    assert len(lists) == changes + 1


def test_a_stream_can_be_stopped_before_any_step(model: HRM) -> None:
    steps = 0

    def after_seven() -> bool:
        nonlocal steps
        steps += 1
        return steps > 7

    found = list(ContinuousPredictor(model, 2, MAX)([puzzles(model, 9)], after_seven))
    assert len(found) == 2  # of five steps each, in the first two slots
    assert list(ContinuousPredictor(model, 2, MAX)([puzzles(model, 9)], lambda: True)) == []

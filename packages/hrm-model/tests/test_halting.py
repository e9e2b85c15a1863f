from collections.abc import Callable

import mlx.core as mx
import pytest
from hrm_model import HRMConfig, halting, least_steps
from hypothesis import given, settings
from hypothesis import strategies as st


def q_values(*rows: tuple[float, float]) -> mx.array:
    return mx.array(rows)


def test_in_training_a_slot_halts_at_the_limit_or_when_halting_is_worth_more(
    make_config: Callable[..., HRMConfig],
) -> None:
    q = q_values((1, 0), (0, 1), (0, 0), (0, 1), (1, 0))
    steps = mx.array([1, 1, 1, 4, 4])
    assert halting(make_config(), steps, q, training=True).tolist() == [True, False, False, True, True]


def test_outside_training_a_slot_halts_at_the_limit_only(make_config: Callable[..., HRMConfig]) -> None:
    q = q_values((1, 0), (0, 1), (1, 0), (0, 1))
    config = make_config(halt_exploration_prob=1.0)
    assert halting(config, mx.array([1, 3, 4, 4]), q, training=False).tolist() == [False, False, True, True]


def test_with_one_step_at_most_every_slot_halts(make_config: Callable[..., HRMConfig]) -> None:
    config = make_config(halt_max_steps=1, halt_exploration_prob=1.0)
    assert halting(config, mx.ones((3,), mx.int32), mx.zeros((3, 2)), training=True).all().item()


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**31), limit=st.integers(2, 6))
def test_with_sure_exploration_nobody_halts_before_two_steps_and_everybody_does_at_the_limit(
    seed: int, limit: int
) -> None:
    mx.random.seed(seed)
    config = HRMConfig(
        halt_max_steps=limit, halt_exploration_prob=1.0, seq_len=1, vocab_size=1, num_puzzle_identifiers=1
    )
    wants_to_halt = mx.broadcast_to(mx.array([1.0, 0.0]), (1000, 2))
    shares = [
        halting(config, mx.full((1000,), steps, mx.int32), wants_to_halt, training=True)
        .astype(mx.float32)
        .mean()
        .item()
        for steps in range(1, limit + 1)
    ]
    # The least number of steps is uniform over 2 .. limit.
    expected = [(steps - 1) / (limit - 1) for steps in range(1, limit + 1)]
    assert shares[0] == 0
    assert shares[-1] == 1
    assert shares == pytest.approx(expected, abs=0.08)


def test_exploration_concerns_the_asked_share_of_slots(make_config: Callable[..., HRMConfig]) -> None:
    mx.random.seed(0)
    config = make_config(halt_exploration_prob=0.25)
    wants_to_halt = mx.broadcast_to(mx.array([1.0, 0.0]), (10_000, 2))
    halted = halting(config, mx.ones((10_000,), mx.int32), wants_to_halt, training=True)
    assert 1 - halted.astype(mx.float32).mean().item() == pytest.approx(0.25, abs=0.02)


def test_demands_drawn_before_are_those_that_would_have_been_drawn(make_config: Callable[..., HRMConfig]) -> None:
    config = make_config(halt_exploration_prob=0.5)
    wants_to_halt, steps = mx.broadcast_to(mx.array([1.0, 0.0]), (100, 2)), mx.full((100,), 2, mx.int32)
    mx.random.seed(3)
    drawn = halting(config, steps, wants_to_halt, training=True)
    mx.random.seed(3)
    least = least_steps(config, 100)
    assert mx.array_equal(halting(config, steps, wants_to_halt, training=True, least=least), drawn)
    assert set(least.tolist()) == {0, 2, 3, 4}


def test_no_slot_halts_before_the_steps_demanded_of_it_but_for_the_limit(make_config: Callable[..., HRMConfig]) -> None:
    q, steps = mx.broadcast_to(mx.array([1.0, 0.0]), (5, 2)), mx.array([1, 2, 3, 3, 4])
    least = mx.array([2, 2, 2, 4, 9])
    assert halting(make_config(), steps, q, training=True, least=least).tolist() == [False, True, True, False, True]


def test_a_lower_limit_takes_the_place_of_the_configured_one(make_config: Callable[..., HRMConfig]) -> None:
    config = make_config(halt_exploration_prob=1.0)
    assert halting(config, mx.array([1, 2, 3]), mx.zeros((3, 2)), True, max_steps=2).tolist() == [False, True, True]

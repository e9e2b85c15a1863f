"""Limits of memory that hold while a run goes on."""

import mlx.core as mx
from hrm_train import TrainConfig
from hrm_train.run._memory import memory_limits


def test_limits_of_memory_hold_inside_the_block_and_0_changes_nothing() -> None:
    before = mx.set_memory_limit(1 << 40), mx.set_cache_limit(1 << 39)
    with memory_limits(TrainConfig(memory_limit_gib=3, cache_limit_gib=0.5)):
        assert (mx.set_memory_limit(3 << 30), mx.set_cache_limit(1 << 29)) == (3 << 30, 1 << 29)
    with memory_limits(TrainConfig()):
        pass
    assert (mx.set_memory_limit(before[0]), mx.set_cache_limit(before[1])) == (1 << 40, 1 << 39)

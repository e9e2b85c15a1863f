"""What a run may take: memory, and time without a step."""

import subprocess
import sys

import mlx.core as mx
import pytest
from hrm_train import HRMTrainError, TrainConfig
from hrm_train._memory import memory_limits

HANGING = """
import time
from types import SimpleNamespace
from hrm_train._watchdog import Watchdog
with Watchdog(0.5, SimpleNamespace(rank=1, size=RANKS)) as watchdog:
    for _ in range(4):
        time.sleep(0.05)
        watchdog.beat()
    time.sleep(SECONDS)
print("came to the end")
"""


def run(ranks: int, seconds: float) -> "subprocess.CompletedProcess[str]":
    program = HANGING.replace("RANKS", str(ranks)).replace("SECONDS", str(seconds))
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False)


def test_a_rank_that_hangs_is_ended_with_a_message() -> None:
    done = run(ranks=2, seconds=250)
    assert (done.returncode, done.stdout) == (1, "")
    assert "rank 1: no step for 0.5 s, another rank hangs" in done.stderr


def test_a_process_alone_is_not_watched() -> None:
    done = run(ranks=1, seconds=2)
    assert (done.returncode, done.stdout, done.stderr) == (0, "came to the end\n", "")


def test_limits_of_memory_hold_inside_the_block_and_0_changes_nothing() -> None:
    before = mx.set_memory_limit(1 << 40), mx.set_cache_limit(1 << 39)
    with memory_limits(TrainConfig(memory_limit_gib=3, cache_limit_gib=0.5)):
        assert (mx.set_memory_limit(3 << 30), mx.set_cache_limit(1 << 29)) == (3 << 30, 1 << 29)
    with memory_limits(TrainConfig()):
        pass
    assert (mx.set_memory_limit(before[0]), mx.set_cache_limit(before[1])) == (1 << 40, 1 << 39)


def test_a_batch_is_divided_evenly_or_refused() -> None:
    assert TrainConfig(global_batch_size=12, micro_batch_size=3).slots_per_rank(2) == 6
    with pytest.raises(HRMTrainError, match="global_batch_size is 12, but must be a multiple of 5 ranks"):
        TrainConfig(global_batch_size=12).slots_per_rank(5)
    with pytest.raises(HRMTrainError, match="micro_batch_size is 4, but must divide the 6 slots of each of 2 ranks"):
        TrainConfig(global_batch_size=12, micro_batch_size=4).slots_per_rank(2)

"""A rank that waits for ever ends with a message."""

import subprocess
import sys

HANGING = """
import time
from types import SimpleNamespace
from hrm_train.ranks._watchdog import Watchdog
with Watchdog(0.5, SimpleNamespace(rank=1, size=RANKS), lambda: 'step-7') as watchdog:
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
    assert "the last checkpoint is step-7 (train.rank_timeout" in done.stderr


def test_a_process_alone_is_not_watched() -> None:
    done = run(ranks=1, seconds=2)
    assert (done.returncode, done.stdout, done.stderr) == (0, "came to the end\n", "")

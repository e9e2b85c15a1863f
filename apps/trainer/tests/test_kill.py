"""A trainer that is killed at random moments, again and again, ends as one that was left alone."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

STEPS, KILLS, SEED = 120, 20, 7
PATIENCE = 300  # seconds; a machine may be busy
Process = subprocess.Popen[str]


class Life:
    """One process of a run, from its start to its end."""

    def __init__(self, process: Process, run: Path) -> None:
        self.process, self.run, self.began = process, run, time.time_ns()

    def steps(self) -> int:
        """Steps reported since this process has taken up the run; 0 until then."""
        file = self.run / "metrics.jsonl"
        taken_up = file.exists() and file.stat().st_mtime_ns > self.began
        return file.read_bytes().count(b'"train"') if taken_up else 0

    def is_writing(self) -> bool:
        """Whether this process has begun, but not ended, to write a checkpoint."""
        return any(modified(path) > self.began for path in (self.run / "checkpoints").glob(".*.tmp"))

    def kill_after(self, step: int, delay: float) -> None:
        for _ in moments(self.process):
            if self.steps() >= step:
                time.sleep(delay)
                self.process.kill()
                break
        self.assert_killed()

    def kill_while_writing(self, step: int) -> None:
        for _ in moments(self.process):
            if self.is_writing() and self.steps() >= step:
                self.process.send_signal(signal.SIGSTOP)
                os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)
                if self.is_writing():
                    self.process.kill()
                    break
                self.process.send_signal(signal.SIGCONT)  # it had just ended
        self.assert_killed()
        assert self.is_writing()

    def assert_killed(self) -> None:
        self.process.communicate()
        assert self.process.returncode == -signal.SIGKILL


def modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def moments(process: Process) -> Iterator[None]:
    """Moments until the process ends."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None:
        assert time.monotonic() < deadline
        yield
        time.sleep(0.001)


def end_of(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run / f"checkpoints/step-{STEPS:08}").iterdir()}


@pytest.mark.slow
def test_a_run_killed_at_twenty_random_moments_ends_with_every_bit_of_one_that_was_not(
    start: Callable[..., Process],
    trainer: Callable[..., Any],
    small: Callable[..., Path],
    metrics_of: Callable[[Path], list[dict[str, Any]]],
) -> None:
    config = small(steps=STEPS, log_interval=1, eval_interval=100, checkpoint_interval=2)
    assert trainer("--config", config, "--runs", "whole").code == 0
    (whole,) = Path("whole").iterdir()

    rng = random.Random(SEED)
    process = start("--config", config, "--runs", "killed")
    for _ in moments(process):
        if list(Path("killed").glob("*/config.json")):
            break
    (killed,) = Path("killed").iterdir()
    for number, step in enumerate(sorted(rng.randrange(STEPS - 20) for _ in range(KILLS))):
        life = Life(process, killed)
        if number % 2:
            life.kill_while_writing(step)
        else:
            life.kill_after(step, delay=rng.uniform(0, 0.05))
        process = start("--resume", killed)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err

    assert metrics_of(killed) == metrics_of(whole)
    assert end_of(killed) == end_of(whole)
    assert not list(killed.rglob("*.tmp"))

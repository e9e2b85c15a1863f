"""A trainer that is killed at random moments, again and again, ends as one that was left alone."""

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

STEPS, KILLS, SEED = 200, 20, 7
PATIENCE = 300  # seconds; a machine may be busy
Process = subprocess.Popen[str]


def steps_reported(run: Path) -> int:
    file = run / "metrics.jsonl"
    return file.read_bytes().count(b'"train"') if file.exists() else 0


def temporary_checkpoints(run: Path) -> list[Path]:
    return list((run / "checkpoints").glob(".*.tmp"))


def moments(process: Process) -> Iterator[None]:
    """Moments until the process ends."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None:
        assert time.monotonic() < deadline
        yield
        time.sleep(0.001)


def kill_after_step(process: Process, run: Path, step: int, delay: float) -> bool:
    """Kill a process that has done ``step`` steps; return whether it lived until then."""
    for _ in moments(process):
        if steps_reported(run) >= step:
            time.sleep(delay)
            process.kill()
            break
    process.communicate()
    return process.returncode == -signal.SIGKILL


def kill_while_it_writes_a_checkpoint(process: Process, run: Path, step: int) -> bool:
    """Kill a process that has begun, but not ended, to write a checkpoint; return whether it lived until then."""
    for _ in moments(process):
        if temporary_checkpoints(run) and steps_reported(run) >= step:
            process.send_signal(signal.SIGSTOP)
            if temporary_checkpoints(run):
                process.kill()
                break
            process.send_signal(signal.SIGCONT)  # it had just ended
    process.communicate()
    return process.returncode == -signal.SIGKILL


def end_of(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run / f"checkpoints/step-{STEPS:08}").iterdir()}


@pytest.mark.slow
def test_a_run_killed_at_twenty_random_moments_ends_with_every_bit_of_one_that_was_not(
    start: Callable[..., Process],
    trainer: Callable[..., Any],
    small: Callable[..., Path],
    metrics_of: Callable[[Path], list[dict[str, Any]]],
) -> None:
    config = small(steps=STEPS, log_interval=1, eval_interval=50, checkpoint_interval=3)
    assert trainer("--config", config, "--runs", "whole").code == 0
    (whole,) = Path("whole").iterdir()

    rng = random.Random(SEED)
    process = start("--config", config, "--runs", "killed")
    for _ in moments(process):
        if list(Path("killed").glob("*/config.json")):
            break
    (killed,) = Path("killed").iterdir()
    inside_a_write = 0
    for number, step in enumerate(sorted(rng.randrange(STEPS - 10) for _ in range(KILLS))):
        if number % 2:
            assert kill_while_it_writes_a_checkpoint(process, killed, step)
            inside_a_write += len(temporary_checkpoints(killed))
        else:
            assert kill_after_step(process, killed, step, delay=rng.uniform(0, 0.05))
        process = start("--resume", killed)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err

    assert inside_a_write == KILLS // 2
    assert metrics_of(killed) == metrics_of(whole)
    assert end_of(killed) == end_of(whole)
    assert not list(killed.rglob("*.tmp"))

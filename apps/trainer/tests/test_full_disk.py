"""A disk that fills up ends a run with one message, loses nothing, and the run goes on when there is room."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

STEPS = 40


class Disk:
    """A small file system in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def resize(self, size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", self.path], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if os.geteuid():
        pytest.skip("mounting a tmpfs needs root")
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", path], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    yield Disk(path)
    subprocess.run(["umount", path], check=True)


def end_of(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run / f"checkpoints/step-{STEPS:08}").iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "checkpoint_interval", "victim"),
    [("1m", 2, "checkpoints/step-"), ("16k", 1000, "metrics.jsonl")],
    ids=["while a checkpoint is written", "while metrics are written"],
)
def test_a_full_disk_ends_the_run_and_with_room_it_goes_on_to_the_same_end(
    size: str,
    checkpoint_interval: int,
    victim: str,
    disk: Disk,
    start: Callable[..., subprocess.Popen[str]],
    trainer: Callable[..., Any],
    small: Callable[..., Path],
    metrics_of: Callable[[Path], list[dict[str, Any]]],
) -> None:
    config = small(
        steps=STEPS, log_interval=1, eval_interval=1000, checkpoint_interval=checkpoint_interval, keep_checkpoints=1000
    )
    assert trainer("--config", config, "--runs", "whole").code == 0
    (whole,) = Path("whole").iterdir()

    disk.resize(size)
    process = start("--config", config, "--runs", disk.path)
    _, err = process.communicate(timeout=300)
    (run,) = disk.path.iterdir()
    assert process.returncode == 1
    assert err.startswith(f"trainer: {run}/{victim}")
    assert "make room" in err
    assert err.count("\n") == 1
    saved = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert bool(saved) == (victim != "metrics.jsonl")
    for name in saved:
        written, expected = run / "checkpoints" / name, whole / "checkpoints" / name
        assert {p.name: p.read_bytes() for p in written.iterdir()} == {
            p.name: p.read_bytes() for p in expected.iterdir()
        }

    disk.resize("64m")
    process = start("--resume", run)
    _, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    assert end_of(run) == end_of(whole)
    assert metrics_of(run) == metrics_of(whole)

"""Directories that are made whole or not at all."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hrm_data import HRMDataError
from hrm_data.dataset import claimed, new_directory

BUILD = """
import os, signal, sys
from pathlib import Path
from hrm_data.dataset import new_directory
with new_directory(Path(sys.argv[1])) as scratch:
    (scratch / "half").write_text("x")
    print("begun", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[[Path], subprocess.Popen[str]]]:
    """Start another process that is in the middle of making a directory; it ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(root: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", BUILD, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_what_a_killed_process_left_goes_with_the_next_try_and_nothing_else_does(begin, tmp_path: Path) -> None:
    root = tmp_path / "data.v1"
    killed = begin(root)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    others = [".data.v1.tmp", ".data.v1.mine.tmp", ".data.v1.1-12345678.tmp.old", ".data-v1.1-12345678.tmp"]
    for name in others:
        (tmp_path / name).mkdir()
        (tmp_path / name / "kept").touch()
    (tmp_path / ".data.v1.1-abcdefgh.tmp").write_text("a file")
    (left,) = tmp_path.glob(".data.v1.*/half")
    with new_directory(root) as scratch:
        (scratch / "whole").write_text("y")
        assert not left.exists()
    assert [path.name for path in root.iterdir()] == ["whole"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, ".data.v1.1-abcdefgh.tmp", "data.v1"])
    assert all((tmp_path / name / "kept").exists() for name in others)


def test_a_directory_that_another_process_makes_is_refused_with_its_number(begin, tmp_path: Path) -> None:
    root = tmp_path / "data"
    other = begin(root)
    said = f"is being made by process {other.pid}; wait for it, or choose"
    with pytest.raises(HRMDataError, match=said), new_directory(root):
        raise AssertionError
    with new_directory(tmp_path / "data.v1"):  # of another name
        pass
    assert other.communicate("\n")[1] == ""
    assert [path.name for path in root.iterdir()] == ["half"]


def test_of_many_processes_that_begin_at_once_one_makes_the_directory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BUILD, str(tmp_path / "data")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    processes = [subprocess.Popen(command, text=True, **pipes) for _ in range(4)]
    try:
        for process in processes:
            process.stdout.readline()  # it has begun, or ended
        errors = [process.communicate("\n", timeout=300)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert sorted(process.returncode for process in processes) == [0, 1, 1, 1], errors
    assert sum("is being made by process" in error for error in errors) == 3, errors
    assert [path.name for path in tmp_path.rglob("*")] == ["data", "half"]


@pytest.mark.parametrize("claims", ["data", "absolute"])
@pytest.mark.parametrize("makes", ["data", "absolute"])
def test_a_claim_leaves_room_for_the_directory_that_its_process_makes(
    claims: str, makes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root, made = (tmp_path / "data" if path == "absolute" else Path(path) for path in (claims, makes))
    with claimed(root), new_directory(made) as scratch:
        (scratch / "file").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["data", "file"]
    with pytest.raises(HRMDataError, match="exists already"), claimed(root):
        raise AssertionError

"""Directories that are made whole or not at all."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from hrm_data.dataset._atomic import new_directory

BUILD = """
import os, signal, sys
from pathlib import Path
from hrm_data.dataset._atomic import new_directory
with new_directory(Path(sys.argv[1])) as scratch:
    (scratch / "half").write_text("x")
    print("begun", flush=True)
    sys.stdin.readline()
"""


def begun(root: Path) -> subprocess.Popen[str]:
    """Another process that is in the middle of making a directory."""
    process = subprocess.Popen(
        [sys.executable, "-c", BUILD, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def test_what_a_killed_process_left_goes_with_the_next_try_and_nothing_else_does(tmp_path: Path) -> None:
    root = tmp_path / "data.v1"
    killed, alive = begun(root), begun(root)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    others = [".data.v1.mine.tmp", ".data.v1.12345678.tmp.old", ".data-v1.12345678.tmp", "data.v1.12345678.tmp"]
    for name in others:
        (tmp_path / name).mkdir()
    (tmp_path / ".data.v1.abcdefgh.tmp").write_text("a file")
    assert len(list(tmp_path.glob(".data.v1.????????.tmp/half"))) == 2
    with new_directory(root) as scratch:
        (scratch / "whole").write_text("y")
        assert len(list(tmp_path.glob(".data.v1.????????.tmp/half"))) == 1  # of the process that is at work
    assert [path.name for path in root.iterdir()] == ["whole"]
    assert alive.communicate("\n")[0] == ""
    assert alive.returncode == 1, "the name was taken meanwhile"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, ".data.v1.abcdefgh.tmp", "data.v1"])

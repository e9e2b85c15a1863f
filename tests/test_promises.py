"""What SECURITY.md promises of the commands, watched from inside through the interpreter's audit events."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = Path(sys.executable).parent
WATCH = """
import os, sys
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "pickle.find_class"):
        with open(os.environ["SEEN"], "a") as file:
            file.write(f"{event} {arguments}\\n")
sys.addaudithook(watch)
"""
TINY = {
    "data": {"box": [2, 2], "train": 20, "test": 8},
    "arch": {"hidden_size": 16, "num_heads": 2, "H_layers": 1, "L_layers": 1, "halt_max_steps": 2},
    "train": {"steps": 4, "global_batch_size": 4, "log_interval": 2, "eval_interval": 4, "checkpoint_interval": 2},
}


class Watched:
    """Runs commands in one directory, and knows which events of the watched kinds there were."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "watch").mkdir()
        (path / "watch" / "sitecustomize.py").write_text(WATCH)
        self.environment = os.environ | {
            "PYTHONPATH": str(path / "watch"),
            "SEEN": str(path / "seen"),
            "XDG_CACHE_HOME": str(path / "cache"),
        }

    def run(self, *command: object) -> subprocess.CompletedProcess[str]:
        words = [str(word) for word in command]
        return subprocess.run(
            words, cwd=self.path, env=self.environment, capture_output=True, text=True, timeout=600, check=False
        )

    def seen(self) -> list[str]:
        file = self.path / "seen"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


@pytest.mark.parametrize(
    ("code", "event"),
    [
        ("import socket; socket.getaddrinfo('localhost', 80)", "socket.getaddrinfo"),
        ("import socket; socket.socket(type=socket.SOCK_DGRAM).connect(('127.0.0.1', 9))", "socket.connect"),
        ("import pickle; pickle.loads(pickle.dumps(print))", "pickle.find_class"),
    ],
)
def test_the_watch_notices(watched: Watched, code: str, event: str) -> None:
    watched.run(sys.executable, "-c", code)
    assert [line.split()[0] for line in watched.seen()] == [event]


@pytest.mark.slow
def test_making_data_training_scoring_and_solving_open_no_connection_and_unpickle_nothing(watched: Watched) -> None:
    (watched.path / "tiny.json").write_text(json.dumps(TINY))
    trained = watched.run(COMMANDS / "trainer", "--dataset", "sudoku", "--config", "tiny.json")
    assert trained.returncode == 0, trained.stderr
    scored = watched.run(COMMANDS / "evaluator")
    assert scored.returncode == 0, scored.stderr
    solved = watched.run(COMMANDS / "evaluator", "solve", "1...3.......4..2")
    assert solved.returncode in (0, 1), solved.stderr  # so small a model may be wrong
    assert not watched.seen()


def test_every_promise_of_the_reliability_page_names_tests_that_exist() -> None:
    root = Path(__file__).parents[1]
    lines = (root / "docs" / "reliability.md").read_text().splitlines()
    promises = [line for line in lines if line.startswith("| ") and not line.startswith("| promise |")]
    assert promises
    for promise in promises:
        tests = promise.split(" | ")[-1]
        named = re.findall(r"`([\w/-]+\.py)`", tests)
        assert named or tests == "the same |", promise
        for name in named:
            assert (root / name).is_file(), name
            assert "def test_" in (root / name).read_text(), name

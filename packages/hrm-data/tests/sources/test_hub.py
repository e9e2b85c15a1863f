"""The hub's own client against a server on the loopback that answers as the hub does."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub")

FETCH = """
import sys
from hrm_data import HRMDataError
from hrm_data.sources._hub import hub_file
try:
    print(hub_file(sys.argv[1], sys.argv[2]).read_bytes().decode(), end="")
except HRMDataError as error:
    sys.exit(f"refused: {error}")
"""
CONTENT = b"source,question,answer,rating\n" + b"x" * 5000
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Hub(BaseHTTPRequestHandler):
    cut = False

    def _send(self, *, body: bool) -> None:
        error = {"/datasets/a/puzzles": "", "/datasets/a/none": "RepoNotFound"}
        repo, _, name = self.path.partition("/resolve/main/")
        if error.get(repo) or name != "train.csv":
            self.send_response(404)
            self.send_header("X-Error-Code", error.get(repo) or "EntryNotFound")
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(CONTENT).hexdigest()}"')
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        if body:
            self.wfile.write(CONTENT[:100] if self.cut else CONTENT)

    def do_HEAD(self) -> None:
        self._send(body=False)

    def do_GET(self) -> None:
        self._send(body=True)

    def log_message(self, *_: object) -> None:
        pass


class _CutHub(_Hub):
    cut = True


@pytest.fixture
def server() -> Iterator[type[ThreadingHTTPServer]]:
    started: list[ThreadingHTTPServer] = []

    def start(handler: type[BaseHTTPRequestHandler]) -> str:
        item = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=item.serve_forever, daemon=True).start()
        started.append(item)
        return f"http://127.0.0.1:{item.server_address[1]}"

    yield start
    for item in started:
        item.shutdown()
        item.server_close()


def fetch(
    tmp_path: Path, endpoint: str, repo: str, name: str = "train.csv", **more: str
) -> subprocess.CompletedProcess:
    environment = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    environment |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"} | more
    command = [sys.executable, "-c", FETCH, repo, name]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def test_a_file_is_fetched_once_and_then_found_without_a_network(tmp_path: Path, server) -> None:
    finished = fetch(tmp_path, server(_Hub), "a/puzzles")
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == CONTENT.decode()
    again = fetch(tmp_path, "http://127.0.0.1:9", "a/puzzles", HF_HUB_OFFLINE="1")
    assert again.stdout == CONTENT.decode(), again.stderr


@pytest.mark.parametrize(
    ("repo", "name", "message"),
    [
        ("a/none", "train.csv", "shows no dataset 'a/none'"),
        ("a/puzzles", "other.csv", "'a/puzzles' of the Hugging Face hub has no file other.csv"),
        ("a/b/c", "train.csv", "'a/b/c' is no dataset of the Hugging Face hub"),
    ],
)
def test_what_the_hub_does_not_have_is_named_in_one_line(
    tmp_path: Path, server, repo: str, name: str, message: str
) -> None:
    finished = fetch(tmp_path, server(_Hub), repo, name)
    assert finished.returncode == 1
    assert message in finished.stderr
    assert finished.stderr.splitlines()[-1].startswith("refused: ")
    assert "Traceback" not in finished.stderr


def test_a_cut_transfer_leaves_no_file_behind(tmp_path: Path, server) -> None:
    finished = fetch(tmp_path, server(_CutHub), "a/puzzles")
    assert "refused: train.csv of a/puzzles cannot be fetched" in finished.stderr, finished.stdout
    assert not list((tmp_path / "hub").rglob("train.csv"))


def test_without_a_network_one_line_says_so(tmp_path: Path) -> None:
    finished = fetch(tmp_path, "http://127.0.0.1:9", "a/puzzles", HF_HUB_OFFLINE="1")
    assert "refused: train.csv of a/puzzles cannot be fetched from the Hugging Face hub" in finished.stderr
    assert "local copy" in finished.stderr.splitlines()[-1]
    assert "Traceback" not in finished.stderr


def test_without_the_client_one_line_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "huggingface_hub.py").write_text("raise ImportError('not installed')")
    finished = fetch(tmp_path, "http://127.0.0.1:9", "a/puzzles", PYTHONPATH=str(tmp_path))
    assert "refused: a/puzzles is to come from the Hugging Face hub, but its client is not installed" in finished.stderr
    assert "pip install 'hrm-data[hub]'" in finished.stderr
    assert "Traceback" not in finished.stderr

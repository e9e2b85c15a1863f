"""Runs the workspace's commands one after the other, each in a process of its own that need not import everything.

A process imports what the commands need, and is forked for each of them: as if it had just been started, for the
tenth part of the time. Where MLX uses a GPU, or the system is not Linux, each command is started anew.
"""

from __future__ import annotations

import json
import os
import pkgutil
import runpy
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

PATIENCE = 600  # seconds


def path_of(command: str) -> str:
    """Where a command of this environment is installed."""
    return sys.executable if command == "python" else str(Path(sys.executable).with_name(command))


class Commands:
    """Runs commands in one environment; `running` makes one."""

    def __init__(self, environment: dict[str, str], process: subprocess.Popen[str] | None) -> None:
        self._environment, self._process = environment, process

    def run(
        self, words: Sequence[str], folder: Path, changes: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command, such as `trainer` or `python`, or another program, in a folder.

        Args:
            words: The command and what follows it.
            folder: Its current directory.
            changes: To the environment: what Python and libraries read while they start has no effect.
        """
        changes = changes or {}
        if self._process is None or not (words[0] == "python" or entry_points(group="console_scripts", name=words[0])):
            started = [path_of(words[0]) if Path(path_of(words[0])).exists() else words[0], *words[1:]]
            options: dict[str, Any] = {"capture_output": True, "text": True, "timeout": PATIENCE}
            return subprocess.run(started, cwd=folder, env=self._environment | changes, **options)
        with TemporaryDirectory() as place:
            streams = [Path(place, "out"), Path(place, "err")]
            request = {"words": list(words), "folder": str(folder), "streams": [str(path) for path in streams]} | {
                "changes": changes
            }
            print(json.dumps(request), file=self._process.stdin, flush=True)
            if not select.select([self._process.stdout], [], [], PATIENCE)[0]:
                raise subprocess.TimeoutExpired(list(words), PATIENCE)
            code = int(self._process.stdout.readline())
            return subprocess.CompletedProcess(list(words), code, *(path.read_text() for path in streams))


@contextmanager
def running(environment: dict[str, str]) -> Iterator[Commands]:
    """Commands in an environment, until the end of the block."""
    import mlx.core as mx

    if sys.platform != "linux" or mx.default_device().type == mx.DeviceType.gpu:
        yield Commands(environment, None)
        return
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, __file__], env=environment, start_new_session=True, **pipes)
    try:
        yield Commands(environment, process)
    finally:
        process.stdin.close()
        try:
            process.wait(timeout=10)  # it is idle, unless a test has given up
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
        process.stdout.close()


def serve() -> None:
    """Fork for each request on stdin, and answer with the exit code."""
    for name in ("hrm_data", "hrm_trainer", "hrm_evaluator"):
        for module in pkgutil.walk_packages(import_module(name).__path__, f"{name}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
    for name in ("matplotlib.figure", "matplotlib.backends.backend_agg"):
        import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            become(**json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def become(words: list[str], folder: str, streams: list[str], changes: dict[str, str]) -> None:
    """Be the process of one command."""
    os.environ.update(changes)
    os.chdir(folder)
    os.environ["PWD"] = folder
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in enumerate(streams, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    name, *rest = words
    if name != "python":
        sys.argv = [path_of(name), *rest]
        (entry,) = entry_points(group="console_scripts", name=name)
        sys.exit(entry.load()())
    sys.path[0] = folder
    if rest[0] == "-m":
        sys.argv = rest[1:]
        runpy.run_module(rest[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = rest
        sys.path[0] = str(Path(rest[0]).absolute().parent)
        runpy.run_path(rest[0], run_name="__main__")
    sys.exit(0)


if __name__ == "__main__":
    serve()

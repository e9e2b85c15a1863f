"""Starts the ranks of a training on this machine, and ends them together."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from hrm_data.command_line import CommandError
from hrm_data.untrusted import shortened

LAUNCHER = "HRM_LAUNCHER_PID"  # tells a rank whose death is to end it
_STARTED_BY_OTHERS = ("MLX_RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")
_GRACE = 20.0  # seconds in which a rank may end by itself once another one has failed
_INTERRUPTED = 130


def launch(argv: Sequence[str], ranks: int) -> int:
    """Run the command `trainer` as several processes, connected by MLX's ring on 127.0.0.1.

    All of them receive SIGINT and SIGTERM. If one fails, the others are ended.

    Returns:
        The exit code of the rank that failed first, 1 if a signal ended it, else 0.

    Raises:
        CommandError: Another launcher has started this process as one of its ranks.
    """
    if any(name in os.environ for name in _STARTED_BY_OTHERS):
        raise CommandError(f"--ranks {ranks}: does not go with a launcher, which has started the ranks already")
    with tempfile.TemporaryDirectory() as directory:
        hosts = Path(directory) / "hosts.json"
        hosts.write_text(json.dumps([[f"127.0.0.1:{port}"] for port in _free_ports(ranks)]))
        environment = os.environ | {"MLX_HOSTFILE": str(hosts), LAUNCHER: str(os.getpid())}
        children = [
            subprocess.Popen(
                [sys.executable, "-m", "hrm_trainer", *argv],
                env=environment | {"MLX_RANK": str(rank)},
                stdin=subprocess.DEVNULL,
                stdout=None if rank == 0 else subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C reaches a rank through here only, once
            )
            for rank in range(ranks)
        ]
        with _passing_on(children):
            return _wait(children)


def follow_launcher() -> None:
    """Send SIGTERM to this rank when its launcher has ended.

    Raises:
        CommandError: The environment names no process.
    """
    text = os.environ[LAUNCHER]
    if not re.fullmatch("[0-9]{1,9}", text):
        raise CommandError(f"{LAUNCHER} {shortened(text)}: should be the process id of the launcher; unset it")
    launcher = int(text)

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _wait(children: Sequence["subprocess.Popen[bytes]"]) -> int:
    """Wait for all ranks. After a failure the others get a grace period, then SIGTERM, then SIGKILL."""
    failed: tuple[int, int] | None = None
    deadlines: list[tuple[float, int]] = []
    while any(child.poll() is None for child in children):
        if failed is None:
            failed = next(((r, c.returncode) for r, c in enumerate(children) if c.returncode), None)
            if failed is not None and failed[1] != _INTERRUPTED:  # those that were interrupted have agreed to end
                now = time.monotonic()
                deadlines = [(now + _GRACE, signal.SIGTERM), (now + 2 * _GRACE, signal.SIGKILL)]
        if deadlines and time.monotonic() > deadlines[0][0]:
            _send(children, deadlines.pop(0)[1])
        time.sleep(0.05)
    failed = failed or next(((r, c.returncode) for r, c in enumerate(children) if c.returncode), None)
    if failed is None:
        return 0
    rank, code = failed
    if code > 0:
        return code
    name = signal.Signals(-code).name
    print(
        f"trainer: rank {rank} was ended by {name}, and the others with it; trainer --resume goes on", file=sys.stderr
    )
    return 1


@contextmanager
def _passing_on(children: Sequence["subprocess.Popen[bytes]"]) -> Iterator[None]:
    def pass_on(number: int, _frame: FrameType | None) -> None:
        _send(children, number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _send(children: Sequence["subprocess.Popen[bytes]"], number: int) -> None:
    for child in children:
        if child.poll() is None:
            child.send_signal(number)


def _free_ports(count: int) -> list[int]:
    """Unused ports of 127.0.0.1."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in sockets]

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
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from hrm_data.command_line import FAILURE, INTERRUPTED, STOP_SIGNALS, CommandError
from hrm_data.untrusted import message, shortened
from hrm_train import HRMTrainError

from hrm_trainer.settings._settings import TrainerSettings

LAUNCHER = "HRM_LAUNCHER_PID"  # tells a rank whose death is to end it
_STARTED_BY_OTHERS = ("MLX_RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")
_GRACE = 10.0  # seconds in which a rank may end by itself once another one has failed
_AFTER_THE_LEAD = 2.0  # seconds in which a rank may end by itself once rank 0 has saved
_POLL = 0.5  # seconds between two looks at the launcher
_LAST = 60.0  # seconds in which a rank may save and end once its launcher has ended


def launch(argv: Sequence[str], settings: TrainerSettings) -> int:
    """Run the command `trainer` as several processes, connected by MLX's ring on 127.0.0.1.

    A stop signal reaches all of them. If one fails, the others are ended.

    Returns:
        The exit code of the rank that failed first, 1 if a signal ended it, else 0.

    Raises:
        CommandError: Another launcher has started this process as one of its ranks, or so many ranks are not possible.
    """
    ranks = settings.ranks
    if any(name in os.environ for name in _STARTED_BY_OTHERS):
        raise CommandError(f"--ranks {ranks}: does not go with a launcher, which has started the ranks already")
    _check_number(settings)
    before = set(settings.runs.glob("*/config.json"))
    children: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory() as directory, _passing_on(children) as stop:
        hosts = Path(directory) / "hosts.json"
        hosts.write_text(json.dumps([[f"127.0.0.1:{port}"] for port in _free_ports(ranks)]))
        environment = os.environ | {"MLX_HOSTFILE": str(hosts), LAUNCHER: str(os.getpid())}
        try:
            for rank in range(ranks):
                child = subprocess.Popen(
                    [sys.executable, "-m", "hrm_trainer", *argv],
                    env=environment | {"MLX_RANK": str(rank)},
                    stdin=subprocess.DEVNULL,
                    stdout=None if rank == 0 else subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C reaches a rank through here only, once
                )
                children.append(child)
            if stop:  # it came before the last ranks were there
                _send(children, signal.SIGTERM)
            return _wait(children, stop, lambda: _how_to_go_on(settings, before))
        finally:
            _send(children, signal.SIGKILL)


def _check_number(settings: TrainerSettings) -> None:
    """Raise unless the batch can be divided among the ranks, and each has a core or more ranks are allowed."""
    train = settings.train
    if settings.resume is not None:
        from hrm_trainer._resume import config_of, find_run, settings_of

        train = settings_of(settings, config_of(find_run(settings))).train
    try:
        train.slots_per_rank(settings.ranks)
    except HRMTrainError as error:
        raise CommandError(f"--ranks {settings.ranks}: {error}") from error
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if settings.ranks > cores and not settings.oversubscribe:
        raise CommandError(
            f"--ranks {settings.ranks}: there are {cores} cores here; ask for at most {cores}, or add --oversubscribe"
        )


def follow_launcher() -> None:
    """Stop this rank when its launcher has ended: by SIGTERM, and if that does not help in time, at once.

    Raises:
        CommandError: The environment names no process.
    """
    text = os.environ[LAUNCHER]
    if not re.fullmatch("[0-9]{1,9}", text):
        raise CommandError(f"{LAUNCHER} {shortened(text)}: should be the process id of the launcher; unset it")
    launcher = int(text)

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(_POLL)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_LAST)
        print("trainer: the launcher has ended, and this rank does not stop; it is ended", file=sys.stderr)
        os._exit(FAILURE)

    threading.Thread(target=watch, daemon=True).start()


def _how_to_go_on(settings: TrainerSettings, before: Collection[Path]) -> str:
    """Return the command that resumes the run of the ranks; empty if they had not made one yet.

    Args:
        settings: Those that the ranks were started with.
        before: The configurations of the runs that there were before.
    """
    from hrm_trainer._resume import find_run, resume_command

    if settings.resume is not None:
        run = find_run(settings).path
    else:
        made = sorted(set(settings.runs.glob("*/config.json")).difference(before))
        if not made:
            return ""
        run = made[-1].parent
    return f"; {resume_command(run, settings)} goes on"


def _wait(children: Sequence["subprocess.Popen[bytes]"], stop: Sequence[int], how_to_go_on: Callable[[], str]) -> int:
    """Wait for all ranks. After a failure the others get a grace period, then SIGTERM, then SIGKILL."""
    failed: tuple[int, int] | None = None
    deadlines: list[tuple[float, int]] = []
    while any(child.poll() is None for child in children):
        now = time.monotonic()
        if failed is None:
            failed = _first_failure(children)
            if failed is not None and failed[1] != INTERRUPTED:  # those that were interrupted have agreed to end
                deadlines = [(now + _GRACE, signal.SIGTERM), (now + 2 * _GRACE, signal.SIGKILL)]
        if not deadlines and children[0].poll() == INTERRUPTED:  # it has saved: the others have nothing left to do
            deadlines = [(now + _AFTER_THE_LEAD, signal.SIGKILL)]
        if deadlines and now > deadlines[0][0]:
            _send(children, deadlines.pop(0)[1])
        time.sleep(0.05)
    failed = failed or _first_failure(children)
    if failed is None:
        return 0
    rank, code = failed
    if stop and (code < 0 or children[0].returncode == INTERRUPTED):
        if code < 0:  # before it could say so itself
            print("trainer: interrupted", file=sys.stderr)
        return INTERRUPTED
    if code > 0:
        return code
    name = signal.Signals(-code).name
    said = f"trainer: rank {rank} was ended by {name}, and the others with it{how_to_go_on()}"
    print(message(said), file=sys.stderr)
    return FAILURE


def _first_failure(children: Sequence["subprocess.Popen[bytes]"]) -> tuple[int, int] | None:
    return next(((rank, child.returncode) for rank, child in enumerate(children) if child.poll()), None)


@contextmanager
def _passing_on(children: Sequence["subprocess.Popen[bytes]"]) -> Iterator[list[int]]:
    """Send SIGTERM to all ranks at a stop signal; yield those that have come.

    An ignored signal, as SIGHUP under `nohup`, stays ignored.
    """
    stop: list[int] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        stop.append(number)
        _send(children, signal.SIGTERM)

    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, pass_on)
    try:
        yield stop
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

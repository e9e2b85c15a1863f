"""Turns the end of a command into an exit code, and its errors into one sentence on stderr."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

from hrm_data.untrusted import message

FAILURE = 1
"""The exit code of a failure, such as a full disk."""

USER_MISTAKE = 2
"""The exit code of a mistake on the command line."""

INTERRUPTED = 130
"""The exit code after Ctrl-C, SIGTERM or SIGHUP."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that ask a command to stop."""

_ONE_REQUEST = 1.5  # seconds: `timeout`, uv and a closing terminal send more than one signal for one request
_RETRY = 0.05  # seconds


class CommandError(Exception):
    """Ends a command: the message goes to stderr without a traceback.

    Attributes:
        code: The exit code: 2 for a user's mistake, 1 for a failure, 130 for an interruption.
    """

    def __init__(self, text: str, code: int = USER_MISTAKE) -> None:
        super().__init__(message(text))
        self.code = code


def run(speaker: str, work: Callable[[], int]) -> int:
    """Do the work of a command and return its exit code.

    SIGTERM and SIGHUP stop the work as Ctrl-C does. `CommandError`, an interruption, a closed pipe, an `OSError` and
    exhausted memory become exit codes; any other exception is a fault of the program and keeps its traceback.

    Args:
        speaker: Stands before the message on stderr, such as `trainer`.
        work: Returns the exit code of a command that ends normally.
    """
    _open_streams()
    try:
        with _signals_interrupt():
            code = work()
            sys.stdout.flush()
            return code
    except CommandError as error:
        return _say(speaker, str(error), error.code)
    except KeyboardInterrupt:
        return _say(speaker, "interrupted", INTERRUPTED)
    except (OSError, MemoryError) as error:
        if not isinstance(error, BrokenPipeError):
            _say(speaker, str(error) or "out of memory", FAILURE)
        _drop_stdout()
        return FAILURE


def leave(code: int) -> NoReturn:
    """Exit with a code; after an interruption, another stop signal does not change it."""
    if code == INTERRUPTED:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
    sys.exit(code)


def _say(speaker: str, text: str, code: int) -> int:
    print(f"{speaker}: {message(text)}", file=sys.stderr)
    return code


def _open_streams() -> None:
    """Let every command print, whatever it was started with.

    A stream that the caller has closed leads nowhere: else Python has none, and the next file that is opened would
    take its number. What the encoding of a stream lacks is written as an escape.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            file = open(os.devnull, mode)  # noqa: PTH123, SIM115 (stays open until the process ends)
            if file.fileno() != number:
                os.dup2(file.fileno(), number)
            setattr(sys, name, file)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt at a stop signal; one that is ignored, as SIGHUP under `nohup`, stays ignored."""
    before: dict[signal.Signals, Any] = {}
    first: list[float] = []  # when the signal came that interrupts
    waiting: list[int] = []  # signals that interrupt as soon as an import is done

    def interrupt(number: int, frame: FrameType | None) -> None:
        if first and time.monotonic() - first[0] < _ONE_REQUEST:
            return  # does not cut the cleaning up short
        if _is_importing(frame):
            # Python and the modules that it loads swallow an exception in some of these places, or show a traceback.
            waiting.append(number)
            threading.Timer(_RETRY, os.kill, (os.getpid(), number)).start()
            return
        first[:] = [time.monotonic()]
        raise KeyboardInterrupt

    for number in STOP_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, interrupt)
    try:
        yield
    except Exception as error:
        if waiting:  # such as the error of a compiler that got the same signal
            raise KeyboardInterrupt from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _drop_stdout() -> None:
    """Redirect stdout to the null device: Python's flush at exit would fail once more."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

"""Turns the end of a command into an exit code, and its errors into one sentence on stderr."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from hrm_data.untrusted import message

FAILURE = 1
"""The exit code of a failure, such as a full disk."""

USER_MISTAKE = 2
"""The exit code of a mistake on the command line."""

INTERRUPTED = 130
"""The exit code after Ctrl-C or SIGTERM."""


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

    SIGTERM stops the work as Ctrl-C does. `CommandError`, an interruption, a closed pipe, an `OSError` and exhausted
    memory become exit codes; any other exception is a fault of the program and keeps its traceback.

    Args:
        speaker: Stands before the message on stderr, such as `trainer`.
        work: Returns the exit code of a command that ends normally.
    """
    _open_streams()
    try:
        with _sigterm_interrupts():
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
def _sigterm_interrupts() -> Iterator[None]:
    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _drop_stdout() -> None:
    """Redirect stdout to the null device: Python's flush at exit would fail once more."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

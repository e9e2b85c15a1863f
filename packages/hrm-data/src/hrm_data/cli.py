"""The command `hrm-data`: builds, describes, shows and verifies dataset directories."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

FAILURE, USER_MISTAKE, INTERRUPTED = 1, 2, 130

_HELP = """\
usage: hrm-data build NAME --output DIR [--FIELD VALUE ...]
       hrm-data info DIR
       hrm-data show DIR [--index N]
       hrm-data verify DIR

Make and inspect datasets of reasoning puzzles.

commands:
  build    make a dataset directory; hrm-data build --help lists what can be built
  info     say what a directory holds
  show     draw one example
  verify   check every array, every index and every solution

hrm-data COMMAND --help lists the flags of a command.
Exit codes: 0 done, 1 failure or a faulty dataset, 2 a mistake in what was asked, 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 2 for a user's mistake, 1 for a failure, 130 on Ctrl-C."""
    from hrm_data._errors import HRMDataError, HRMDataIOError

    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with _sigterm_interrupts():
            code = _run(words)
            sys.stdout.flush()
            return code
    except HRMDataError as error:
        return _fail(str(error), FAILURE if isinstance(error, HRMDataIOError) else USER_MISTAKE)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except (OSError, MemoryError) as error:
        if not isinstance(error, BrokenPipeError):
            _fail(str(error) or "out of memory", FAILURE)
        _drop_stdout()
        return FAILURE


def _run(words: list[str]) -> int:
    from hrm_data._errors import HRMDataError

    if not words or words[0] in ("-h", "--help"):
        print(_HELP, end="")
        return 0
    if words[0] == "--version":
        from importlib.metadata import version

        print(version("hrm-data"))
        return 0
    commands = {"build": _build, "info": _info, "show": _show, "verify": _verify}
    if words[0] not in commands:
        raise HRMDataError(f"{words[0]!r} is no command; commands are {', '.join(commands)} (see hrm-data --help)")
    command: Callable[[list[str]], int] = commands[words[0]]
    return command(words[1:])


# What a command needs is imported once it is understood, so that no help waits for it.


def _build(words: list[str]) -> int:
    from hrm_data._command_build import build

    return build(words)


def _info(words: list[str]) -> int:
    from hrm_data._arguments import parse
    from hrm_data._command_lines import InfoSettings

    settings = parse(InfoSettings, words, "hrm-data info", "hrm-data info DIR")
    from hrm_data._command_show import describe_directory

    describe_directory(settings.directory)
    return 0


def _show(words: list[str]) -> int:
    from hrm_data._arguments import parse
    from hrm_data._command_lines import ShowSettings

    usage = "hrm-data show DIR [--index N] [--split NAME] [--task NAME]"
    settings = parse(ShowSettings, words, "hrm-data show", usage)
    from hrm_data._command_show import show

    return show(settings)


def _verify(words: list[str]) -> int:
    from hrm_data._arguments import parse
    from hrm_data._command_lines import VerifySettings

    settings = parse(VerifySettings, words, "hrm-data verify", "hrm-data verify DIR [--task NAME]")
    from hrm_data._command_verify import verify

    return verify(settings)


def _fail(message: str, code: int) -> int:
    print(f"hrm-data: {message}", file=sys.stderr)
    return code


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does: leave nothing half done."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _drop_stdout() -> None:
    """Keep Python from reporting, when it exits, that nobody reads its output any more."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def entry_point() -> None:
    """Exit with the code of `main`."""
    sys.exit(main())

"""The command ``trainer``: reads the command line, runs, turns errors into messages and exit codes."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from hrm_trainer._errors import UserError

FAILURE, USER_MISTAKE, INTERRUPTED = 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Returns:
        0 when the run finished, 2 for a user's mistake, 1 for a failure, 130 when interrupted.
    """
    try:
        with _sigterm_interrupts():
            return _run(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        _drop_stdout()
        return FAILURE
    except (OSError, MemoryError) as error:
        return _fail(str(error) or "out of memory", FAILURE)
    except RuntimeError as error:
        from hrm_ops import explain_mlx_error

        failure = explain_mlx_error(error)
        if not failure:
            raise
        if "peer was lost" in str(error):
            return _fail("another rank has ended; the last checkpoint is intact, trainer --resume goes on", FAILURE)
        kept = "; is the disk full? what was saved before is as it was" if "write" in str(error) else ""
        return _fail(f"{failure}{kept}", FAILURE)


def _run(argv: list[str]) -> int:
    if argv[:1] == ["doctor"]:  # first of all, for it works where MLX does not
        from hrm_ops.__main__ import main as doctor

        return doctor(argv[1:], prog="trainer doctor")

    # Imported late: only now are errors and signals turned into messages, and each command loads what it needs.
    from hrm_data import HRMDataError, HRMDataIOError
    from hrm_model import HRMModelError
    from hrm_train import HRMTrainError, InterruptedRunError, RunInUseError

    from hrm_trainer import _commands

    code = 0
    try:
        commands = {
            "plot": _commands.plot,
            "import-checkpoint": _commands.import_checkpoint,
            "export-checkpoint": _commands.export_checkpoint,
        }
        if command := commands.get(argv[0] if argv else ""):
            command(argv[1:])
        else:
            code = _train(argv)
    except HRMDataIOError as error:
        return _fail(str(error), FAILURE)
    except (UserError, HRMDataError, HRMModelError, RunInUseError) as error:
        return _fail(str(error), USER_MISTAKE)
    except InterruptedRunError as error:
        return _fail(f"{error}; trainer --resume goes on", INTERRUPTED)
    except HRMTrainError as error:
        return _fail(str(error), FAILURE)
    sys.stdout.flush()
    return code


def _train(argv: list[str]) -> int:
    from hrm_trainer._launch import LAUNCHER, follow_launcher, launch
    from hrm_trainer._parse import parse

    settings = parse(argv)  # before the rest is loaded, so that --help answers at once
    if LAUNCHER in os.environ:
        follow_launcher()
    elif settings.ranks > 1:
        return launch(argv, settings.ranks)
    from hrm_trainer._run import run

    run(settings)
    return 0


def _fail(message: str, code: int) -> int:
    rank = f", rank {os.environ['MLX_RANK']}" if "MLX_RANK" in os.environ else ""
    print(f"trainer{rank}: {message}", file=sys.stderr)
    return code


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does, before and after training as well as in it."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _drop_stdout() -> None:
    """Keep Python from reporting, when it exits, that nobody reads its output any more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def entry_point() -> None:
    """Exit with the code of :func:`main`."""
    sys.exit(main())

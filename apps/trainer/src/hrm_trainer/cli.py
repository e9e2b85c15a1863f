"""The command `trainer`: runs what the command line asks for and turns errors into messages and exit codes."""

import os
import sys
from collections.abc import Sequence

from hrm_data.command_line import FAILURE, CommandError, leave
from hrm_data.command_line import run as run_command


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Returns:
        0 when the run finished, 2 for a user's mistake, 1 for a failure, 130 when interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    rank = f", rank {os.environ['MLX_RANK']}" if "MLX_RANK" in os.environ else ""
    return run_command(f"trainer{rank}", lambda: _explained(words))


def _explained(words: list[str]) -> int:
    """Do what the words ask for; errors of the packages become `CommandError` with their exit codes."""
    if words[:1] == ["doctor"]:  # before other imports: it also works where MLX does not
        from hrm_ops.__main__ import main as doctor

        return doctor(words[1:], prog="trainer doctor")

    # Imported here, where errors and signals are turned into messages already.
    from hrm_data import HRMDataError, HRMDataIOError
    from hrm_model import HRMModelError
    from hrm_train import HRMTrainError, RunInUseError

    try:
        return _dispatch(words)
    except (RunInUseError, HRMModelError) as error:
        raise CommandError(str(error)) from error
    except (HRMDataIOError, HRMTrainError) as error:
        raise CommandError(str(error), FAILURE) from error
    except HRMDataError as error:
        raise CommandError(str(error)) from error
    except RuntimeError as error:
        if (failure := _failure_of_mlx(error)) is None:
            raise
        raise CommandError(failure, FAILURE) from error


def _failure_of_mlx(error: RuntimeError) -> str | None:
    """One sentence for an error of MLX; None for an error that is not MLX's."""
    from hrm_ops import explain_mlx_error

    failure = explain_mlx_error(error)
    if failure and "peer was lost" in str(error):  # before the training, which says how to go on
        return "another rank has ended"
    if failure and "write" in str(error):
        return f"{failure}; is the disk full? what was saved before is as it was"
    return failure or None


def _dispatch(words: list[str]) -> int:
    from hrm_trainer._command_line import parse

    settings = parse(words)  # before the rest is loaded, so that --help answers at once
    if settings is None:
        return 0
    from hrm_trainer._launch import LAUNCHER, follow_launcher, launch

    if LAUNCHER in os.environ:
        follow_launcher()
    elif settings.ranks > 1:
        return launch(words, settings)
    from hrm_trainer._run import run

    run(settings)
    return 0


def entry_point() -> None:
    """Exit with the code of `main`."""
    leave(main())

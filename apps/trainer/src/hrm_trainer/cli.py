"""The command ``trainer``: reads the command line, runs, turns errors into messages and exit codes."""

import sys
from collections.abc import Sequence

from hrm_trainer._errors import UserError

USER_MISTAKE, FAILURE, INTERRUPTED = 2, 1, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Returns:
        0 when the run finished, 2 for a user's mistake, 1 for a failure, 130 when interrupted.
    """
    from hrm_trainer._parse import parse

    try:
        settings = parse(list(sys.argv[1:] if argv is None else argv))
        from hrm_data import HRMDataError
        from hrm_train import HRMTrainError, InterruptedRunError

        from hrm_trainer._run import run
    except UserError as error:
        print(f"trainer: {error}", file=sys.stderr)
        return USER_MISTAKE

    try:
        run(settings)
    except (UserError, HRMDataError) as error:
        print(f"trainer: {error}", file=sys.stderr)
        return USER_MISTAKE
    except InterruptedRunError as error:
        print(f"trainer: {error}", file=sys.stderr)
        return INTERRUPTED
    except KeyboardInterrupt:
        print("trainer: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (HRMTrainError, OSError) as error:
        print(f"trainer: {error}", file=sys.stderr)
        return FAILURE
    return 0


def entry_point() -> None:
    """Exit with the code of :func:`main`."""
    sys.exit(main())

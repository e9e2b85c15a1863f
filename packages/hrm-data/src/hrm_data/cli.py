"""The command `hrm-data`: builds, describes, draws and verifies dataset directories."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from hrm_data.command_line import leave, run

# cyclopts, rich and NumPy are imported by the functions that need them: importing this module stays quick.


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 2 for a user's mistake, 1 for a failure, 130 on Ctrl-C."""
    words = list(sys.argv[1:] if argv is None else argv)
    return run("hrm-data", lambda: _dispatch(words))


def _dispatch(words: list[str]) -> int:
    from hrm_data._errors import HRMDataError, HRMDataIOError
    from hrm_data.command_line import FAILURE, CommandError, dispatch
    from hrm_data.commands._line import application_for

    try:
        return dispatch(application_for(words), words) or 0
    except HRMDataIOError as error:
        raise CommandError(str(error), FAILURE) from error
    except HRMDataError as error:
        raise CommandError(str(error)) from error


def entry_point() -> None:
    """Exit with the code of `main`."""
    leave(main())

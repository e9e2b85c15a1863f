from ._application import application, dispatch
from ._exit import FAILURE, INTERRUPTED, USER_MISTAKE, CommandError, run
from ._options import Spelling, dashed, options_of, underscored
from ._settings_file import leaves, merge, read_settings
from ._validation import describe, flags_of, suggestion, validate

__all__ = [
    "FAILURE",
    "INTERRUPTED",
    "USER_MISTAKE",
    "CommandError",
    "Spelling",
    "application",
    "dashed",
    "describe",
    "dispatch",
    "flags_of",
    "leaves",
    "merge",
    "options_of",
    "read_settings",
    "run",
    "suggestion",
    "underscored",
    "validate",
]

from ._application import application, dispatch
from ._exit import FAILURE, INTERRUPTED, STOP_SIGNALS, USER_MISTAKE, CommandError, leave, run
from ._options import Spelling, dashed, options_of, underscored
from ._settings_file import leaves, merge, read_settings
from ._validation import describe, flags_of, suggestion, validate

__all__ = [
    "FAILURE",
    "INTERRUPTED",
    "STOP_SIGNALS",
    "USER_MISTAKE",
    "CommandError",
    "Spelling",
    "application",
    "dashed",
    "describe",
    "dispatch",
    "flags_of",
    "leave",
    "leaves",
    "merge",
    "options_of",
    "read_settings",
    "run",
    "suggestion",
    "underscored",
    "validate",
]

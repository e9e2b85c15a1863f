"""The package's exceptions."""

from hrm_data.untrusted import message


class HRMDataError(Exception):
    """Something in the caller's data or request is wrong; the message says what, where and what to do.

    It may be printed on a terminal: what it quotes is escaped, and cut where it is long.
    """

    def __init__(self, text: str) -> None:
        super().__init__(message(text))


class HRMDataIOError(HRMDataError):
    """The request is right, but the disk or the network failed."""

"""The error for a user's mistake."""

from hrm_data.untrusted import message


class UserError(Exception):
    """A user's mistake: the message says what is wrong, where, and what to do.

    It may be printed on a terminal: what it quotes is escaped, and cut where it is long.
    """

    def __init__(self, text: str) -> None:
        super().__init__(message(text))

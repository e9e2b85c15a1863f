"""The exception of hrm_model."""

from hrm_model.untrusted import message


class HRMModelError(ValueError):
    """Base class of every error that hrm_model raises for wrong input.

    Its text may be printed on a terminal: what it quotes is escaped, and cut where it is long.
    """

    def __init__(self, text: str) -> None:
        super().__init__(message(text))

"""The error for a user's mistake."""

import re
from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import ParamSpec, TypeVar

from hrm_data.untrusted import message

P = ParamSpec("P")
T = TypeVar("T")


class UserError(Exception):
    """A user's mistake: the message says what is wrong, where, and what to do.

    It may be printed on a terminal: what it quotes is escaped, and cut where it is long.
    """

    def __init__(self, text: str) -> None:
        super().__init__(message(text))

    def _render_traceback_(self, *_: object) -> list[str]:
        """Return what IPython shows: one line."""
        return [f"{type(self).__name__}: {self}"]


def in_python(function: Callable[P, T]) -> Callable[P, T]:
    """Let the errors of a function name its arguments where they name flags: `max_steps` instead of `--max-steps`.

    A command calls `inspect.unwrap(function)`, whose errors name flags.
    """
    flags = "|".join(sorted((name.replace("_", "-") for name in signature(function).parameters), key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w-])--({flags})\b")

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except UserError as error:
            said = pattern.sub(lambda flag: flag[1].replace("-", "_"), str(error))
        raise UserError(said)

    return call

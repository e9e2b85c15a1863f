"""The console on which commands print: what others wrote is shown as it is, and cannot steer the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from hrm_data.untrusted import printable


class PlainConsole(Console):
    r"""A console of rich that takes no text for markup, emoji or control characters.

    Square brackets in a path stay, and `\x1b` is written out. Styles come from `Text` and `style` alone.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return the text with everything that a terminal may obey escaped, line by line."""
        return super().render_str(plain_lines(text), **options)


def console_for(*, stderr: bool = False, quiet: bool = False) -> PlainConsole:
    """Return a console for stdout or stderr."""
    return PlainConsole(stderr=stderr, quiet=quiet)


def plain_lines(text: str) -> str:
    """Return a text whose lines are printable; it keeps its line ends."""
    return "\n".join(map(printable, text.split("\n")))


def say(text: str, *, end: str = "\n", file: Any = None) -> None:
    """Print a text that may quote others, without rich: for lines that other programs read."""
    print(plain_lines(text), end=end, file=file, flush=file is not None)

"""A puzzle as a user wrote it, before its board is parsed."""

from itertools import islice
from typing import NamedTuple

from hrm_data import HRMDataError, Task

LONGEST_PUZZLE = 1 << 17
"""The most characters of a puzzle, or of a line of text."""
TOO_LONG = f"is longer than {LONGEST_PUZZLE:,} characters; write one puzzle, or one row, in a line"


class PuzzleText(NamedTuple):
    """A puzzle as a user wrote it.

    Attributes:
        source: Where it was read, such as `puzzles.txt, line 3`.
        text: The text that the task parses.
        name: Its name in the file, if it has one.
        problem: Why it cannot be read; then there is no text.
        answer: The answer that the file gives to a puzzle whose rule is unknown.
    """

    source: str
    text: str
    name: str | None = None
    problem: str = ""
    answer: str | None = None


def only_puzzle(task: Task, text: str) -> str | None:
    """Return the one puzzle in a text, in whatever layout, as `task.parse` reads it; None if it is no puzzle."""
    found = list(islice(task.find_puzzles(text.splitlines()), 2)) if len(text) <= LONGEST_PUZZLE else []
    if len(found) != 1:
        return None
    try:
        task.parse(found[0][1])
    except HRMDataError:
        return None
    return found[0][1]

"""The puzzles that a command was given: its arguments, a file or stdin."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from hrm_data import Task

from hrm_evaluator._errors import UserError
from hrm_evaluator.puzzles._lines import decode_lines
from hrm_evaluator.puzzles._puzzle_text import LONGEST_PUZZLE, TOO_LONG, PuzzleText
from hrm_evaluator.puzzles._read import read_board, read_file, read_lines

_FEW = 10  # puzzles of which one must belong to a task
_MOST_LINES = 100  # of stdin in which the first puzzle is looked for


class Input:
    """Puzzles as a user gave them; what they mean is the task's to say.

    Args:
        words: The puzzles of the command line; `-` stands for those of stdin.
        file: A file of puzzles; stdin is read if there is neither.
    """

    def __init__(self, words: Sequence[str], file: Path | None) -> None:
        self._words, self._file = words, file
        self._looked_at: list[str | None] = []
        self._rest = _stdin()

    @property
    def is_one_word(self) -> bool:
        """Whether it is one puzzle on the command line."""
        return len(self._words) == 1 and self._words[0] != "-" and self._file is None

    @property
    def characters(self) -> int:
        """Characters of the first puzzle on the command line, without white space; 0 if there is none."""
        return len("".join(self.arguments[0].split())) if self.arguments else 0

    def puzzles(self, task: Task) -> Iterator[PuzzleText]:
        """Find all puzzles: those of the file, then those of the arguments; stdin can be read once."""
        if self._file is not None:
            yield from read_file(self._file, task)
        for number, text in enumerate(self._words, start=1):
            if text == "-":
                yield from read_lines(self._lines(), task, "stdin")
            else:
                yield PuzzleText(f"puzzle {number}", text)
        if self._reads_stdin:
            yield from read_lines(self._lines(), task, "stdin")

    def first_of(self, tasks: Sequence[Task]) -> Task | None:
        """Return the first of `tasks` to which one of the first puzzles belongs; None if none, or nobody can know.

        Of stdin only as many lines are read as are needed. A pipe in the place of a file cannot be read twice.
        """
        if self._file is not None:
            return _fitting(tasks, partial(read_file, self._file)) if self._file.is_file() else None
        if self.arguments:
            return _fitting(tasks, lambda task: (PuzzleText("", word) for word in self.arguments))
        for line in islice(self._rest, _MOST_LINES):
            self._looked_at.append(line)
            if found := _fitting(tasks, lambda task: read_lines(self._looked_at, task, "stdin")):
                return found
            if sum(len(line or "") for line in self._looked_at) > LONGEST_PUZZLE:
                return None
        return None

    @property
    def arguments(self) -> list[str]:
        """The puzzles of the command line."""
        return [word for word in self._words if word != "-"]

    @property
    def _reads_stdin(self) -> bool:
        return self._file is None and not self._words

    def _lines(self) -> Iterator[str | None]:
        yield from self._looked_at
        yield from self._rest


def _stdin() -> Iterator[str | None]:
    if sys.stdin.isatty():
        print("evaluator: type one puzzle on each line; Ctrl-D ends", file=sys.stderr)
    yield from decode_lines(partial(os.read, sys.stdin.fileno()))


def _fitting(tasks: Sequence[Task], puzzles: Callable[[Task], Iterable[PuzzleText]]) -> Task | None:
    for task in tasks:
        found = list(islice(puzzles(task), _FEW))
        if any(_belongs(puzzle, task) for puzzle in found):
            return task
        if any(puzzle.problem == TOO_LONG for puzzle in found):  # as it is for every other task
            return None
    return None


def _belongs(puzzle: PuzzleText, task: Task) -> bool:
    if puzzle.problem:
        return False
    try:
        read_board(task, puzzle.text)
    except UserError:
        return False
    return True

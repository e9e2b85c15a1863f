"""Puzzle files as text, CSV, JSON or XML, read line by line so that the input may be endless."""

import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from hrm_data import HRMDataError, Task
from hrm_data.sources import delimiter_of
from hrm_data.untrusted import shortened

from hrm_evaluator._errors import UserError
from hrm_evaluator.puzzles._csv import is_header, puzzles_of_csv
from hrm_evaluator.puzzles._json import is_json, puzzles_of_json
from hrm_evaluator.puzzles._lines import decode_lines
from hrm_evaluator.puzzles._puzzle_text import LONGEST_PUZZLE, TOO_LONG, PuzzleText, only_puzzle
from hrm_evaluator.puzzles._xml import puzzles_of_xml

Format = Callable[[Iterable[tuple[int, str | None]], Task, str], Iterator[PuzzleText]]

_XML = re.compile(r"\s*<[?!A-Za-z]")
_GZIP = b"\x1f\x8b"


def read_file(path: Path, task: Task) -> Iterator[PuzzleText]:
    """Read the puzzles of a file, which may be compressed with gzip; see `read_lines`.

    Raises:
        UserError: If the file cannot be opened.
    """
    try:
        file = path.open("rb")
    except IsADirectoryError:
        raise UserError(f"--file {path}: is a directory; name a file of puzzles") from None
    except OSError as error:
        raise UserError(f"--file {path}: cannot be read ({error.strerror})") from error
    with file:
        try:
            stream = gzip.GzipFile(fileobj=file) if file.peek(2)[:2] == _GZIP else file
            yield from read_lines(decode_lines(stream.read1), task, str(path))
        except (OSError, EOFError, zlib.error) as error:
            yield PuzzleText(str(path), "", problem=f"is damaged, and the rest cannot be read ({shortened(error)})")


def read_lines(lines: Iterable[str | None], task: Task, source: str) -> Iterator[PuzzleText]:
    """Find the puzzles in lines of text; None stands for a line that is too long.

    The first line that is neither blank nor a `#` comment decides the format: XML, JSON, CSV if it is a header that
    names a column of puzzles; otherwise the task finds the puzzles in the lines.
    """
    numbered = enumerate(lines, start=1)
    problems: list[PuzzleText] = []
    rest: Iterator[PuzzleText] = iter(())

    def text() -> Iterator[str]:
        nonlocal rest
        is_decided = False
        for number, line in numbered:
            line = line.removeprefix("\ufeff") if line and number == 1 else line
            if not is_decided and line and line.strip() and not line.startswith("#"):
                is_decided = True
                if known := _format(line, task):
                    rest = known(chain([(number, line)], numbered), task, source)
                    return
                line = "" if len(line) <= LONGEST_PUZZLE and is_header(line) else line  # of a single column
            if line is None or len(line) > LONGEST_PUZZLE:
                problems.append(PuzzleText(f"{source}, line {number}", "", problem=TOO_LONG))
                line = ""
            yield line

    for number, puzzle in task.find_puzzles(text()):
        yield from problems
        problems.clear()
        yield PuzzleText(f"{source}, line {number}", puzzle)
    yield from problems
    yield from rest


def _format(line: str, task: Task) -> Format | None:
    if _XML.match(line):
        return puzzles_of_xml
    if is_json(line, task):
        return puzzles_of_json
    is_csv = len(line) <= LONGEST_PUZZLE and delimiter_of(line) in line and is_header(line)
    return puzzles_of_csv if is_csv else None


def read_board(task: Task, text: str) -> Any:
    """Parse and check the board of a puzzle, in whatever layout.

    Raises:
        UserError: If it is not a puzzle of this task.
    """
    try:
        try:
            board = task.parse(text)
        except HRMDataError:
            other = only_puzzle(task, text)
            if other is None:
                raise
            board = task.parse(other)
        task.check_puzzle(board)
    except HRMDataError as error:
        raise UserError(str(error)) from None
    return board

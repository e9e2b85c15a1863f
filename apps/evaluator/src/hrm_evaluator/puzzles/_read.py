"""Puzzle files as text, CSV or JSON, read line by line so that the input may be endless."""

import csv
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hrm_data import HRMDataError, Task

from hrm_evaluator._errors import UserError

QUESTIONS = ("question", "puzzle", "quizzes", "quiz")
"""Names of the puzzle column in published collections."""
_JSON = re.compile(r"\s*(\{|\[\s*(\{|$))")
_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 16


class PuzzleText(NamedTuple):
    """A puzzle as a user wrote it.

    Attributes:
        source: Where it was read, such as `puzzles.txt, line 3`.
        text: The text that the task parses.
        name: Its name in the file, if it has one.
        problem: Why it cannot be read; then there is no text.
    """

    source: str
    text: str
    name: str | None = None
    problem: str = ""


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
            yield PuzzleText(str(path), "", problem=f"is damaged, and the rest cannot be read ({error})")


def decode_lines(read: Callable[[int], bytes]) -> Iterator[str]:
    """Yield lines as soon as they are complete; invalid UTF-8 becomes U+FFFD.

    Args:
        read: Returns the available bytes, at most so many, and none at the end.
    """
    rest = b""
    while data := read(_CHUNK):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace").removesuffix("\r")
    if rest:
        yield rest.decode(errors="replace").removesuffix("\r")


def read_lines(lines: Iterable[str], task: Task, source: str) -> Iterator[PuzzleText]:
    """Find the puzzles in lines of text.

    The first line that is neither blank nor a `#` comment decides the format: CSV if it is a header with a column of
    `QUESTIONS`, JSON of ARC tasks if it starts like JSON; otherwise the task finds the puzzles in the lines.
    """
    lines = iter(lines)
    before = 0
    first = ""

    def text() -> Iterator[str]:
        nonlocal before, first
        is_decided = False
        for line in lines:
            before += 1
            line = line.removeprefix("\ufeff") if before == 1 else line
            if not is_decided and line.strip() and not line.startswith("#"):
                is_decided = True
                if _delimiter(line) or _JSON.match(line):
                    first = line
                    return
            yield line

    for number, puzzle in task.find_puzzles(text()):
        yield PuzzleText(f"{source}, line {number}", puzzle)
    if delimiter := _delimiter(first):
        yield from _from_csv(lines, first, delimiter, before, source)
    elif first:
        yield from _from_json("\n".join([first, *lines]), source)


def _delimiter(header: str) -> str:
    for delimiter in ",;\t":
        if _question(header.split(delimiter)) is not None and (delimiter in header or delimiter == ","):
            return delimiter
    return ""


def _question(header: list[str]) -> int | None:
    names = [name.strip().strip('"').lower() for name in header]
    return next((names.index(name) for name in QUESTIONS if name in names), None)


def _from_csv(lines: Iterable[str], header: str, delimiter: str, before: int, source: str) -> Iterator[PuzzleText]:
    fields = header.split(delimiter)
    column = _question(fields)
    assert column is not None
    for number, line in enumerate(lines, start=before + 1):
        where = f"{source}, line {number}"
        try:
            row = next(csv.reader([line], delimiter=delimiter, strict=True), [])
        except csv.Error as error:
            yield PuzzleText(where, "", problem=f"is not CSV ({error})")
            continue
        if not line.strip() or (line.startswith("#") and len(row) != len(fields)):
            continue
        if len(row) <= column:
            yield PuzzleText(where, "", problem=f"has {len(row)} fields, but the header names {len(fields)}")
            continue
        yield PuzzleText(where, row[column])


def _from_json(text: str, source: str) -> Iterator[PuzzleText]:
    try:
        yield from _inputs(json.loads(text), source, Path(source).stem)
    except (ValueError, RecursionError) as error:
        yield PuzzleText(source, "", problem=f"is not readable JSON ({error})")


def _inputs(value: Any, source: str, name: str) -> Iterator[PuzzleText]:
    """Find the test inputs of an ARC task, of an object of tasks as on Kaggle, or of a list of tasks."""
    if isinstance(value, dict) and "test" in value:
        name = value["name"] if isinstance(value.get("name"), str) else name
        tests = value["test"] if isinstance(value["test"], list) else [value["test"]]
        for number, pair in enumerate(tests):
            where = f"{source}, test {number + 1}"
            if isinstance(pair, dict) and "input" in pair:
                yield PuzzleText(where, json.dumps(pair["input"]), name)
            else:
                yield PuzzleText(where, "", problem="has no input")
    elif isinstance(value, dict) and value and all(isinstance(item, dict) for item in value.values()):
        for key, item in value.items():
            yield from _inputs(item, f"{source}, task {key}", key)
    elif isinstance(value, list) and value:
        for number, item in enumerate(value, start=1):
            yield from _inputs(item, f"{source}, item {number}", name)
    else:
        yield PuzzleText(source, "", problem="is not an ARC task: it has no test pairs")


def read_board(task: Task, text: str) -> Any:
    """Parse and check the board of a puzzle.

    Raises:
        UserError: If it is not a puzzle of this task.
    """
    try:
        board = task.parse(text)
        task.check_puzzle(board)
    except HRMDataError as error:
        raise UserError(str(error)) from error
    return board

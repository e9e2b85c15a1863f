"""Reads puzzles from files of several formats, line by line, so that an input may be endless."""

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
"""Names that published collections give the column with the puzzles."""
_JSON = re.compile(r"\s*(\{|\[\s*(\{|$))")
_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 16


class Written(NamedTuple):
    """A puzzle as someone wrote it.

    Attributes:
        source: Where it stands, such as ``puzzles.txt, line 3``.
        text: What the task shall parse.
        name: What it is called there, if anything.
        problem: Why it is none; then there is no text.
    """

    source: str
    text: str
    name: str | None = None
    problem: str = ""


def read_file(path: Path, task: Task) -> Iterator[Written]:
    """Find the puzzles of a file, which gzip may have compressed; see :func:`find_written`.

    Raises:
        UserError: If it cannot be opened.
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
            yield from find_written(lines_of(stream.read1), task, str(path))
        except (OSError, EOFError, zlib.error) as error:
            yield Written(str(path), "", problem=f"is damaged, and what follows cannot be read ({error})")


def lines_of(read: Callable[[int], bytes]) -> Iterator[str]:
    """Yield lines as soon as they are complete; bytes that are no UTF-8 become U+FFFD.

    Args:
        read: Returns what there is, at most so many bytes, and none at the end.
    """
    rest = b""
    while data := read(_CHUNK):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace").removesuffix("\r")
    if rest:
        yield rest.decode(errors="replace").removesuffix("\r")


def find_written(lines: Iterable[str], task: Task, source: str) -> Iterator[Written]:
    """Find puzzles in lines of text.

    The first line that is neither blank nor begins with ``#`` tells the format: CSV if it is a header with a column of
    :data:`QUESTIONS`, JSON of ARC tasks if it begins one; otherwise what the task makes of the lines.
    """
    lines = iter(lines)
    before = 0
    first = ""

    def text() -> Iterator[str]:
        nonlocal before, first
        told = False
        for line in lines:
            before += 1
            line = line.removeprefix("\ufeff") if before == 1 else line
            if not told and line.strip() and not line.startswith("#"):
                told = True
                if _delimiter(line) or _JSON.match(line):
                    first = line
                    return
            yield line

    for number, puzzle in task.find_puzzles(text()):
        yield Written(f"{source}, line {number}", puzzle)
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


def _from_csv(lines: Iterable[str], header: str, delimiter: str, before: int, source: str) -> Iterator[Written]:
    fields = header.split(delimiter)
    at = _question(fields)
    assert at is not None
    for number, line in enumerate(lines, start=before + 1):
        place = f"{source}, line {number}"
        try:
            row = next(csv.reader([line], delimiter=delimiter, strict=True), [])
        except csv.Error as error:
            yield Written(place, "", problem=f"is not CSV ({error})")
            continue
        if not line.strip() or (line.startswith("#") and len(row) != len(fields)):
            continue
        if len(row) <= at:
            yield Written(place, "", problem=f"has {len(row)} fields, but the header names {len(fields)}")
            continue
        yield Written(place, row[at])


def _from_json(text: str, source: str) -> Iterator[Written]:
    try:
        yield from _inputs(json.loads(text), source, Path(source).stem)
    except (ValueError, RecursionError) as error:
        yield Written(source, "", problem=f"is not readable JSON ({error})")


def _inputs(value: Any, where: str, name: str) -> Iterator[Written]:
    """Find the test inputs of an ARC task, of Kaggle's object of tasks, or of a list of them."""
    if isinstance(value, dict) and "test" in value:
        name = value["name"] if isinstance(value.get("name"), str) else name
        tests = value["test"] if isinstance(value["test"], list) else [value["test"]]
        for number, pair in enumerate(tests):
            place = f"{where}, test {number + 1}"
            if isinstance(pair, dict) and "input" in pair:
                yield Written(place, json.dumps(pair["input"]), name)
            else:
                yield Written(place, "", problem="has no input")
    elif isinstance(value, dict) and value and all(isinstance(item, dict) for item in value.values()):
        for key, item in value.items():
            yield from _inputs(item, f"{where}, task {key}", key)
    elif isinstance(value, list) and value:
        for number, item in enumerate(value, start=1):
            yield from _inputs(item, f"{where}, item {number}", name)
    else:
        yield Written(where, "", problem="is no ARC task: it has no test pairs")


def read_board(task: Task, written: Written) -> Any:
    """Return the board of a puzzle as it is written.

    Raises:
        UserError: If it is no puzzle of this task.
    """
    if written.problem:
        raise UserError(written.problem)
    try:
        board = task.parse(written.text)
        task.check_puzzle(board)
    except HRMDataError as error:
        raise UserError(str(error)) from error
    return board

"""Puzzles in a column of a CSV file."""

import csv
from collections.abc import Iterable, Iterator

from hrm_data import Task
from hrm_data.sources import QUESTIONS, delimiter_of, find_column
from hrm_data.untrusted import shortened

from hrm_evaluator.puzzles._puzzle_text import LONGEST_PUZZLE, TOO_LONG, PuzzleText, only_puzzle


def is_header(line: str) -> bool:
    """Whether a line names columns, one of them with puzzles."""
    return find_column(line.split(delimiter_of(line)), QUESTIONS) is not None


def puzzles_of_csv(lines: Iterable[tuple[int, str | None]], task: Task, source: str) -> Iterator[PuzzleText]:
    """Yield the puzzle in every line after the header."""
    lines = iter(lines)
    header = next(lines)[1] or ""
    delimiter = delimiter_of(header)
    fields = header.split(delimiter)
    column = find_column(fields, QUESTIONS)
    assert column is not None
    for number, line in lines:
        where = f"{source}, line {number}"
        if line is None or len(line) > LONGEST_PUZZLE:
            yield PuzzleText(where, "", problem=TOO_LONG)
            continue
        try:
            row = next(csv.reader([line], delimiter=delimiter, strict=True), [])
        except csv.Error as error:
            yield PuzzleText(where, "", problem=f"is not CSV ({shortened(error)})")
            continue
        if not line.strip() or (line.startswith("#") and len(row) != len(fields)):
            continue
        if len(row) <= column:
            yield PuzzleText(where, "", problem=f"has {len(row)} fields, but the header names {len(fields)}")
            continue
        yield PuzzleText(where, only_puzzle(task, row[column]) or row[column])

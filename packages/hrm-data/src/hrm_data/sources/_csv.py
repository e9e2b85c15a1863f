"""Reads CSV files a few thousand rows at a time, with errors that name file, line and column."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TextIO

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data.sources._columns import ANSWERS, QUESTIONS, delimiter_of, encoding_of, find_column
from hrm_data.untrusted import quoted, shortened

COLUMNS = {"question": QUESTIONS, "answer": ANSWERS, "rating": ("rating",)}
"""Columns that are read, with the names that they have in published files."""
_CHUNK = 8192  # rows
_LARGEST = 1 << 24  # characters of the rows that are in memory at once
_LONGEST = 1 << 20  # characters of a line
_MOST_COLUMNS = 1000


@dataclass(frozen=True)
class Table:
    """Some consecutive rows of a CSV file, the wanted columns only, by their names in `COLUMNS`."""

    path: Path
    lines: list[int]
    """Line of each row in the file, counted from 1."""
    columns: dict[str, list[str]]
    names: dict[str, str]
    """What the file calls these columns."""

    def error(self, row: int, problem: str, column: str = "") -> HRMDataError:
        """Return an exception that names file, line and column."""
        where = f", column {shortened(self.names[column])}" if column else ""
        return HRMDataError(f"{self.path}, line {self.lines[row]}{where}: {problem}")


def read_table(path: Path, wanted: Sequence[str], optional: Sequence[str] = ()) -> Iterator[Table]:
    """Yield the rows of a file with a header, in pieces. Other columns are ignored; columns may have any order.

    The text is UTF-8 or UTF-16, and `,`, `;` or a tab separates columns.

    Args:
        path: The file.
        wanted: Columns of `COLUMNS` that the file must have.
        optional: Columns that are read if the file has them.

    Raises:
        HRMDataError: The file cannot be read, is empty, lacks a column, or a row has more or fewer fields than the
            header.
    """
    encoding = "utf-8"
    reader = None
    try:
        with path.open("rb") as start:
            encoding = encoding_of(start.read(2))
        with path.open(encoding=encoding, newline="") as file:
            lines = _lines(path, file)
            first = next(lines, "")
            reader = csv.reader(chain([first], lines), delimiter=delimiter_of(first), strict=True)
            header = [name.strip() for name in next(reader, [])]
            at = _positions(path, header, wanted, optional)
            rows = ((reader.line_num, row) for row in reader if row)
            if len(header) > _MOST_COLUMNS:
                raise HRMDataError(f"{path}, line 1: {len(header):,} columns; at most {_MOST_COLUMNS:,} are read")
            while chunk := _some(rows):
                numbers = [line for line, _ in chunk]
                for line, row in chunk:
                    if len(row) != len(header):
                        raise HRMDataError(
                            f"{path}, line {line}: {len(row)} fields, but the header names {len(header)}; "
                            "correct the line"
                        )
                columns = {name: [row[number] for _, row in chunk] for name, number in at.items()}
                yield Table(path, numbers, columns, {name: header[number] for name, number in at.items()})
    except FileNotFoundError:
        raise HRMDataError(f"{path} does not exist; give the path of a local CSV file") from None
    except OSError as error:
        raise HRMDataError(f"{path} cannot be read: {error.strerror}; give the path of a local CSV file") from None
    except UnicodeDecodeError as error:
        line = _undecodable_line(path, encoding)
        kind = "UTF-8" if encoding == "utf-8-sig" else "UTF-16"
        raise HRMDataError(f"{path}, line {line}: not {kind} text ({error.reason}); convert the file") from None
    except csv.Error as error:
        line = reader.line_num if reader else 1
        raise HRMDataError(f"{path}, line {line}: not CSV ({shortened(error)}); correct the line") from None


def _some(rows: Iterator[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """The next rows, until they are many or long."""
    taken, size = [], 0
    for line, row in rows:
        taken.append((line, row))
        size += sum(map(len, row))
        if len(taken) == _CHUNK or size > _LARGEST:
            break
    return taken


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    """Yield the lines of a file; raise `HRMDataError` for one that is too long to be read."""
    number = 0
    while line := file.readline(_LONGEST):
        number += 1
        if len(line) == _LONGEST:
            raise HRMDataError(f"{path}, line {number}: longer than {_LONGEST:,} characters; give a CSV file")
        yield line


def ratings(table: Table) -> np.ndarray | None:
    """Return the column rating, `[N]` int64, or None if the file has none.

    Raises:
        HRMDataError: A rating is no whole number up to 999999999.
    """
    texts = table.columns.get("rating")
    if texts is None:
        return None
    for row, text in enumerate(texts):
        if not (text.isascii() and text.strip().isdecimal() and len(text) < 10):
            raise table.error(
                row, f"{quoted(text)} is not a whole number from 0 to 999999999; correct the line", column="rating"
            )
    return np.fromiter(map(int, texts), np.int64, len(texts))


def _undecodable_line(path: Path, encoding: str) -> int:
    """Return the first line that cannot be decoded. Python's own error counts from the piece that it was decoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    with path.open("rb") as file:
        while piece := file.read(1 << 16):
            try:
                line += decoder.decode(piece).count("\n")
            except UnicodeDecodeError as error:
                return line + error.object[: error.start].count(b"\n")
    return line


def _positions(path: Path, header: list[str], wanted: Sequence[str], optional: Sequence[str]) -> dict[str, int]:
    found = {name: find_column(header, COLUMNS[name]) for name in (*wanted, *optional)}
    missing = [name for name in wanted if found[name] is None]
    if missing:
        names = shortened(", ".join(header)) or "nothing"
        raise HRMDataError(
            f"{path}, line 1: column {', '.join(missing)} is missing, the header has {names}; the first line must name "
            f"the columns {','.join(wanted)} (puzzle,solution and quizzes,solutions stand for question,answer)"
        )
    at = {name: number for name, number in found.items() if number is not None}
    for number in at.values():
        if header.count(header[number]) > 1:
            raise HRMDataError(f"{path}, line 1: column {shortened(header[number])} occurs twice; remove one of them")
    return at

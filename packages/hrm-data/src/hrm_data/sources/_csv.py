"""Reads CSV files a few thousand rows at a time, with errors that name file, line and column."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from hrm_data._errors import HRMDataError

COLUMNS = ("source", "question", "answer", "rating")
"""The columns of the published files."""
_CHUNK = 8192


@dataclass(frozen=True)
class Table:
    """Some consecutive rows of a CSV file, the wanted columns only."""

    path: Path
    lines: list[int]
    """Line of each row in the file, counted from 1."""
    columns: dict[str, list[str]]

    def error(self, row: int, problem: str, column: str = "") -> HRMDataError:
        """Return an exception that names file, line and column."""
        where = f", column {column}" if column else ""
        return HRMDataError(f"{self.path}, line {self.lines[row]}{where}: {problem}")


def read_table(path: Path, wanted: Sequence[str]) -> Iterator[Table]:
    """Yield the rows of a UTF-8 file with a header, in pieces. Other columns are ignored; columns may have any order.

    Raises:
        HRMDataError: The file cannot be read, is empty, lacks a column, or a row has more or fewer fields than the
            header.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            at = _positions(path, header, wanted)
            rows = ((reader.line_num, row) for row in reader if row)
            while chunk := list(islice(rows, _CHUNK)):
                lines = [line for line, _ in chunk]
                for line, row in chunk:
                    if len(row) != len(header):
                        raise HRMDataError(
                            f"{path}, line {line}: {len(row)} fields, but the header names {len(header)}; "
                            "correct the line"
                        )
                yield Table(path, lines, {name: [row[number] for _, row in chunk] for name, number in at.items()})
    except FileNotFoundError:
        raise HRMDataError(f"{path} does not exist; give the path of a local CSV file") from None
    except OSError as error:
        raise HRMDataError(f"{path} cannot be read: {error.strerror}; give the path of a local CSV file") from None
    except UnicodeDecodeError as error:
        line = _undecodable_line(path)
        raise HRMDataError(f"{path}, line {line}: not UTF-8 text ({error.reason}); convert the file") from None
    except csv.Error as error:
        raise HRMDataError(f"{path}, line {reader.line_num}: not CSV ({error}); correct the line") from None


def ratings(table: Table) -> np.ndarray:
    """Return the column rating, `[N]` int64; raises `HRMDataError` unless all are whole numbers up to 999999999."""
    texts = table.columns["rating"]
    for row, text in enumerate(texts):
        if not (text.isascii() and text.strip().isdecimal() and len(text) < 10):
            raise table.error(
                row, f"{text!r} is not a whole number from 0 to 999999999; correct the line", column="rating"
            )
    return np.fromiter(map(int, texts), np.int64, len(texts))


def _undecodable_line(path: Path) -> int:
    """Return the first line that is not UTF-8. Python's own error counts from the piece that it was decoding."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    with path.open("rb") as file:
        while piece := file.read(1 << 16):
            try:
                decoder.decode(piece)
            except UnicodeDecodeError as error:
                return line + error.object[: error.start].count(b"\n")
            line += piece.count(b"\n")
    return line


def _positions(path: Path, header: list[str], wanted: Sequence[str]) -> dict[str, int]:
    missing = [name for name in wanted if name not in header]
    repeated = [name for name in wanted if header.count(name) > 1]
    if missing or repeated:
        found = ", ".join(header) or "nothing"
        problem = f"column {', '.join(missing)} is missing" if missing else f"column {repeated[0]} occurs twice"
        raise HRMDataError(
            f"{path}, line 1: {problem}, the header has {found}; "
            f"the first line must name the columns {','.join(wanted)}"
        )
    return {name: header.index(name) for name in wanted}

"""Read Sudokus from CSV files in the layout of the published Sudoku-Extreme data."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from hrm_data._board import Board, Box, as_board
from hrm_data._errors import HRMDataError
from hrm_data._generate import Puzzles
from hrm_data._random import item_keys
from hrm_data._rules import violations

COLUMNS = ("source", "question", "answer", "rating")
_CHUNK = 8192
_MAX_RATING = 2**31 - 1


def read_csv(
    path: str | Path,
    box: Box | Board = (3, 3),
    *,
    subsample: int | None = None,
    min_rating: int = 0,
    max_rating: int | None = None,
    seed: int = 0,
) -> Puzzles:
    """Read puzzles from a CSV file with the columns source, question, answer, rating; `.` or `0` is a blank.

    The file is streamed; with `subsample` memory grows with the sample, not with the file. Rows keep the
    order of the file. Answers are checked against the rules and their questions; that a question has no
    second answer is not checked.

    Args:
        path: A local file, UTF-8, with a header line.
        box: Rows and columns of a box.
        subsample: Keep this many rows, drawn at random among those with an admitted rating.
        min_rating: Least rating to keep.
        max_rating: Greatest rating to keep.
        seed: Of the draw.

    Raises:
        HRMDataError: The file cannot be read, a row is wrong (file, line and column are named), or there are
            fewer rows than `subsample`.
    """
    if subsample is not None and subsample < 0:
        raise HRMDataError(f"subsample is {subsample}; it must not be negative")
    result = read_at_most(path, box, subsample, min_rating=min_rating, max_rating=max_rating, seed=seed)
    if subsample is not None and len(result.puzzles) < subsample:
        limit = "" if max_rating is None else f" and at most {max_rating}"
        raise HRMDataError(
            f"{path} has {len(result.puzzles)} puzzles with a rating of at least {min_rating}{limit}, "
            f"but subsample is {subsample}; ask for fewer or admit more ratings"
        )
    return result


def read_at_most(
    path: str | Path,
    box: Box | Board,
    count: int | None,
    *,
    min_rating: int = 0,
    max_rating: int | None = None,
    seed: int = 0,
) -> Puzzles:
    """As `read_csv`, but a file with fewer than `count` rows is no error."""
    path, board = Path(path), as_board(box)
    top = _MAX_RATING if max_rating is None else max_rating
    blank = np.zeros((0, board.cells), np.uint8)
    parts: list[list[np.ndarray]] = [[blank, blank, np.zeros(0, np.int64), np.zeros(0, np.uint64)]]
    waiting = 0
    for start, puzzles, solutions, ratings in _chunks(path, board):
        keys = item_keys(seed, start + np.arange(len(puzzles)))
        ok = (ratings >= min_rating) & (ratings <= top)
        parts.append([puzzles[ok], solutions[ok], ratings[ok], keys[ok]])
        waiting += int(ok.sum())
        if count is not None and waiting > count + 16 * _CHUNK:
            parts = [_smallest(parts, count)]
            waiting = count
    return Puzzles(*_smallest(parts, count)[:3])


def _smallest(parts: list[list[np.ndarray]], count: int | None) -> list[np.ndarray]:
    """Join the parts; of the rows keep the `count` whose keys are smallest, in their order."""
    merged = [np.concatenate(field) for field in zip(*parts, strict=True)]
    if count is None or len(merged[-1]) <= count:
        return merged
    chosen = np.sort(np.argpartition(merged[-1], count)[:count]) if count else np.zeros(0, np.int64)
    return [field[chosen] for field in merged]


def _chunks(path: Path, board: Board) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Number of the first row, puzzles, solutions and ratings of some thousand rows at a time."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            at = _columns(path, header)
            rows = ((reader.line_num, row) for row in reader if row)
            start = 0
            while chunk := list(islice(rows, _CHUNK)):
                yield start, *_parse(path, chunk, at, len(header), board)
                start += len(chunk)
    except FileNotFoundError:
        raise HRMDataError(f"{path} does not exist; give the path of a local CSV file") from None
    except OSError as error:
        raise HRMDataError(f"{path} cannot be read: {error.strerror}; give the path of a local CSV file") from None
    except UnicodeDecodeError as error:
        raise HRMDataError(f"{path} is not UTF-8 text (byte {error.start}: {error.reason}); convert it") from None
    except csv.Error as error:
        raise HRMDataError(f"{path}, line {reader.line_num}: not CSV ({error}); correct the line") from None


def _columns(path: Path, header: list[str]) -> dict[str, int]:
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        found = ", ".join(header) or "nothing"
        raise HRMDataError(
            f"{path}, line 1: column {', '.join(missing)} is missing, the header has {found}; "
            f"the first line must name the columns {','.join(COLUMNS)}"
        )
    return {name: header.index(name) for name in COLUMNS}


Rows = list[tuple[int, list[str]]]


def _parse(
    path: Path, rows: Rows, at: dict[str, int], width: int, board: Board
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    for line, row in rows:
        if len(row) != width:
            raise HRMDataError(
                f"{path}, line {line}: {len(row)} fields, but the header names {width}; correct the line"
            )
    puzzles = _grids(path, rows, "question", at["question"], board, blanks=True)
    solutions = _grids(path, rows, "answer", at["answer"], board, blanks=False)
    broken = violations(solutions, board).any(axis=1)
    if broken.any():
        line = rows[int(np.argmax(broken))][0]
        raise HRMDataError(
            f"{path}, line {line}, column answer: a row, column or box holds a digit twice; "
            f"correct or remove the line (boxes here are {board.rows}x{board.cols})"
        )
    differs = (puzzles != solutions) & (puzzles > 0)
    if differs.any():
        row_number, cell = np.argwhere(differs)[0]
        raise HRMDataError(
            f"{path}, line {rows[row_number][0]}, column answer: cell {cell + 1} is "
            f"{solutions[row_number, cell]}, but the question has {puzzles[row_number, cell]} there; "
            "correct or remove the line"
        )
    return puzzles, solutions, _ratings(path, rows, at["rating"])


def _grids(path: Path, rows: Rows, name: str, at: int, board: Board, *, blanks: bool) -> np.ndarray:
    texts = [row[at] for _, row in rows]
    for (line, _), text in zip(rows, texts, strict=True):
        if len(text) != board.cells:
            raise HRMDataError(
                f"{path}, line {line}, column {name}: {len(text)} characters, expected {board.cells} "
                f"for boxes of {board.rows}x{board.cols}; correct the line or choose another box shape"
            )
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32).reshape(len(rows), board.cells)
    digits = codes - ord("0")  # wraps to a large number below "0"
    if blanks:
        digits[codes == ord(".")] = 0
    wrong = (digits > board.n) | ((digits == 0) & (not blanks))
    if wrong.any():
        row_number, cell = np.argwhere(wrong)[0]
        allowed = f"1..{board.n}" + (", '.' and '0'" if blanks else "")
        raise HRMDataError(
            f"{path}, line {rows[row_number][0]}, column {name}: character {texts[row_number][cell]!r} "
            f"at position {cell + 1}; allowed are {allowed}, correct the line"
        )
    return digits.astype(np.uint8)


def _ratings(path: Path, rows: Rows, at: int) -> np.ndarray:
    for line, row in rows:
        if not re.fullmatch(r"\s*[0-9]{1,9}\s*", row[at], re.ASCII):
            raise HRMDataError(
                f"{path}, line {line}, column rating: {row[at]!r} is not a whole number from 0 to 999999999; "
                "correct the line"
            )
    return np.array([int(row[at]) for _, row in rows], np.int64)

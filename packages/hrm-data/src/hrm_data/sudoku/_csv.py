"""Read Sudokus from CSV files in the layout of the published Sudoku-Extreme data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data._random import item_keys
from hrm_data.sources._csv import Table, read_table
from hrm_data.sudoku._board import Board, Box, as_board
from hrm_data.sudoku._options import PROVE_AT_MOST
from hrm_data.sudoku.generator._generate import Puzzles
from hrm_data.sudoku.search._solve import solve

COLUMNS = ("source", "question", "answer", "rating")
MAX_RATING = 2**31 - 1
_WAITING = 16 * 8192  # rows beyond the sample that are held before the sample is drawn again


def read_csv(
    path: str | Path,
    box: Box | Board = (3, 3),
    *,
    subsample: int | None = None,
    min_rating: int = 0,
    max_rating: int | None = None,
    seed: int = 0,
    prove: bool | None = None,
) -> Puzzles:
    """Read puzzles from a CSV file with the columns source, question, answer, rating; `.` or `0` is a blank.

    The file is streamed; with `subsample` memory grows with the sample, not with the file. Rows keep the
    order of the file. Every answer is checked against the rules and its question.

    Args:
        path: A local file, UTF-8, with a header line.
        box: Rows and columns of a box.
        subsample: Keep this many rows, drawn at random among those with an admitted rating.
        min_rating: Least rating to keep.
        max_rating: Greatest rating to keep.
        seed: Of the draw.
        prove: Solve what is kept, so that a question with several answers is found; by default if at most
            20,000 rows are kept.

    Raises:
        HRMDataError: The file cannot be read, a row is wrong (file, line and column are named), or there are
            fewer rows than `subsample`.
    """
    if subsample is not None and subsample < 0:
        raise HRMDataError(f"subsample is {subsample}; it must not be negative")
    path, board = Path(path), as_board(box)
    blank = np.zeros((0, board.cells), np.uint8)
    nothing = np.zeros(0, np.int64)
    parts: list[tuple[np.ndarray, ...]] = [(blank, blank, nothing, nothing, np.zeros(0, np.uint64))]
    first = waiting = 0
    for lines, puzzles, solutions, ratings in read_rows(path, board):
        keys = item_keys(seed, first + np.arange(len(lines)))
        first += len(lines)
        ok = admitted(ratings, min_rating, max_rating)
        parts.append(tuple(field[ok] for field in (puzzles, solutions, ratings, lines, keys)))
        waiting += int(ok.sum())
        if subsample is not None and waiting > subsample + _WAITING:
            parts = [_smallest(parts, subsample)]
            waiting = subsample
    *fields, lines, _ = _smallest(parts, subsample)
    result = Puzzles(*fields)
    if subsample is not None and len(lines) < subsample:
        limit = "" if max_rating is None else f" and at most {max_rating}"
        raise HRMDataError(
            f"{path} has {len(lines)} puzzles with a rating of at least {min_rating}{limit}, "
            f"but subsample is {subsample}; ask for fewer or admit more ratings"
        )
    if prove or (prove is None and len(lines) <= PROVE_AT_MOST):
        prove_unique(path, lines, result.puzzles, board)
    return result


def read_rows(path: Path, board: Board) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Lines, puzzles, solutions and ratings of some thousand rows at a time, checked but for uniqueness."""
    for table in read_table(path, COLUMNS):
        puzzles = _grids(table, "question", board, blanks=True)
        solutions = _grids(table, "answer", board, blanks=False)
        _check_answers(table, puzzles, solutions, board)
        yield np.array(table.lines, np.int64), puzzles, solutions, ratings(table)


def admitted(values: np.ndarray, least: int, most: int | None) -> np.ndarray:
    """Which ratings lie within the limits, `[N]` bool."""
    ok: np.ndarray = (values >= least) & (values <= (MAX_RATING if most is None else most))
    return ok


def prove_unique(path: Path, lines: np.ndarray, puzzles: np.ndarray, board: Board) -> None:
    """Raise `HRMDataError`, naming the line, if a puzzle that has an answer has another one too."""
    several = solve(puzzles, board).solutions != 1
    if several.any():
        raise HRMDataError(
            f"{path}, line {lines[int(np.argmax(several))]}, column question: the puzzle has more than one solution; "
            "correct or remove the line"
        )


def ratings(table: Table) -> np.ndarray:
    """The column rating, `[N]` int64; raises `HRMDataError` where it is no whole number from 0 to 999999999."""
    texts = table.columns["rating"]
    for row, text in enumerate(texts):
        if not (text.isascii() and text.strip().isdecimal() and len(text) < 10):
            raise table.error(
                row, f"{text!r} is not a whole number from 0 to 999999999; correct the line", column="rating"
            )
    return np.fromiter(map(int, texts), np.int64, len(texts))


def _smallest(parts: list[tuple[np.ndarray, ...]], count: int | None) -> tuple[np.ndarray, ...]:
    """Join the parts; of the rows keep the `count` whose keys, the last field, are smallest, in their order."""
    merged = tuple(np.concatenate(field) for field in zip(*parts, strict=True))
    if count is None or len(merged[-1]) <= count:
        return merged
    chosen = np.sort(np.argpartition(merged[-1], count)[:count]) if count else np.zeros(0, np.int64)
    return tuple(field[chosen] for field in merged)


def _grids(table: Table, column: str, board: Board, *, blanks: bool) -> np.ndarray:
    texts = table.columns[column]
    for row, text in enumerate(texts):
        if len(text) != board.cells:
            raise table.error(
                row,
                f"{len(text)} characters, expected {board.cells} for boxes of {board.rows}x{board.cols}; "
                "correct the line or choose another box shape",
                column,
            )
    codes = np.frombuffer("".join(texts).encode("ascii", "replace"), np.uint8).reshape(len(texts), board.cells)
    digits = codes - np.uint8(ord("0"))  # wraps to a large number below "0"
    if blanks:
        digits[codes == ord(".")] = 0
    wrong = (digits > board.n) | ((digits == 0) & (not blanks))
    if wrong.any():
        row, cell = (int(number) for number in np.argwhere(wrong)[0])
        allowed = f"1..{board.n}" + (", '.' and '0'" if blanks else "")
        raise table.error(
            row,
            f"character {texts[row][cell]!r} at position {cell + 1}; allowed are {allowed}, correct the line",
            column,
        )
    return digits


def _check_answers(table: Table, puzzles: np.ndarray, solutions: np.ndarray, board: Board) -> None:
    """Raise `HRMDataError` unless every answer obeys the rules and keeps its question's digits."""
    n, r, c = board.n, board.rows, board.cols
    bits = (np.uint16(1) << (solutions - np.uint8(1)).astype(np.uint16)).reshape(-1, c, r, r, c)
    full = np.uint16(board.full)
    whole = [bits.reshape(-1, n, n), bits.reshape(-1, n, n).swapaxes(1, 2), bits.swapaxes(2, 3).reshape(-1, n, n)]
    broken = np.zeros(len(solutions), bool)
    for lines in whole:
        broken |= (np.bitwise_or.reduce(lines, axis=2) != full).any(axis=1)
    if broken.any():
        raise table.error(
            int(np.argmax(broken)),
            "a row, column or box holds a digit twice, so this is no solution; "
            f"correct or remove the line (boxes here are {r}x{c})",
            "answer",
        )
    differs = (puzzles != solutions) & (puzzles > 0)
    if differs.any():
        row, cell = (int(number) for number in np.argwhere(differs)[0])
        raise table.error(
            row,
            f"cell {cell + 1} is {solutions[row, cell]}, but the question has {puzzles[row, cell]} there, "
            "so this is no solution of it; correct or remove the line",
            "answer",
        )

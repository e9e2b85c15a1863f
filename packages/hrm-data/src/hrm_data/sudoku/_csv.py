"""Reads Sudokus from CSV files with a column of puzzles and one of solutions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data.sources._csv import Table, ratings, read_table
from hrm_data.sudoku._board import Board
from hrm_data.sudoku._rules import violations
from hrm_data.sudoku._task import BLANKS, SOLE_BLANKS, SudokuTask, blanks_of
from hrm_data.sudoku.search._solve import solve

_NOT_ASCII = re.compile(r"[^\0-\x7f]")
_BLANKS = np.frombuffer(BLANKS.encode(), np.uint8)
_SOLE_BLANKS = np.frombuffer(SOLE_BLANKS.encode(), np.uint8)


class Rows(NamedTuple):
    """Some consecutive rows of a file."""

    lines: np.ndarray
    puzzles: np.ndarray
    solutions: np.ndarray
    ratings: np.ndarray | None
    """None if the file has no column of them."""


def read_rows(path: Path, board: Board, *, needs_ratings: bool = False) -> Iterator[Rows]:
    """Yield a few thousand rows at a time.

    Every answer is checked against the rules and its question. Whether it is the only answer is not: see
    `prove_unique`.

    Raises:
        HRMDataError: The file cannot be read, or a row is wrong; the message names file, line and column.
    """
    columns = ["question", "answer"]
    wanted, optional = ([*columns, "rating"], []) if needs_ratings else (columns, ["rating"])
    for table in read_table(path, wanted, optional):
        puzzles = _grids(table, "question", board, blanks=True)
        solutions = _grids(table, "answer", board, blanks=False)
        _check_answers(table, puzzles, solutions, board)
        yield Rows(np.array(table.lines, np.int64), puzzles, solutions, ratings(table))


def prove_unique(path: Path, lines: np.ndarray, puzzles: np.ndarray, board: Board) -> None:
    """Raise `HRMDataError`, naming the line, if a puzzle has more than one solution."""
    ambiguous = solve(puzzles, board).solutions != 1
    if ambiguous.any():
        raise HRMDataError(
            f"{path}, line {lines[int(np.argmax(ambiguous))]}: the puzzle has more than one solution; "
            "correct or remove the line"
        )


def _grids(table: Table, column: str, board: Board, *, blanks: bool) -> np.ndarray:
    task = SudokuTask(board)
    texts = [
        text if len(text) == board.cells and text.isascii() else _only_board(task, text)
        for text in table.columns[column]
    ]
    for row, text in enumerate(texts):
        if len(text) != board.cells:
            raise table.error(
                row,
                f"{len(text)} characters, expected {board.cells} for boxes of {board.rows}x{board.cols}; "
                "correct the line or choose another box shape",
                column,
            )
    ascii_only = _NOT_ASCII.sub("!", "".join(texts)).encode()
    codes = np.frombuffer(ascii_only, np.uint8).reshape(len(texts), board.cells)
    digits = codes - np.uint8(ord("0"))  # wraps to a large number below "0"
    if blanks:
        digits[np.isin(codes, _BLANKS)] = 0
        sole = np.isin(codes, _SOLE_BLANKS)
        for row in np.flatnonzero(sole.any(axis=1)).tolist():
            if blanks_of(texts[row]) != BLANKS:
                digits[row, sole[row]] = 0
    wrong = (digits > board.n) | ((digits == 0) & (not blanks))
    if wrong.any():
        row, cell = (int(number) for number in np.argwhere(wrong)[0])
        allowed = f"1..{board.n}" + (f", and one of {' '.join(BLANKS)} for a blank" if blanks else "")
        raise table.error(
            row,
            f"character {texts[row][cell]!r} at position {cell + 1}; allowed are {allowed}, correct the line",
            column,
        )
    return digits


def _only_board(task: SudokuTask, text: str) -> str:
    """Return the cells of a field in another layout, such as `5;3;0;0`."""
    line = task.board_text.read(text)
    return line.text if line.kind == "board" else text


def _check_answers(table: Table, puzzles: np.ndarray, solutions: np.ndarray, board: Board) -> None:
    """Raise `HRMDataError` unless every answer obeys the rules and keeps its question's digits."""
    broken = violations(solutions, board).any(axis=1)
    if broken.any():
        raise table.error(
            int(np.argmax(broken)),
            "a row, column or box holds a digit twice, so this is no solution; "
            f"correct or remove the line (boxes here are {board.rows}x{board.cols})",
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

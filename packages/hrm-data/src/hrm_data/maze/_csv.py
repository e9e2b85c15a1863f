"""Read mazes from CSV files in the layout of the published Maze-Hard data."""

from __future__ import annotations

from math import isqrt
from pathlib import Path

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data.maze._generate import Mazes
from hrm_data.maze._rules import CHARS, GOAL, PATH, faults
from hrm_data.sources._csv import Table, ratings, read_table

_CODES = np.zeros(128, np.uint8)
_CODES[[ord(char) for char in CHARS]] = range(1, len(CHARS) + 1)


def read_mazes(path: str | Path) -> Mazes:
    """Read mazes from a CSV file with the columns question, answer and perhaps rating, else moves are the rating.

    Questions and answers are rows joined to one text of the characters `# SGo`; their length gives the size, which
    must be the same for all. Every answer must mark a shortest path of its question.

    Raises:
        HRMDataError: The file cannot be read, holds no maze, or a row is wrong (file, line and column are named).
    """
    path, size = Path(path), 0
    parts: list[Mazes] = []
    for table in read_table(path, ["question", "answer"], ["rating"]):
        size = size or _size(table)
        puzzles, answers = (_boards(table, column, size) for column in ("question", "answer"))
        _check(table, puzzles, answers)
        found = ratings(table)
        moves = (answers > GOAL).sum(axis=(1, 2), dtype=np.int64) + 1
        parts.append(Mazes(puzzles, answers, moves if found is None else found))
    if not parts:
        raise HRMDataError(f"{path} holds no mazes, only a header; give another file")
    return Mazes(*(np.concatenate(field) for field in zip(*parts, strict=True)))


def _size(table: Table) -> int:
    length = len(table.columns["question"][0])
    if isqrt(length) ** 2 != length or not 4 <= isqrt(length) <= 64:
        raise table.error(
            0, f"{length} characters are no square of 4x4 to 64x64 cells, such as 900; correct the line", "question"
        )
    return isqrt(length)


def _boards(table: Table, column: str, size: int) -> np.ndarray:
    texts = table.columns[column]
    for row, text in enumerate(texts):
        if len(text) != size * size:
            raise table.error(
                row, f"{len(text)} characters, expected {size * size} as in the first row; correct the line", column
            )
    chars = np.frombuffer("".join(texts).encode("ascii", "replace"), np.uint8).reshape(len(texts), size * size)
    codes = _CODES[chars]
    if column == "question":
        codes[codes == PATH] = 0
    if not codes.all():
        row, cell = (int(number) for number in np.argwhere(codes == 0)[0])
        allowed = "'#', ' ', 'S', 'G'" + (" and 'o'" if column == "answer" else "")
        raise table.error(
            row,
            f"character {texts[row][cell]!r} at position {cell + 1} (row {cell // size + 1}, "
            f"column {cell % size + 1}); allowed are {allowed}, correct the line",
            column,
        )
    return codes.reshape(len(texts), size, size)


def _check(table: Table, puzzles: np.ndarray, answers: np.ndarray) -> None:
    for row, fault in enumerate(faults(puzzles, answers)):
        if fault:
            column = "question" if fault.startswith("the maze") else "answer"
            raise table.error(row, f"{fault}; correct or remove the line", column)

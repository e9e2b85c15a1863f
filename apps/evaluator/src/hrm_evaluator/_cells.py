"""Boards as grids of cells, for screens: where each token stands, what is written there, and whether it is right."""

from itertools import pairwise
from math import isqrt
from string import ascii_letters, digits
from typing import NamedTuple

import numpy as np
from hrm_data import IGNORE, Picture, Task, draw_grid

from hrm_evaluator._answers import Record

_SYMBOLS = digits + ascii_letters


class Frame(NamedTuple):
    """One board, cell by cell in reading order.

    Attributes:
        symbols: A character a cell; a space where nothing is shown.
        marks: For each cell ``w`` if it is wrong, or the task objects to it where nobody knows, ``r`` if it is right
            and was not given, else ``.``; a capital letter, or ``:`` for a dot, if it changed in this step. Empty for
            puzzle and solution.
        confidence: Probability that the model gives its answer of being right.
    """

    symbols: str
    marks: str = ""
    confidence: float = 0.0


class Story(NamedTuple):
    """What a model made of one puzzle.

    Attributes:
        rows: Rows of cells.
        columns: Cells in a row.
        row_breaks: Rows that begin behind a line of the picture's frame.
        column_breaks: Columns that do.
        puzzle: What was given.
        solution: What is right; None where nobody knows.
        steps: The answer after every ACT step.
    """

    rows: int
    columns: int
    row_breaks: list[int]
    column_breaks: list[int]
    puzzle: Frame
    solution: Frame | None
    steps: list[Frame]


def story(record: Record, task: Task | None) -> Story:
    """Lay out what a traced record tells; without a task, tokens stand in a square as characters."""
    thoughts = [np.array(thought.tokens, np.int32) for thought in record.answer.trace] or [record.tokens]
    labels = np.full_like(record.inputs, IGNORE) if record.labels is None else record.labels
    known = bool((labels != IGNORE).any())
    boards = [record.inputs, np.where(labels == IGNORE, record.tokens, labels), *thoughts]
    pictures = [_picture(board, task) for board in boards]
    places: dict[int, tuple[int, int]] = {}
    rows, columns = set(), set()
    for picture in pictures:
        lines, cols = ({spot[axis] for spot in picture.spots.values()} for axis in (0, 1))
        row_of = {line: row for row, line in enumerate(sorted(lines))}
        column_of = {col: column for column, col in enumerate(sorted(cols))}
        rows |= _breaks(lines)
        columns |= _breaks(cols)
        places |= {at: (row_of[line], column_of[col]) for at, (line, col) in picture.spots.items()}
    tall, wide = (max((place[axis] for place in places.values()), default=0) + 1 for axis in (0, 1))
    cell = {at: row * wide + column for at, (row, column) in places.items()}

    def written(picture: Picture) -> str:
        symbols = [" "] * (tall * wide)
        for at, where in cell.items():
            symbols[where] = picture.symbol(at) or " "
        return "".join(symbols)

    def marked(answer: np.ndarray, before: np.ndarray, seen: str, seen_before: str) -> str:
        marks = ["."] * (tall * wide)
        wrong = (labels != IGNORE) & (answer != labels) if known else _objections(task, record.inputs, answer)
        for at, where in cell.items():
            right = labels[at] != IGNORE and record.inputs[at] != labels[at]
            mark = "w" if wrong[at] else "r" if right else "."
            told = mark != "." or labels[at] != IGNORE or seen[where] != seen_before[where]
            marks[where] = mark if answer[at] == before[at] or not told else mark.upper().replace(".", ":")
        return "".join(marks)

    chances = [thought.q_halt for thought in record.answer.trace] or [record.answer.q_halt]
    seen = [written(picture) for picture in pictures[2:]]
    steps = []
    for number, (answer, q_halt) in enumerate(zip(thoughts, chances, strict=True)):
        before = max(number - 1, 0)
        marks = marked(answer, thoughts[before], seen[number], seen[before])
        steps.append(Frame(seen[number], marks, float((1 + np.tanh(q_halt / 2)) / 2)))
    solution = Frame(written(pictures[1])) if known else None
    return Story(tall, wide, sorted(rows), sorted(columns), Frame(written(pictures[0])), solution, steps)


def _objections(task: Task | None, puzzle: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """Tokens to which the task objects, where nobody knows the solution."""
    faults = {} if task is None else task.explain(task.decode(puzzle), task.decode(answer))
    return np.any([*faults.values(), np.zeros(len(puzzle), bool)], axis=0)


def _picture(tokens: np.ndarray, task: Task | None) -> Picture:
    if task is not None:
        return task.render(task.decode(tokens))
    symbols = np.array([_SYMBOLS[token] if token < len(_SYMBOLS) else "?" for token in tokens.tolist()])
    side = isqrt(len(tokens))
    return draw_grid(symbols.reshape((side, side) if side * side == len(tokens) else (1, -1)))


def _breaks(at: set[int]) -> set[int]:
    """Numbers of the lines, of those with tokens, that stand further behind the one before than others do."""
    gaps = [later - earlier for earlier, later in pairwise(sorted(at))]
    return {number for number, gap in enumerate(gaps, start=1) if gap > min(gaps)}

"""A trajectory as grids of cells: the board after every ACT step, with right, wrong and changed cells marked."""

from collections.abc import Sequence
from itertools import pairwise
from math import isqrt
from string import ascii_letters, digits
from typing import NamedTuple

import numpy as np
from hrm_data import IGNORE, Picture, Task, draw_grid, kept_cells, whole_solution
from hrm_model import Answer, Thought

from hrm_evaluator.answers._records import Record

_SYMBOLS = digits + ascii_letters


class Frame(NamedTuple):
    """One board, cell by cell in reading order.

    Attributes:
        symbols: One character for each cell; a space in an empty cell.
        marks: One character for each cell: `w` if it is wrong (without a solution: if the task finds a fault there),
            `r` if it is right and was not given, else `.`. If the cell changed in this step, the letter is a capital
            and the dot is `:`. Empty for the puzzle and the solution.
        confidence: The model's probability that its answer is right.
    """

    symbols: str
    marks: str = ""
    confidence: float = 0.0


class Trajectory(NamedTuple):
    """The answers of a model to one puzzle, step by step.

    Attributes:
        rows: Rows of cells.
        columns: Cells in a row.
        row_breaks: Rows that follow a line of the board's frame.
        column_breaks: Columns that follow one.
        puzzle: The puzzle.
        solution: The solution; None if it is unknown.
        steps: The answer after every ACT step.
    """

    rows: int
    columns: int
    row_breaks: list[int]
    column_breaks: list[int]
    puzzle: Frame
    solution: Frame | None
    steps: list[Frame]


class Layout(NamedTuple):
    """The grid of cells that fits all boards of a trajectory; `cells` maps a token's position to its cell."""

    rows: int
    columns: int
    row_breaks: list[int]
    column_breaks: list[int]
    cells: dict[int, int]


def trajectory(record: Record, task: Task | None) -> Trajectory:
    """Lay out a traced record; without a task, tokens are characters in a square."""
    thoughts: Sequence[Thought | Answer] = record.answer.trace or (record.answer,)
    labels = np.full_like(record.inputs, IGNORE) if record.labels is None else record.labels
    is_solved = bool((labels != IGNORE).any())
    kept = kept_cells(task, record.inputs, labels)
    answers = [np.where(kept, record.inputs, np.array(thought.tokens, np.int32)) for thought in thoughts]
    solution = whole_solution(task, record.inputs, labels) if is_solved else answers[-1]
    pictures = [_picture(board, task) for board in (record.inputs, solution, *answers)]
    places = layout(pictures)
    puzzle_symbols, solution_symbols, *symbols = [_symbols(picture, places) for picture in pictures]
    steps = []
    for number, (answer, thought) in enumerate(zip(answers, thoughts, strict=True)):
        before = max(number - 1, 0)
        wrong = (labels != IGNORE) & (answer != labels) if is_solved else _faulty(task, record.inputs, answer)
        marks = ["."] * len(symbols[number])
        for at, cell in places.cells.items():
            is_right = labels[at] != IGNORE and record.inputs[at] != labels[at]
            mark = "w" if wrong[at] else "r" if is_right else "."
            is_visible = mark != "." or labels[at] != IGNORE or symbols[number][cell] != symbols[before][cell]
            is_changed = answer[at] != answers[before][at] and is_visible
            marks[cell] = mark.upper().replace(".", ":") if is_changed else mark
        steps.append(Frame(symbols[number], "".join(marks), thought.confidence))
    rows, columns, row_breaks, column_breaks, _ = places
    shown = Frame(solution_symbols) if is_solved else None
    return Trajectory(rows, columns, row_breaks, column_breaks, Frame(puzzle_symbols), shown, steps)


def layout(pictures: Sequence[Picture]) -> Layout:
    """Number the rows and columns that hold tokens in any picture."""
    spots: dict[int, tuple[int, int]] = {}
    row_breaks, column_breaks = set(), set()
    for picture in pictures:
        lines, cols = ({spot[axis] for spot in picture.spots.values()} for axis in (0, 1))
        row_of = {line: row for row, line in enumerate(sorted(lines))}
        column_of = {col: column for column, col in enumerate(sorted(cols))}
        row_breaks |= _breaks(lines)
        column_breaks |= _breaks(cols)
        spots |= {at: (row_of[line], column_of[col]) for at, (line, col) in picture.spots.items()}
    rows, columns = (max((spot[axis] for spot in spots.values()), default=0) + 1 for axis in (0, 1))
    cells = {at: row * columns + column for at, (row, column) in spots.items()}
    return Layout(rows, columns, sorted(row_breaks), sorted(column_breaks), cells)


def _breaks(lines: set[int]) -> set[int]:
    """Numbers of the lines that are further from the line before than the closest lines are."""
    gaps = [later - earlier for earlier, later in pairwise(sorted(lines))]
    return {number for number, gap in enumerate(gaps, start=1) if gap > min(gaps)}


def _symbols(picture: Picture, places: Layout) -> str:
    symbols = [" "] * (places.rows * places.columns)
    for at, cell in places.cells.items():
        symbols[cell] = picture.symbol(at) or " "
    return "".join(symbols)


def _faulty(task: Task | None, puzzle: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """Mark the tokens in which the task finds a fault."""
    faults = {} if task is None else task.explain(task.decode(puzzle), task.decode(answer))
    return np.any([*faults.values(), np.zeros(len(puzzle), bool)], axis=0)


def _picture(tokens: np.ndarray, task: Task | None) -> Picture:
    if task is not None:
        return task.render(task.decode(tokens))
    symbols = np.array([_SYMBOLS[token] if token < len(_SYMBOLS) else "?" for token in tokens.tolist()])
    side = isqrt(len(tokens))
    return draw_grid(symbols.reshape((side, side) if side * side == len(tokens) else (1, -1)))

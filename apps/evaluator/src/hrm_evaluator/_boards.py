"""Boards as rich text: clues dim, right cells green, wrong cells red and marked."""

import numpy as np
from hrm_data import Task
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

LEGEND = "a!b: the model answered a, but b is right"


def draw(task: Task, board: np.ndarray, styles: np.ndarray, notes: np.ndarray | None = None) -> Text:
    """Return the task's picture of a board with cells in colour.

    Args:
        task: Draws the picture, with one character for each cell.
        board: ``[n, n]``, 0 for a blank.
        styles: A rich style for every cell, ``[n, n]`` of str.
        notes: Text to put behind cells, ``[n, n]`` of str; columns grow by as much as their longest.
    """
    lines = task.render(board).split("\n")
    spots = _spots(task, board)
    note_at = {} if notes is None else dict(zip(spots, notes.ravel().tolist(), strict=True))
    style_at = dict(zip(spots, styles.ravel().tolist(), strict=True))
    extra: dict[int, int] = {}
    for (_, column), note in note_at.items():
        extra[column] = max(extra.get(column, 0), len(note))
    text = Text(no_wrap=True)
    for row, line in enumerate(lines):
        for column, char in enumerate(line):
            style = style_at.get((row, column))
            if style is None:
                text.append(char * (1 + extra.get(column, 0)), "dim")
            else:
                text.append((char + note_at.get((row, column), "")).ljust(1 + extra.get(column, 0)), style)
        text.append("\n")
    text.right_crop(1)
    return text


def _spots(task: Task, board: np.ndarray) -> list[tuple[int, int]]:
    """Return line and column of every cell in the picture: where a board of blanks and one of ones differ."""
    pictures = (task.render(np.full_like(board, value)).split("\n") for value in (0, 1))
    return [
        (row, column)
        for row, (blank, one) in enumerate(zip(*pictures, strict=True))
        for column, (a, b) in enumerate(zip(blank, one, strict=True))
        if a != b
    ]


def answer_styles(puzzle: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Return the styles of an answer's cells: wrong ones red, clues dim, the others green."""
    return np.where(wrong, "bold red", np.where(puzzle > 0, "dim", "green"))


def scored(task: Task, puzzle: np.ndarray, answer: np.ndarray, solution: np.ndarray) -> RenderableType:
    """Return a puzzle beside its answer, with the right digit behind each wrong one.

    Args:
        task: Draws the pictures.
        puzzle: ``[n, n]``, 0 for a blank.
        answer: ``[n, n]``.
        solution: ``[n, n]``, 0 where any answer will do.
    """
    wrong = (solution > 0) & (answer != solution)
    notes = np.where(wrong, np.char.add("!", solution.astype(str)), "")
    return _beside(
        ("puzzle", _puzzle(task, puzzle)),
        ("prediction", draw(task, answer, answer_styles(puzzle, wrong), notes)),
    )


def solved(task: Task, puzzle: np.ndarray, answer: np.ndarray) -> RenderableType:
    """Return a puzzle beside its answer, with a mark behind cells that break a rule or changed a clue."""
    wrong = task.violations(answer) | (answer == 0) | ((puzzle > 0) & (puzzle != answer))
    return _beside(
        ("puzzle", _puzzle(task, puzzle)),
        ("answer", draw(task, answer, answer_styles(puzzle, wrong), np.where(wrong, "!", ""))),
    )


def _puzzle(task: Task, puzzle: np.ndarray) -> Text:
    return draw(task, puzzle, np.where(puzzle > 0, "bold", "dim"))


def _beside(*titled: tuple[str, Text]) -> Table:
    table = Table(box=None, padding=(0, 4, 0, 0), pad_edge=False, header_style="")
    for title, _ in titled:
        table.add_column(title, no_wrap=True)
    table.add_row(*(text for _, text in titled))
    return table

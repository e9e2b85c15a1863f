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
        task: Draws the picture.
        board: A board of the task.
        styles: A rich style for every token, ``[seq_len]`` of str.
        notes: Text to put behind tokens, ``[seq_len]`` of str; columns grow by as much as their longest.
    """
    behind = {} if notes is None else {at: note for at, note in enumerate(notes.ravel().tolist()) if note}
    text = Text(no_wrap=True)
    for number, pieces in enumerate(task.render(board).segments(dict(enumerate(styles.ravel().tolist())), behind)):
        text.append("\n" if number else "")
        for piece, style in pieces:
            text.append(piece, style or "dim")
    return text


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
    wrong = np.any([*task.explain(puzzle, answer).values(), np.zeros(task.seq_len, bool)], axis=0)
    return _beside(
        ("puzzle", _puzzle(task, puzzle)),
        ("answer", draw(task, answer, answer_styles(puzzle.ravel(), wrong), np.where(wrong, "!", ""))),
    )


def _puzzle(task: Task, puzzle: np.ndarray) -> Text:
    return draw(task, puzzle, np.where(puzzle > 0, "bold", "dim"))


def _beside(*titled: tuple[str, Text]) -> Table:
    table = Table(box=None, padding=(0, 4, 0, 0), pad_edge=False, header_style="")
    for title, _ in titled:
        table.add_column(title, no_wrap=True)
    table.add_row(*(text for _, text in titled))
    return table

"""Boards as rich text: given cells dim, right cells green, wrong cells red and marked."""

from collections.abc import Iterator, Mapping

import numpy as np
from hrm_data import IGNORE, Picture, Task, kept_cells, whole_solution
from hrm_data.terminal import plain_lines
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

LEGEND = "a!b: the model answered a, but b is right"
WIDE = 40  # most columns of a picture that has room for marks between its cells


def draw(picture: Picture, styles: np.ndarray, notes: Mapping[int, str] | None = None) -> Text:
    """Return a picture with its tokens in colour.

    Args:
        picture: A board that a task rendered.
        styles: A rich style for every token, `[seq_len]` of str.
        notes: Text to append to tokens, by position; a column grows by its longest note.
    """
    by_token = dict(enumerate(styles.tolist()))
    lines = [
        [(plain_lines(text), style or "dim") for text, style in line] for line in picture.segments(by_token, notes)
    ]
    return Text("\n", no_wrap=True).join(Text.assemble(*line) for line in lines)


def scored(task: Task, puzzle: np.ndarray, answer: np.ndarray, solution: np.ndarray) -> RenderableType:
    """Return a puzzle beside its answer. The right token follows each wrong one; wide boards show the solution instead.

    Args:
        task: Draws the pictures.
        puzzle: Tokens `[seq_len]`.
        answer: Tokens `[seq_len]`.
        solution: Tokens `[seq_len]`, -100 where nothing is asked for: there the answer is the puzzle's own.
    """
    wrong = (solution != IGNORE) & (answer != solution)
    answer = np.where(kept_cells(task, puzzle, solution), puzzle, answer)
    whole = whole_solution(task, puzzle, solution)
    shown, right = _picture(task, answer), _picture(task, whole)
    pictures = {
        "puzzle": draw(_picture(task, puzzle), np.where(puzzle == whole, "bold", "dim")),
        "prediction": draw(
            shown,
            _answer_styles(puzzle, answer, wrong),
            {} if shown.width > WIDE else {int(at): f"!{right.symbol(int(at))}" for at in np.flatnonzero(wrong)},
        ),
    }
    if shown.width > WIDE and wrong.any():
        pictures["solution"] = draw(right, np.where(wrong, "bold", "dim"))
    return _Beside(pictures)


def solved(task: Task, puzzle: np.ndarray, answer: np.ndarray) -> RenderableType:
    """Return a puzzle beside its answer, tokens `[seq_len]`, and mark the tokens with which the task finds fault."""
    faults = task.explain(task.decode(puzzle), task.decode(answer))
    wrong = np.any([*faults.values(), np.zeros(task.seq_len, bool)], axis=0)
    return _Beside(
        {
            "puzzle": draw(_picture(task, puzzle), np.where(puzzle == answer, "bold", "dim")),
            "answer": draw(
                _picture(task, answer),
                _answer_styles(puzzle, answer, wrong),
                {int(at): "!" for at in np.flatnonzero(wrong)},
            ),
        }
    )


def _picture(task: Task, tokens: np.ndarray) -> Picture:
    return task.render(task.decode(tokens))


def _answer_styles(puzzle: np.ndarray, answer: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    return np.where(wrong, "bold red", np.where(puzzle == answer, "dim", "green"))


class _Beside:
    """Titled pictures side by side; below each other if the terminal is too narrow."""

    def __init__(self, pictures: Mapping[str, Text]) -> None:
        self._pictures = pictures

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        widths = [max(map(len, text.plain.split("\n"))) for text in self._pictures.values()]
        if console.is_terminal and sum(widths) + 4 * (len(widths) - 1) > options.max_width:
            for title, text in self._pictures.items():
                yield Text(title)
                yield text
            return
        table = Table(box=None, padding=(0, 4, 0, 0), pad_edge=False, header_style="")
        for title in self._pictures:
            table.add_column(title, no_wrap=True)
        table.add_row(*self._pictures.values())
        yield table

"""Draws a held-out puzzle and the model's answer to it."""

from collections.abc import Mapping

import numpy as np
from hrm_data import IGNORE, Picture, kept_cells
from hrm_data.terminal import plain_lines
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hrm_trainer._held_out import Example

_GAP = 4  # columns between two boards


def board(example: Example, width: int) -> RenderableType:
    """Return puzzle and answer, side by side if `width` columns hold both; wrong cells are red and marked with `!`."""
    task, kept = example.task, kept_cells(example.task, example.puzzle, example.solution)
    answer = np.where(kept, example.puzzle, example.answer)
    wrong = (example.solution != IGNORE) & (answer != example.solution)
    styles = np.where(wrong, "bold red", np.where(answer == example.puzzle, "bold", "green"))
    pictures = (
        _drawn(task.render(task.decode(example.puzzle)), {}, {}),
        _drawn(
            task.render(task.decode(answer)),
            dict(enumerate(styles.tolist())),
            {int(at): "!" for at in np.flatnonzero(wrong)},
        ),
    )
    boards: RenderableType = Group(pictures[0], "", pictures[1])
    if sum(max(line.cell_len for line in picture.split()) for picture in pictures) + _GAP <= width:
        boards = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, show_header=False)
        boards.add_row(*pictures)
    return Group(boards, f"puzzle and prediction, {_verdict(int(wrong.sum()), (example.solution != IGNORE).any())}")


def _verdict(wrong: int, known: bool) -> str:
    if not known:
        return "the right answer is not known"
    return f"{wrong} {'cell' if wrong == 1 else 'cells'} wrong (!)" if wrong else "solved"


def _drawn(picture: Picture, styles: Mapping[int, str], notes: Mapping[int, str]) -> Text:
    lines = [
        Text.assemble(*((plain_lines(piece), style or "dim") for piece, style in line))
        for line in picture.segments(styles, notes)
    ]
    return Text("\n").join(lines)

"""Boards as PNG, and the ACT steps as GIF."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from hrm_evaluator._output import atomic_file
from hrm_evaluator.report._trajectory import Frame, Trajectory

_SIDE = 540  # approximate pixels of a board
_MARGIN = 16
_TITLE = 30
_PAPER, _INK, _SOFT, _RULE = "#ffffff", "#1c1d20", "#8a8a86", "#b9b6ac"
_RIGHT, _WRONG, _CHANGED = ("#d5ecd9", "#2e8b57"), ("#f9d2cc", "#c62f1d"), "#e8a100"
_MILLISECONDS, _AT_THE_END = 700, 2500


def save_png(path: Path, trajectory: Trajectory, colours: Mapping[str, str]) -> None:
    """Draw the puzzle beside the last answer."""
    last = len(trajectory.steps)
    boards = [("puzzle", trajectory.puzzle), (f"answer after {_steps(last)}", trajectory.steps[-1])]
    image = _beside(trajectory, boards, colours)
    with atomic_file(path) as file:
        image.save(file, "PNG")


def save_gif(path: Path, trajectory: Trajectory, colours: Mapping[str, str]) -> None:
    """Draw the puzzle beside the answer, one frame for each ACT step."""
    last = len(trajectory.steps)
    images = [
        _beside(trajectory, [("puzzle", trajectory.puzzle), (f"step {number} of {last}", frame)], colours)
        for number, frame in enumerate(trajectory.steps, start=1)
    ]
    durations = [_MILLISECONDS] * (len(images) - 1) + [_AT_THE_END]
    with atomic_file(path) as file:
        images[0].save(file, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0)


def _steps(count: int) -> str:
    return f"{count} {'step' if count == 1 else 'steps'}"


def _beside(trajectory: Trajectory, boards: Sequence[tuple[str, Frame]], colours: Mapping[str, str]) -> Image.Image:
    """Draw titled boards from left to right."""
    side = max(8, min(60, _SIDE // max(trajectory.rows, trajectory.columns)))
    width, height = trajectory.columns * side, trajectory.rows * side
    image = Image.new("RGB", (len(boards) * (width + _MARGIN) + _MARGIN, height + _TITLE + _MARGIN), _PAPER)
    pen = ImageDraw.Draw(image)
    for number, (title, frame) in enumerate(boards):
        left = _MARGIN + number * (width + _MARGIN)
        pen.text((left, _TITLE // 2), title, _INK, ImageFont.load_default(15), anchor="lm")
        for at, symbol in enumerate(frame.symbols):
            row, column = divmod(at, trajectory.columns)
            mark = frame.marks[at] if frame.marks else "."
            given = trajectory.puzzle.symbols[at] == symbol
            _cell(pen, left + column * side, _TITLE + row * side, side, symbol, mark, given, colours.get(symbol))
        for row in range(trajectory.rows + 1):
            y = _TITLE + row * side
            pen.line((left, y, left + width, y), *_line(row, trajectory.rows, trajectory.row_breaks))
        for column in range(trajectory.columns + 1):
            x = left + column * side
            pen.line((x, _TITLE, x, _TITLE + height), *_line(column, trajectory.columns, trajectory.column_breaks))
    return image


def _line(at: int, last: int, breaks: Sequence[int]) -> tuple[str, int]:
    return (_INK, 2) if at in (0, last) or at in breaks else (_RULE, 1)


def _cell(pen: Any, x: int, y: int, side: int, symbol: str, mark: str, given: bool, fill: str | None) -> None:
    right, wrong, changed = mark in "rR", mark in "wW", mark in "WR:"
    paper, edge = _RIGHT if right else _WRONG if wrong else (_PAPER, _INK)
    pen.rectangle((x, y, x + side, y + side), fill=fill or paper)
    if wrong or (right and fill):
        pen.rectangle((x + 1, y + 1, x + side - 1, y + side - 1), outline=edge, width=max(1, side // 9))
    if not fill and symbol not in " .":
        ink = edge if right or wrong else _SOFT if given else _INK
        pen.text((x + side / 2, y + side / 2), symbol, ink, ImageFont.load_default(max(6, side * 0.6)), anchor="mm")
    if changed:
        size = max(2, side // 5)
        corner = x + side - size - max(1, side // 12), y + max(1, side // 12)
        pen.ellipse((*corner, corner[0] + size, corner[1] + size), fill=_CHANGED, outline=_INK)

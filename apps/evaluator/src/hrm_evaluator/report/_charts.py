"""The geometry of two small charts, which a template of the page draws as SVG."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hrm_evaluator.scoring._effort import Effort

_WIDTH, _HEIGHT = 480, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 10, 34
_MOST_TICKS = 16
_SHARES = ["0", "25", "50", "75", "100 %"]


class Point(NamedTuple):
    """A point of a line, with the text of its tooltip."""

    x: float
    y: float
    text: str


class Bar(NamedTuple):
    """A bar of a histogram, with the text of its tooltip."""

    x: float
    y: float
    width: float
    height: float
    text: str


class Chart(NamedTuple):
    """A chart over ACT steps; coordinates are in pixels from the upper left corner.

    Attributes:
        title: Its text for screen readers.
        axis: What the ticks below count.
        scale: Height and label of each horizontal rule.
        ticks: Position and label of each tick below the chart.
        lines: Points of each line, by name.
        bars: Bars.
    """

    title: str
    axis: str
    scale: list[tuple[float, str]]
    ticks: list[tuple[float, int]]
    lines: dict[str, list[Point]]
    bars: list[Bar]
    width: int = _WIDTH
    height: int = _HEIGHT
    left: int = _LEFT
    right: int = _WIDTH - _RIGHT


def line_chart(series: Mapping[str, Sequence[float]], title: str) -> Chart:
    """Lay out one line for each name: shares from 0 to 1 by ACT step."""
    count = max(map(len, series.values()))
    step = (_WIDTH - _LEFT - _RIGHT) / max(count - 1, 1)
    lines = {
        name: [
            Point(round(_LEFT + i * step, 1), round(_y(value), 1), f"{i + 1} steps: {value:.1%}")
            for i, value in enumerate(values)
        ]
        for name, values in series.items()
    }
    ticks = [(round(_LEFT + i * step, 1), i + 1) for i in _ticks(count)]
    return Chart(title, "ACT steps", _scale(_SHARES), ticks, lines, [])


def bar_chart(counts: Sequence[int], title: str) -> Chart:
    """Lay out one bar for each ACT step: a number of puzzles."""
    most = max(max(counts), 1)
    room = (_WIDTH - _LEFT - _RIGHT) / len(counts)
    bars = []
    for i, value in enumerate(counts):
        height = (_HEIGHT - _TOP - _BOTTOM) * value / most
        x, y = _LEFT + (i + 0.1) * room, _HEIGHT - _BOTTOM - height
        text = f"{i + 1} steps: {value} puzzles"
        bars.append(Bar(round(x, 1), round(y, 1), round(0.8 * room, 1), round(height, 1), text))
    ticks = [(round(_LEFT + (i + 0.5) * room, 1), i + 1) for i in _ticks(len(counts))]
    middle = "" if most % 2 else f"{most // 2}"
    return Chart(title, "ACT steps", _scale(["0", "", middle, "", f"{most}"]), ticks, {}, bars)


def effort_chart(efforts: Sequence[Effort], title: str) -> Chart:
    """Lay out one line for each way to spend computation: exact accuracy by ACT steps of a puzzle, logarithmic."""
    most = max(1, math.ceil(math.log2(max(effort.steps_per_puzzle for effort in efforts))))
    doubling = (_WIDTH - _LEFT - _RIGHT) / most
    lines: dict[str, list[Point]] = {}
    for effort in efforts:
        x = _LEFT + doubling * math.log2(max(effort.steps_per_puzzle, 1))
        text = (
            f"{effort.by}: {effort.count}, {effort.exact_accuracy:.1%} exact, "
            f"{effort.steps_per_puzzle:.1f} steps a puzzle, {effort.puzzles_per_second:.1f} puzzles a second"
        )
        lines.setdefault(effort.by, []).append(Point(round(x, 1), round(_y(effort.exact_accuracy), 1), text))
    ticks = [(round(_LEFT + i * doubling, 1), 2**i) for i in range(most + 1)]
    return Chart(title, "ACT steps of all answers to a puzzle", _scale(_SHARES), ticks, lines, [])


def _scale(labels: Sequence[str]) -> list[tuple[float, str]]:
    return [(round(_y(i / (len(labels) - 1)), 1), label) for i, label in enumerate(labels)]


def _y(share: float) -> float:
    return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - share)


def _ticks(count: int) -> range:
    return range(0, count, -(-count // _MOST_TICKS))

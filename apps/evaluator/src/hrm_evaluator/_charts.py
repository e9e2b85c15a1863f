"""Small charts as SVG text, which takes its colours from the page."""

from collections.abc import Mapping, Sequence
from html import escape

_W, _H = 480, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 10, 34


def line_chart(series: Mapping[str, Sequence[float]], title: str, x_title: str) -> str:
    """Shares from 0 to 1 over the steps 1, 2, ...; a line for each name."""
    count = max(map(len, series.values()))
    step = (_W - _LEFT - _RIGHT) / max(count - 1, 1)
    parts = [_frame(title, x_title), _scale(["0", "25", "50", "75", "100 %"])]
    for number, values in enumerate(series.values(), start=1):
        points = [(_LEFT + i * step, _y(value)) for i, value in enumerate(values)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline class="line s{number}" points="{path}"/>')
        parts += [
            f'<circle class="dot s{number}" cx="{x:.1f}" cy="{y:.1f}" r="3">'
            f"<title>{i} steps: {value:.1%}</title></circle>"
            for i, ((x, y), value) in enumerate(zip(points, values, strict=True), start=1)
        ]
    parts += [
        f'<text class="tick" x="{_LEFT + i * step:.1f}" y="{_H - 18}" text-anchor="middle">{i + 1}</text>'
        for i in _ticks(count)
    ]
    keys = "".join(f'<span class="key s{n}">{escape(name)}</span>' for n, name in enumerate(series, start=1))
    return "".join([*parts, f'</svg><p class="keys">{keys}</p>'])


def bar_chart(counts: Sequence[int], title: str, x_title: str) -> str:
    """How often 1, 2, ... occurred."""
    most = max(max(counts), 1)
    room = (_W - _LEFT - _RIGHT) / len(counts)
    parts = [_frame(title, x_title), _scale(["0", "", "" if most % 2 else f"{most // 2}", "", f"{most}"])]
    for i, value in enumerate(counts):
        height = (_H - _TOP - _BOTTOM) * value / most
        parts.append(
            f'<rect class="bar" x="{_LEFT + i * room + room * 0.1:.1f}" y="{_H - _BOTTOM - height:.1f}" '
            f'width="{room * 0.8:.1f}" height="{height:.1f}"><title>{i + 1} steps: {value} puzzles</title></rect>'
        )
    parts += [
        f'<text class="tick" x="{_LEFT + (i + 0.5) * room:.1f}" y="{_H - 18}" text-anchor="middle">{i + 1}</text>'
        for i in _ticks(len(counts))
    ]
    return "".join([*parts, "</svg>"])


def _frame(title: str, x_title: str) -> str:
    return (
        f'<svg viewBox="0 0 {_W} {_H}" role="img" aria-label="{escape(title)}">'
        f'<text class="tick" x="{(_LEFT + _W - _RIGHT) / 2}" y="{_H - 3}" text-anchor="middle">{escape(x_title)}</text>'
    )


def _scale(labels: Sequence[str]) -> str:
    parts = []
    for i, label in enumerate(labels):
        y = _y(i / (len(labels) - 1))
        parts.append(f'<line class="rule" x1="{_LEFT}" x2="{_W - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    return "".join(parts)


def _y(share: float) -> float:
    return _TOP + (_H - _TOP - _BOTTOM) * (1 - share)


def _ticks(count: int) -> range:
    return range(0, count, -(-count // 16))

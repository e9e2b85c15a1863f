"""The report as one HTML page that needs nothing else."""

import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any

from hrm_evaluator._cells import Frame, Story
from hrm_evaluator._charts import bar_chart, line_chart
from hrm_evaluator._score import Evaluation

_SHARES = ("accuracy", "exact accuracy", "halting accuracy", "valid", "equivalent")


def page(
    title: str, summary: dict[str, Any], result: Evaluation, stories: list[Story], colours: Mapping[str, str]
) -> str:
    """Return the text of the page.

    Args:
        title: Its title, in plain text.
        summary: Names and values of the scores; ``pass_at``, where there is one, holds shares by number of tries.
        result: The scores by step, by halting, by votes and by the task's measure.
        stories: Puzzles for the viewer.
        colours: Colours of symbols, as a task gives them.
    """
    data = {"colours": dict(colours), "puzzles": [_story(story) for story in stories]}
    parts = {
        "title": escape(title),
        "style": _asset("style.css"),
        "scores": _scores(summary),
        "curves": _curves(result),
        "tables": _tries(summary.get("pass_at", {})) + _votes(result) + _faults(result) + _measure(result),
        "data": json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        "script": _asset("viewer.js"),
    }
    text = _asset("report.html")
    for name, part in parts.items():
        text = text.replace(f"<!--{name}-->", part, 1) if name != "title" else text.replace("<!--title-->", part)
    return text


def _asset(name: str) -> str:
    return (files("hrm_evaluator") / "page" / name).read_text(encoding="utf-8")


def _story(story: Story) -> dict[str, Any]:
    return {
        "rows": story.rows,
        "columns": story.columns,
        "rowBreaks": story.row_breaks,
        "columnBreaks": story.column_breaks,
        "puzzle": story.puzzle.symbols,
        "solution": story.solution and story.solution.symbols,
        "steps": [_step(frame) for frame in story.steps],
    }


def _step(frame: Frame) -> dict[str, Any]:
    return {"symbols": frame.symbols, "marks": frame.marks, "confidence": round(frame.confidence, 4)}


def _scores(summary: dict[str, Any]) -> str:
    rows = []
    for key, value in summary.items():
        if isinstance(value, (list, dict)):
            continue
        name = key.replace("_", " ")
        shown = f"{value:.2%}" if name in _SHARES else f"{value:.2f}" if isinstance(value, float) else str(value)
        rows.append(f'<tr><th scope="row">{escape(name)}</th><td>{escape(shown)}</td></tr>')
    return f"<table><caption>Scores</caption>{''.join(rows)}</table>"


def _curves(result: Evaluation) -> str:
    if not result.score.count:
        return "<p>No puzzle has a solution to compare with.</p>"
    means = [tally.means() for tally in result.by_step]
    series = {"exact accuracy": [m["exact_accuracy"] for m in means], "accuracy": [m["accuracy"] for m in means]}
    halted = [result.halted[step] for step in range(1, len(means) + 1)]
    numbers = _folded(
        "The numbers",
        ["steps", "accuracy", "exact accuracy", "halted"],
        [
            [str(step), f"{mean['accuracy']:.2%}", f"{mean['exact_accuracy']:.2%}", str(count)]
            for step, (mean, count) in enumerate(zip(means, halted, strict=True), start=1)
        ],
    )
    return (
        "<figure><figcaption>Accuracy with at most so many steps</figcaption>"
        f"{line_chart(series, 'Accuracy by number of steps; the table below has the numbers', 'ACT steps')}</figure>"
        "<figure><figcaption>Puzzles that halted after so many steps</figcaption>"
        f"{bar_chart(halted, 'Histogram of halting steps; the table below has the numbers', 'ACT steps')}</figure>"
        f"{numbers}"
    )


def _tries(pass_at: Mapping[int, float]) -> str:
    rows = [[str(tries), f"{share:.2%}"] for tries, share in pass_at.items()]
    return _folded("By tries", ["tries", "tasks solved"], rows, is_open=True)


def _votes(result: Evaluation) -> str:
    rows = [
        [str(votes), *(f"{share:.2%}" for share in tally.means().values())]
        for votes, tally in sorted(result.by_votes.items())
    ]
    return _folded("By votes", ["votes", "accuracy", "exact accuracy"], rows, is_open=True)


def _faults(result: Evaluation) -> str:
    rows = [[fault, str(count)] for fault, count in result.faults.most_common()]
    return _folded("What is wrong with answers", ["fault", "answers"], rows)


def _measure(result: Evaluation) -> str:
    if result.measure is None or len(result.by_measure) < 2:
        return ""
    rows = [
        [str(value), str(tally.puzzles), *(f"{share:.2%}" for share in tally.means().values())]
        for value, tally in sorted(result.by_measure.items())
    ]
    return _folded(f"By {result.measure}", [result.measure, "puzzles", "accuracy", "exact accuracy"], rows)


def _folded(title: str, heads: list[str], rows: list[list[str]], *, is_open: bool = False) -> str:
    """A table that can be folded away; nothing if it has no rows."""
    if not rows:
        return ""
    return f"<details{' open' * is_open}><summary>{escape(title)}</summary>{_table(heads, rows)}</details>"


def _table(heads: list[str], rows: list[list[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

"""The report as one HTML page that needs no other file; the templates are in `page/`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hrm_evaluator._output import finite
from hrm_evaluator._templates import asset, render
from hrm_evaluator.report._charts import Chart, bar_chart, effort_chart, line_chart
from hrm_evaluator.report._trajectory import Trajectory
from hrm_evaluator.scoring._effort import Effort
from hrm_evaluator.scoring._score import Evaluation, Tally

_SHARES = ("accuracy", "exact accuracy", "halting accuracy", "valid", "equivalent")


class _Table(NamedTuple):
    """A table that can be folded away; it is shown only if it has rows, whose first cell is a title."""

    title: str
    heads: list[str]
    rows: list[list[str]]
    is_open: bool = False


def page(
    title: str,
    summary: Mapping[str, Any],
    result: Evaluation,
    efforts: Sequence[Effort],
    trajectories: list[list[Trajectory]],
    colours: Mapping[str, str],
) -> str:
    """Return the HTML text of the page.

    Args:
        title: The title, in plain text.
        summary: Names and values of the scores; `pass_at` holds the share of tasks solved by number of tries.
        result: The scores by step, by halting step, by votes and by the task's measure.
        efforts: What steps, trajectories and votes buy.
        trajectories: The puzzles of the viewer, each with the chosen answer and then all votes.
        colours: Colours of symbols, as the task gives them.
    """
    return render(
        "report/page",
        "report.html",
        title=title,
        scores=_scores(summary),
        tables=[_tries(summary.get("pass_at", {})), _efforts(efforts), _faults(result), _measure(result)],
        charts=_charts(result, efforts),
        steps=_steps(result),
        data=finite({"colours": dict(colours), "puzzles": [_puzzle(one) for one in trajectories]}),
        style=asset("report/page/style.css"),
        script=asset("report/page/viewer.js"),
    )


def _puzzle(trajectories: Sequence[Trajectory]) -> dict[str, Any]:
    """The entry of one puzzle in the data of the viewer."""
    trajectory, *votes = trajectories
    return {
        "rows": trajectory.rows,
        "columns": trajectory.columns,
        "rowBreaks": trajectory.row_breaks,
        "columnBreaks": trajectory.column_breaks,
        "puzzle": trajectory.puzzle.symbols,
        "solution": trajectory.solution and trajectory.solution.symbols,
        "answers": [_steps_of(one) for one in (trajectory, *votes)],
    }


def _steps_of(trajectory: Trajectory) -> list[dict[str, Any]]:
    return [
        {"symbols": frame.symbols, "marks": frame.marks, "confidence": round(frame.confidence, 4)}
        for frame in trajectory.steps
    ]


def _scores(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for key, value in summary.items():
        if not isinstance(value, list | dict):
            name = key.replace("_", " ")
            shown = _percent(value) if name in _SHARES else f"{value:.2f}" if isinstance(value, float) else str(value)
            rows.append((name, shown))
    return rows


def _charts(result: Evaluation, efforts: Sequence[Effort]) -> list[tuple[str, Chart]]:
    """Captions and charts; none without a scored puzzle."""
    if not result.score.count:
        return []
    means = [tally.means() for tally in result.by_step]
    series = {"exact accuracy": [m["exact_accuracy"] for m in means], "accuracy": [m["accuracy"] for m in means]}
    halted = [result.halted[step] for step in range(1, len(means) + 1)]
    see_table = "the table below has the numbers"
    return [
        ("Accuracy by maximum number of steps", line_chart(series, f"Accuracy by number of steps; {see_table}")),
        ("Puzzles by halting step", bar_chart(halted, f"Histogram of halting steps; {see_table}")),
        ("Exact accuracy by cost", effort_chart(efforts, f"Exact accuracy by cost; {see_table}")),
    ]


def _steps(result: Evaluation) -> _Table:
    rows = [
        [str(step), *_shares(tally), str(result.halted[step])] for step, tally in enumerate(result.by_step, start=1)
    ]
    return _Table("The numbers", ["steps", "accuracy", "exact accuracy", "halted"], rows)


def _tries(pass_at: Mapping[int, float]) -> _Table:
    rows = [[str(tries), _percent(share)] for tries, share in pass_at.items()]
    return _Table("By tries", ["tries", "tasks solved"], rows, is_open=True)


def _efforts(efforts: Sequence[Effort]) -> _Table:
    rows = [
        [
            f"{effort.by}: {effort.count}",
            _percent(effort.exact_accuracy),
            f"{effort.steps_per_puzzle:.2f}",
            f"{effort.puzzles_per_second:.1f}",
        ]
        for effort in efforts
    ]
    return _Table("What computation buys", ["with", "exact accuracy", "steps a puzzle", "puzzles a second"], rows)


def _faults(result: Evaluation) -> _Table:
    rows = [[fault, str(count)] for fault, count in result.faults.most_common()]
    return _Table("What is wrong with answers", ["fault", "answers"], rows)


def _measure(result: Evaluation) -> _Table:
    tallies = sorted(result.by_measure.items()) if len(result.by_measure) > 1 else []
    rows = [[str(value), str(tally.puzzles), *_shares(tally)] for value, tally in tallies]
    measure = result.measure or ""
    return _Table(f"By {measure}", [measure, "puzzles", "accuracy", "exact accuracy"], rows)


def _shares(tally: Tally) -> list[str]:
    return [_percent(share) for share in tally.means().values()]


def _percent(share: float) -> str:
    return f"{share:.2%}"

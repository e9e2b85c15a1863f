"""What a notebook shows of a solution and of a solver: pieces of HTML that need no other file."""

from collections.abc import Mapping

from hrm_data import Task

from hrm_evaluator._templates import asset, render
from hrm_evaluator.answers._records import Record
from hrm_evaluator.report._trajectory import Frame, Trajectory, trajectory

_CLASSES = {"w": "wrong", "r": "right"}


def solution_html(record: Record, task: Task, summary: str) -> str:
    """Return the puzzle beside its answer, with a slider over the steps if the record has a trace.

    A script moves the slider. Where scripts are removed, there is none, and the answer after the last step is shown.

    Args:
        record: The puzzle and its answer.
        task: Draws the boards.
        summary: A line of plain text above them.
    """
    shown = trajectory(record, task)
    pictures = [task.render(task.decode(tokens)) for tokens in (record.inputs, record.tokens)]
    return _render(
        "solution.html",
        summary=summary,
        boards=[_table(shown, frame, task.colours) for frame in (shown.puzzle, shown.steps[-1])],
        texts=[] if any(picture.spots for picture in pictures) else [str(picture) for picture in pictures],
        steps=[[frame.symbols, frame.marks, round(100 * frame.confidence)] for frame in shown.steps],
        colours=dict(task.colours),
        script=asset("report/notebook/slider.js"),
    )


def facts_html(title: str, facts: Mapping[str, object]) -> str:
    """Return a title above a table of names and values, all in plain text."""
    return _render("facts.html", title=title, facts=facts)


def _render(template: str, **content: object) -> str:
    return render("report/notebook", template, style=asset("report/notebook/style.css"), **content)


def _table(shown: Trajectory, frame: Frame, colours: Mapping[str, str]) -> list[list[tuple[str, str, str]]]:
    """Return the rows of a board; a cell is its text, its classes and its colour."""

    def cell(at: int) -> tuple[str, str, str]:
        row, column = divmod(at, shown.columns)
        symbol = frame.symbols[at]
        fill = colours.get(symbol, "")
        text = "" if fill or symbol == "." else symbol
        mark = _CLASSES.get(frame.marks[at].lower(), "") if frame.marks else ""
        classes = {
            mark: True,
            "given": not mark and bool(text.strip()) and symbol == shown.puzzle.symbols[at],
            "filled": bool(fill),
            "below": row in shown.row_breaks,
            "behind": column in shown.column_breaks,
        }
        return text, " ".join(name for name, has in classes.items() if name and has), fill

    return [[cell(row * shown.columns + column) for column in range(shown.columns)] for row in range(shown.rows)]

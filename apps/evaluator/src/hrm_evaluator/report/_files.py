"""The output files of a report that were requested on the command line: page, curves and steps of a puzzle."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hrm_data import Task
from hrm_data.terminal import say

from hrm_evaluator._output import atomic_file, check_writable
from hrm_evaluator.answers._records import Record
from hrm_evaluator.report._trajectory import Trajectory, trajectory
from hrm_evaluator.scoring._effort import Effort
from hrm_evaluator.scoring._score import Evaluation

_MOST_VOTES = 16  # of a puzzle on the page, which would grow with all of them


class ReportFiles:
    """The requested files.

    Args:
        report: Directory of the page, or None.
        png: File of the curves, or None.
        gif: File of the steps of the first puzzle, or None.
        puzzles: Puzzles in the viewer of the page.
        overwrite: Whether existing files are replaced.

    Attributes:
        puzzles_needed: Number of puzzles to keep with their traces.

    Raises:
        UserError: If a file exists, or cannot be written.
    """

    def __init__(
        self, report: Path | None, png: Path | None, gif: Path | None, puzzles: int, *, overwrite: bool
    ) -> None:
        self._page = None if report is None else report / "index.html"
        self._png, self._gif, self._puzzles = png, gif, puzzles
        for option, path in (("--report", self._page), ("--png", png), ("--gif", gif)):
            check_writable(option, path, overwrite=overwrite)
        self.puzzles_needed = max(puzzles if self._page else 0, 1 if gif else 0)

    def save(
        self, summary: Mapping[str, Any], result: Evaluation, efforts: Sequence[Effort], task: Task | None
    ) -> None:
        """Write the files and name each on stderr."""
        colours = {} if task is None else task.colours
        if self._page is not None:
            from hrm_evaluator.report._page import page

            trajectories = [_of_all_answers(record, task) for record in result.records[: self._puzzles]]
            name = "HRM" if task is None else task.name
            title = f"{name}: {summary['exact_accuracy']:.1%} of {summary['puzzles']} puzzles solved"
            with atomic_file(self._page) as file:
                file.write(page(title, summary, result, efforts, trajectories, colours).encode())
        if self._png is not None:
            from hrm_evaluator.report._curves import save_curves

            save_curves(self._png, result)
        if self._gif is not None and result.records:
            from hrm_evaluator.report._images import save_gif

            save_gif(self._gif, trajectory(result.records[0], task), colours)
        for path in (self._page, self._png, self._gif):
            if path is not None:
                say(f"evaluator: {path} written", file=sys.stderr)


def _of_all_answers(record: Record, task: Task | None) -> list[Trajectory]:
    """Lay out the chosen answer to a puzzle, and the first votes."""
    answers = [record.answer, *record.votes[:_MOST_VOTES]]
    return [trajectory(record._replace(answer=answer), task) for answer in answers]

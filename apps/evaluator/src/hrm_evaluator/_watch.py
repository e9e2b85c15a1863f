"""The files in which one sees how a model does: the page, the curves, and the steps of a puzzle."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hrm_data import Task

from hrm_evaluator._cells import story
from hrm_evaluator._output import claim, written
from hrm_evaluator._score import Evaluation

if TYPE_CHECKING:
    from hrm_evaluator.cli import Evaluate


class Watch:
    """What of it was asked for.

    Args:
        settings: The command's options.

    Attributes:
        puzzles: How many puzzles have to be remembered with what was thought about them.

    Raises:
        UserError: If a file of such a name exists, or cannot be written.
    """

    def __init__(self, settings: "Evaluate") -> None:
        self.report: Path | None = None if settings.report is None else settings.report / "index.html"
        self.png, self.gif = settings.png, settings.gif
        for option, path in (("--report", self.report), ("--png", self.png), ("--gif", self.gif)):
            claim(option, path, overwrite=settings.overwrite)
        self._in_report = settings.report_puzzles
        self.puzzles = max(self._in_report if self.report else 0, 1 if self.gif else 0)

    def save(self, summary: dict[str, Any], result: Evaluation, task: Task | None) -> None:
        """Write the files, and say so on stderr."""
        colours = {} if task is None else task.colours
        if self.report is not None:
            from hrm_evaluator._page import page

            stories = [story(record, task) for record in result.records[: self._in_report]]
            name = "HRM" if task is None else task.name
            title = f"{name}: {summary['exact_accuracy']:.1%} of {summary['puzzles']} puzzles solved"
            with written(self.report) as file:
                file.write(page(title, summary, result, stories, colours).encode())
        if self.png is not None:
            from hrm_evaluator._curves import save_curves

            save_curves(self.png, result)
        if self.gif is not None and result.records:
            from hrm_evaluator._image import save_gif

            save_gif(self.gif, story(result.records[0], task), colours)
        for path in (self.report, self.png, self.gif):
            if path is not None:
                print(f"evaluator: {path} written", file=sys.stderr)

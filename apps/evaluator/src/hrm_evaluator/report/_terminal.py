"""The report on the terminal: tables of scores, and boards."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from hrm_data import IGNORE, Task
from hrm_data.terminal import console_for
from rich.console import Console
from rich.table import Table

from hrm_evaluator.report import _boards
from hrm_evaluator.scoring._arc import ArcScore
from hrm_evaluator.scoring._effort import Effort
from hrm_evaluator.scoring._score import Evaluation, Example, Tally

_MOST_ROWS = 8
_MOST_STEPS = 16  # rows of the table of steps
_BAR = 30  # characters of a bar for all puzzles


def print_report(
    summary: dict[str, Any], result: Evaluation, efforts: Sequence[Effort], arc: ArcScore | None, task: Task | None
) -> None:
    """Print all tables and boards.

    Args:
        summary: Names and values of the scores.
        result: Scores by step and measure, and the puzzles to show.
        efforts: What steps, trajectories and votes buy.
        arc: The score of ARC tasks; None for another task.
        task: Draws the boards; None if it is unknown.
    """
    console = console_for()
    _print_summary(console, summary)
    _print_by_step(console, result)
    if result.by_votes:
        _print_efforts(console, efforts)
    if arc is not None:
        _print_arc(console, arc)
    if result.faults:
        _print_faults(console, result)
    if result.measure is not None and len(result.by_measure) > 1:
        _print_by_measure(console, result.measure, result.by_measure)
    if task is not None:
        _print_boards(console, task, result.examples)
    elif result.examples:
        console.print("\nNo boards: neither the dataset nor the run names its task.")


def _print_summary(console: Console, summary: dict[str, Any]) -> None:
    console.print(f"checkpoint  {summary['checkpoint']}", soft_wrap=True)
    console.print(f"dataset     {summary['data_path']}, test split\n", soft_wrap=True)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    table.add_row("puzzles", f"{summary['puzzles']}")
    table.add_row("accuracy", f"{summary['accuracy']:.2%}", "cells that are right")
    table.add_row("exact accuracy", f"{summary['exact_accuracy']:.2%}", "puzzles without a wrong cell", style="bold")
    most, trained = summary["max_steps"], summary["halt_max_steps"]
    steps = f"of at most {most}{'' if most == trained else f' ({trained} in training)'}, halting {summary['halting']}"
    table.add_row("mean steps", f"{summary['mean_steps']:.2f}", steps)
    table.add_row(
        "halting accuracy",
        f"{summary['halting_accuracy']:.2%}",
        "puzzles for which the model knows whether it is right",
    )
    if "valid" in summary:
        other = f", {summary['equivalent']:.2%} other than the dataset's" if summary["equivalent"] else ""
        table.add_row("valid", f"{summary['valid']:.2%}", f"answers that solve the puzzle{other}")
    if summary["puzzle_identifiers"] == "blank":
        table.add_row("identifiers", "blank", "all puzzles read one embedding")
    table.add_row("selection", "", summary["selection"])
    table.add_row("puzzles per second", f"{summary['puzzles_per_second']:.1f}", "compile time excluded")
    console.print(table)


def _print_by_step(console: Console, result: Evaluation) -> None:
    """Show the number of puzzles that halted after each step, and the score with at most so many steps."""
    table = _table("steps", "halted", "accuracy", "exact accuracy")
    table.add_column("")
    width = math.ceil(len(result.by_step) / _MOST_STEPS)
    for start in range(1, len(result.by_step) + 1, width):
        steps = range(start, min(start + width, len(result.by_step) + 1))
        halted = sum(result.halted[step] for step in steps)
        shares = (f"{share:.2%}" for share in result.by_step[steps[-1] - 1].means().values())
        name = f"{start}" if len(steps) == 1 else f"{start} to {steps[-1]}"
        table.add_row(name, f"{halted}", *shares, "#" * round(_BAR * halted / max(1, result.score.count)))
    console.print()
    console.print(table)


def _print_efforts(console: Console, efforts: Sequence[Effort]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("with", justify="left")
    for title in ("exact accuracy", "steps a puzzle", "puzzles a second"):
        table.add_column(title, justify="right")
    for effort in efforts:
        costs = f"{effort.steps_per_puzzle:.2f}", f"{effort.puzzles_per_second:.1f}"
        table.add_row(f"{effort.by}: {effort.count}", f"{effort.exact_accuracy:.2%}", *costs)
    console.print()
    console.print(table)


def _print_arc(console: Console, arc: ArcScore) -> None:
    console.print()
    if arc.unanswered:
        console.print(f"{arc.unanswered} tasks have tests without answers and are not scored")
    if arc.tasks:
        table = _table("tries", "tasks solved", f"of {arc.tasks}")
        for tries, share in arc.pass_at().items():
            table.add_row(f"{tries}", f"{arc.solved[tries]}", f"{share:.2%}")
        console.print(table)


def _print_faults(console: Console, result: Evaluation) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("answers", justify="right")
    table.add_column("fault")
    for fault, count in result.faults.most_common():
        table.add_row(f"{count}", fault)
    console.print()
    console.print(table)


def _print_by_measure(console: Console, measure: str, tallies: dict[int, Tally]) -> None:
    least, most = min(tallies), max(tallies)
    width = math.ceil((most - least + 1) / _MOST_ROWS)
    table = _table(measure, "puzzles", "accuracy", "exact accuracy")
    for start in range(least, most + 1, width):
        stop = min(start + width - 1, most)
        tally = Tally()
        for value in range(start, stop + 1):
            tally += tallies.get(value, Tally())
        if tally.puzzles:
            values = f"{start}" if start == stop else f"{start} to {stop}"
            table.add_row(values, f"{tally.puzzles}", *(f"{share:.2%}" for share in tally.means().values()))
    console.print()
    console.print(table)


def _print_boards(console: Console, task: Task, examples: list[Example]) -> None:
    any_marked = False
    for number, example in enumerate(examples, start=1):
        scored = example.solution != IGNORE
        wrong = int(np.count_nonzero(scored & (example.answer != example.solution)))
        any_marked |= wrong > 0 and task.render(task.decode(example.answer)).width <= _boards.WIDE
        verdict = f"{wrong} of {np.count_nonzero(scored)} cells wrong" if wrong else "solved"
        verdict = verdict if scored.any() else "the right answer is not known"
        console.print(f"\n{number}: {verdict}")
        console.print(_boards.scored(task, *example), soft_wrap=True)
    if any_marked:
        console.print(f"\n{_boards.LEGEND}", style="dim")


def _table(*titles: str) -> Table:
    """Return an empty table of numbers."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for title in titles:
        table.add_column(title, justify="right")
    return table

"""The command ``evaluator``: score a model on a test split and report."""

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from hrm_data import IGNORE, Dataset, Task
from hrm_model import ContinuousPredictor
from rich.console import Console
from rich.table import Table

from hrm_evaluator import _boards
from hrm_evaluator._open import (
    Checkpoint,
    find_checkpoint,
    open_model,
    open_predictor,
    open_task,
    open_test_split,
)
from hrm_evaluator._progress import progress
from hrm_evaluator._score import Evaluation, Example, Tally, score_dataset

if TYPE_CHECKING:
    from hrm_evaluator.cli import Evaluate

_MOST_ROWS = 8
_MOST_STEPS = 16  # lines of the table of steps
_BAR = 30  # characters for all puzzles


def evaluate(settings: "Evaluate") -> int:
    """Score the model and print the report; return the exit code."""
    checkpoint = find_checkpoint(settings.checkpoint, settings.runs)
    model = open_model(checkpoint, settings.data_path, settings.task)
    dataset = open_test_split(checkpoint, model, settings.data_path)
    task = open_task(checkpoint, model, dataset.task or settings.task)
    predictor = open_predictor(model, settings, trace=True)
    total = min(dataset.examples, settings.limit or dataset.examples)
    with progress(total) as advance:
        result = score_dataset(
            predictor,
            dataset,
            task,
            limit=settings.limit,
            keep=settings.show,
            advance=advance,
        )
    summary = _summary(checkpoint, dataset, result, predictor)
    if settings.as_json:
        boards = _board_rows(task, result.examples, dataset.metadata.pad_id)
        print(json.dumps({**summary, **_measured(result), "boards": boards}))
        return 0
    console = Console(highlight=False)
    _print_summary(console, summary)
    _print_by_step(console, result)
    if result.measure is not None and len(result.by_measure) > 1:
        _print_by_measure(console, result.measure, result.by_measure)
    if task is not None:
        _print_boards(console, task, result.examples)
    elif result.examples:
        console.print("\nNo boards: neither the dataset nor the run says which task this is.")
    return 0


def _summary(
    checkpoint: Checkpoint, dataset: Dataset, result: Evaluation, predictor: ContinuousPredictor
) -> dict[str, Any]:
    means = result.score.means()
    return {
        "checkpoint": str(checkpoint.weights),
        "data_path": str(dataset.root),
        "puzzles": result.score.count,
        "accuracy": means["accuracy"],
        "exact_accuracy": means["exact_accuracy"],
        "mean_steps": means["steps"],
        "halting": predictor.halting.kind,
        "max_steps": predictor.max_steps,
        "halt_max_steps": predictor.model.config.halt_max_steps,
        "halting_accuracy": means["q_halt_accuracy"],
        "puzzles_per_second": result.puzzles_per_second,
        "by_step": [
            {"steps": steps, "halted": result.halted[steps], **tally.means()}
            for steps, tally in enumerate(result.by_step, start=1)
        ],
    }


def _measured(result: Evaluation) -> dict[str, list[dict[str, Any]]]:
    if result.measure is None:
        return {}
    rows = [
        {
            result.measure: value,
            "puzzles": tally.puzzles,
            **tally.means(),
        }
        for value, tally in sorted(result.by_measure.items())
    ]
    return {f"by_{result.measure.replace(' ', '_')}": rows}


def _board_rows(task: Task | None, examples: list[Example], pad_id: int) -> list[dict[str, Any]]:
    if task is None:
        return []
    return [
        {
            "puzzle": task.text(task.decode(example.puzzle)),
            "prediction": task.text(task.decode(example.answer)),
            "solution": task.text(task.decode(np.where(example.solution == IGNORE, pad_id, example.solution))),
        }
        for example in examples
    ]


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
    table.add_row(
        "mean steps", f"{summary['mean_steps']:.2f}", f"of at most {summary['max_steps']}, halting {summary['halting']}"
    )
    table.add_row(
        "halting accuracy", f"{summary['halting_accuracy']:.2%}", "puzzles of which the model knows if it is right"
    )
    table.add_row("puzzles per second", f"{summary['puzzles_per_second']:.1f}", "without the compiler's time")
    console.print(table)


def _print_by_step(console: Console, result: Evaluation) -> None:
    """Show how many puzzles halted after each step, and the score if none had got more steps."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for title in ("steps", "halted", "accuracy", "exact accuracy"):
        table.add_column(title, justify="right")
    width = math.ceil(len(result.by_step) / _MOST_STEPS)
    for start in range(1, len(result.by_step) + 1, width):
        steps = range(start, min(start + width, len(result.by_step) + 1))
        halted = sum(result.halted[step] for step in steps)
        shares = (f"{share:.2%}" for share in result.by_step[steps[-1] - 1].means().values())
        name = f"{start}" if len(steps) == 1 else f"{start} to {steps[-1]}"
        table.add_row(name, f"{halted}", *shares, "#" * round(_BAR * halted / max(1, result.score.count)))
    console.print()
    console.print(table)


def _print_by_measure(console: Console, measure: str, tallies: dict[int, Tally]) -> None:
    least, most = min(tallies), max(tallies)
    width = math.ceil((most - least + 1) / _MOST_ROWS)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for title in (measure, "puzzles", "accuracy", "exact accuracy"):
        table.add_column(title, justify="right")
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
        asked = example.solution != IGNORE
        wrong = int(np.count_nonzero(asked & (example.answer != example.solution)))
        any_marked |= wrong > 0 and task.render(task.decode(example.answer)).width <= _boards.WIDE
        verdict = f"{wrong} of {np.count_nonzero(asked)} cells wrong" if wrong else "solved"
        console.print(f"\n{number}: {verdict}")
        console.print(_boards.scored(task, *example), soft_wrap=True)
    if any_marked:
        console.print(f"\n{_boards.LEGEND}", style="dim")

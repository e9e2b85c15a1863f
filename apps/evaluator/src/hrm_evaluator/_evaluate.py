"""The command ``evaluator``: score a model on a test split and report."""

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from hrm_data import Dataset, Task
from rich.console import Console
from rich.table import Table

from hrm_evaluator import _boards
from hrm_evaluator._open import Checkpoint, find_checkpoint, open_model, open_task, open_test_split
from hrm_evaluator._progress import progress
from hrm_evaluator._score import Evaluation, Example, Tally, score_dataset

if TYPE_CHECKING:
    from hrm_evaluator.cli import Evaluate

_MOST_ROWS = 8


def evaluate(settings: "Evaluate") -> int:
    """Score the model and print the report; return the exit code."""
    checkpoint = find_checkpoint(settings.checkpoint, settings.runs)
    model = open_model(checkpoint)
    dataset = open_test_split(checkpoint, model, settings.data_path)
    task = open_task(checkpoint, model, dataset.task)
    total = min(dataset.examples, settings.limit or dataset.examples)
    with progress(total) as advance:
        result = score_dataset(
            model,
            dataset,
            task,
            batch_size=settings.batch_size,
            limit=settings.limit,
            keep=settings.show,
            advance=advance,
        )
    summary = _summary(checkpoint, dataset, result, model.config.halt_max_steps)
    if settings.as_json:
        print(json.dumps({**summary, "by_clues": _clue_rows(result), "boards": _board_rows(task, result.examples)}))
        return 0
    console = Console(highlight=False)
    _print_summary(console, summary)
    if len(result.by_clues) > 1:
        _print_by_clues(console, result.by_clues)
    if task is not None:
        _print_boards(console, task, result.examples)
    elif result.examples:
        console.print("\nNo boards: neither the dataset nor the run says which task this is.")
    return 0


def _summary(checkpoint: Checkpoint, dataset: Dataset, result: Evaluation, halt_max_steps: int) -> dict[str, Any]:
    means = result.score.means()
    return {
        "checkpoint": str(checkpoint.weights),
        "data_path": str(dataset.root),
        "puzzles": result.score.count,
        "accuracy": means["accuracy"],
        "exact_accuracy": means["exact_accuracy"],
        "mean_steps": means["steps"],
        "halt_max_steps": halt_max_steps,
        "halting_accuracy": means["q_halt_accuracy"],
        "puzzles_per_second": result.puzzles_per_second,
    }


def _clue_rows(result: Evaluation) -> list[dict[str, Any]]:
    return [
        {
            "clues": clues,
            "puzzles": tally.puzzles,
            "accuracy": tally.accuracy / tally.puzzles,
            "exact_accuracy": tally.exact / tally.puzzles,
        }
        for clues, tally in sorted(result.by_clues.items())
    ]


def _board_rows(task: Task | None, examples: list[Example]) -> list[dict[str, Any]]:
    if task is None:
        return []
    return [
        {
            "puzzle": task.text(task.decode(example.puzzle)),
            "prediction": task.text(task.decode(example.answer)),
            "solution": task.text(task.decode(example.solution)),
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
        "mean steps", f"{summary['mean_steps']:.2f}", f"until the model would halt, of {summary['halt_max_steps']}"
    )
    table.add_row(
        "halting accuracy", f"{summary['halting_accuracy']:.2%}", "puzzles of which the model knows if it is right"
    )
    table.add_row("puzzles per second", f"{summary['puzzles_per_second']:.1f}", "after the first batch")
    console.print(table)


def _print_by_clues(console: Console, by_clues: dict[int, Tally]) -> None:
    least, most = min(by_clues), max(by_clues)
    width = math.ceil((most - least + 1) / _MOST_ROWS)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for title in ("clues", "puzzles", "accuracy", "exact accuracy"):
        table.add_column(title, justify="right")
    for start in range(least, most + 1, width):
        stop = min(start + width - 1, most)
        tally = sum((by_clues.get(clues, Tally()) for clues in range(start, stop + 1)), Tally())
        if tally.puzzles:
            clues = f"{start}" if start == stop else f"{start} to {stop}"
            shares = (tally.accuracy / tally.puzzles, tally.exact / tally.puzzles)
            table.add_row(clues, f"{tally.puzzles}", *(f"{share:.2%}" for share in shares))
    console.print()
    console.print(table)


def _print_boards(console: Console, task: Task, examples: list[Example]) -> None:
    any_wrong = False
    for number, example in enumerate(examples, start=1):
        puzzle, answer, solution = (task.decode(t) for t in (example.puzzle, example.answer, example.solution))
        wrong = int(np.count_nonzero((solution > 0) & (answer != solution)))
        any_wrong |= wrong > 0
        verdict = f"{wrong} of {answer.size} cells wrong" if wrong else "solved"
        console.print(f"\n{number}: {verdict}")
        console.print(_boards.scored(task, puzzle, answer, solution), soft_wrap=True)
    if any_wrong:
        console.print(f"\n{_boards.LEGEND}", style="dim")

"""The command ``evaluator solve``: answer puzzles of the user's own."""

import json
import os
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from hrm_data import Task
from rich.console import Console

from hrm_evaluator import _boards
from hrm_evaluator._ahead import Ahead
from hrm_evaluator._cells import story
from hrm_evaluator._errors import UserError
from hrm_evaluator._image import save_gif, save_png
from hrm_evaluator._open import Checkpoint, halting_rule, require_task
from hrm_evaluator._output import claim
from hrm_evaluator._read import Written, find_written, lines_of, read_board, read_file
from hrm_evaluator._several import open_models
from hrm_evaluator._solver import Solution, Solver, data_path_of

if TYPE_CHECKING:
    from hrm_evaluator.cli import Solve

Asked = tuple[Written, np.ndarray]


def solve(settings: "Solve") -> int:
    """Print the model's answers; return 0 if all are valid, else 1.

    Raises:
        UserError: If there is no puzzle at all.
    """
    for option, path in (("--png", settings.png), ("--gif", settings.gif)):
        claim(option, path, overwrite=settings.overwrite)
    opened = open_models(settings.checkpoint, settings.runs, settings.checkpoints, settings.data_path, settings.task)
    checkpoint, model = opened[0]
    solver = Solver(
        [one.model for one in opened],
        require_task(checkpoint, model, settings.data_path, settings.task),
        checkpoint.weights,
        halting_rule(settings),
        settings.max_steps,
        settings.batch_size,
        data_path_of(checkpoint, settings.data_path),
        settings.votes,
        settings.vote_by or "majority",
    )
    if len(settings.puzzle) == 1 and settings.puzzle[0] != "-" and settings.file is None:
        return _solve_one(solver, checkpoint, settings)
    return _Many(solver, checkpoint, settings).run()


def _solve_one(solver: Solver, checkpoint: Checkpoint, settings: "Solve") -> int:
    written = Written("the puzzle", settings.puzzle[0])
    try:
        board = read_board(solver.task, written)
    except UserError as error:
        raise UserError(f"the puzzle is wrong: {error} ({_trained_on(solver, checkpoint)})") from error
    solution = solver.solve(board, trace=settings.gif is not None)
    _save(settings, solution)
    if settings.as_json:
        print(json.dumps({"checkpoint": str(checkpoint.weights), **_row(solver, solution)}))
    else:
        _print(Console(highlight=False), solver, solution)
    return 0 if solution.valid else 1


class _Many:
    """Puzzles from arguments, a file or stdin: answers come in order, while more may still be on their way."""

    def __init__(self, solver: Solver, checkpoint: Checkpoint, settings: "Solve") -> None:
        self.solver = solver
        self.checkpoint = checkpoint
        self.settings = settings
        self.console = Console(highlight=False)
        self.tally: Counter[str] = Counter()

    def run(self) -> int:
        asked: deque[Written] = deque()

        def boards(burst: Iterable[Written]) -> Iterator[tuple[np.ndarray, str | None]]:
            for written, board in self._readable(burst):
                asked.append(written)
                name = written.name if written.name and self.solver.knows(written.name) else None
                yield board, name

        for burst in Ahead(_sources(self.settings, self.solver.task)).bursts():
            for solution in self.solver.solve_many(boards(burst), trace=self.settings.gif is not None):
                if not self.tally["valid"] + self.tally["not valid"]:
                    _save(self.settings, solution)
                self._show(asked.popleft(), solution)
        return self._verdict()

    def _readable(self, burst: Iterable[Written]) -> Iterator[Asked]:
        for written in burst:
            try:
                yield written, read_board(self.solver.task, written)
            except UserError as error:
                self.tally["malformed"] += 1
                print(f"evaluator: {written.source}: {error}", file=sys.stderr)

    def _show(self, written: Written, solution: Solution) -> None:
        self.tally["valid" if solution.valid else "not valid"] += 1
        if self.settings.as_json:
            print(json.dumps({"source": written.source, **_row(self.solver, solution)}))
        elif self.settings.boards or set(self.settings.puzzle) - {"-"}:
            self.console.print(f"{written.source}:", soft_wrap=True, markup=False)
            _print(self.console, self.solver, solution)
            print()
        else:
            told = f"{_verdict(solution)} after {solution.steps} steps{_votes(solution)}"
            print(f"{solution.text}  {written.source}: {told}")
        sys.stdout.flush()

    def _verdict(self) -> int:
        answered = self.tally["valid"] + self.tally["not valid"]
        if not answered:
            count = self.tally["malformed"]
            problem = f"none of {count} puzzles can be read" if count else "there is no puzzle in what was given"
            raise UserError(f"{problem} ({_trained_on(self.solver, self.checkpoint)})")
        counts = ", ".join(f"{self.tally[key]} {key}" for key in ("valid", "not valid", "malformed") if self.tally[key])
        print(f"evaluator: {answered} puzzle{'s' * (answered > 1)} answered: {counts}", file=sys.stderr)
        return 0 if set(self.tally) == {"valid"} else 1


def _save(settings: "Solve", solution: Solution) -> None:
    """Write the pictures that were asked for."""
    for path, save in ((settings.png, save_png), (settings.gif, save_gif)):
        if path is not None:
            save(path, story(solution.record, solution.task), solution.task.colours)
            print(f"evaluator: {path} written", file=sys.stderr)


def _sources(settings: "Solve", task: Task) -> Iterator[Written]:
    """Find all puzzles that are asked for: those of arguments, then those of the file, or of stdin."""
    if settings.file is not None:
        yield from read_file(settings.file, task)
    for number, text in enumerate(settings.puzzle, start=1):
        if text == "-":
            yield from _stdin(task)
        else:
            yield Written(f"puzzle {number}", text)
    if settings.file is None and not settings.puzzle:
        yield from _stdin(task)


def _stdin(task: Task) -> Iterator[Written]:
    if sys.stdin.isatty():
        print("evaluator: type puzzles, one a line; Ctrl-D ends", file=sys.stderr)
    return find_written(lines_of(partial(os.read, sys.stdin.fileno())), task, "stdin")


def _trained_on(solver: Solver, checkpoint: Checkpoint) -> str:
    return f"the model in {checkpoint.weights} was trained on {solver.task.name}"


def _row(solver: Solver, solution: Solution) -> dict[str, Any]:
    return {
        "puzzle": solver.task.text(solution.puzzle),
        "answer": solution.text,
        "valid": solution.valid,
        "faults": list(solution.faults),
        "steps": solution.steps,
        "max_steps": solver.max_steps,
        "confidence": round(solution.confidence, 6),
        **({"votes": solution.votes, "agreeing": solution.agreeing} if solution.votes > 1 else {}),
    }


def _verdict(solution: Solution) -> str:
    return "valid" if solution.valid else f"not valid, {' and '.join(solution.faults)},"


def _votes(solution: Solution) -> str:
    return f", {solution.agreeing} of {solution.votes} votes" if solution.votes > 1 else ""


def _print(console: Console, solver: Solver, solution: Solution) -> None:
    console.print(
        _boards.solved(solver.task, solver.task.encode(solution.puzzle), solution.record.tokens), soft_wrap=True
    )
    console.print(f"\n{solution.text}\n", soft_wrap=True, markup=False)
    if solution.valid:
        console.print("valid: the answer solves the puzzle", style="green")
    else:
        broken = " and ".join(solution.faults)
        console.print(f"not valid: the answer {broken} (cells marked !)", style="red")
    sure = f"{solution.confidence:.1%} sure of its answer"
    if solution.steps < solver.max_steps:
        console.print(f"the model halted after {solution.steps} of {solver.max_steps} steps, {sure}{_votes(solution)}")
    else:
        console.print(f"the model took all of its {solver.max_steps} steps, {sure}{_votes(solution)}")

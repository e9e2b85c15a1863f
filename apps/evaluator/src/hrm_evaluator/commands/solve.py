"""The command `evaluator solve`: answers puzzles of the user's own."""

import json
import os
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from hrm_data import HRMDataError, Task
from rich.console import Console

from hrm_evaluator._errors import UserError
from hrm_evaluator._load import load
from hrm_evaluator._output import check_writable
from hrm_evaluator._settings import Solve
from hrm_evaluator._solver import Solution, Solver
from hrm_evaluator.commands._halting import halting_rule
from hrm_evaluator.puzzles._background import BackgroundReader
from hrm_evaluator.puzzles._lines import decode_lines
from hrm_evaluator.puzzles._puzzle_text import PuzzleText
from hrm_evaluator.puzzles._read import read_file, read_lines
from hrm_evaluator.report import _boards
from hrm_evaluator.report._images import save_gif, save_png
from hrm_evaluator.report._trajectory import trajectory


def solve(puzzles: Sequence[str], settings: Solve) -> int:
    """Print the model's answers; return 0 if all are valid, else 1.

    Args:
        puzzles: The puzzles of the command line; `-` stands for those of stdin.
        settings: The options.

    Raises:
        UserError: If there is no puzzle at all.
    """
    for option, path in (("--png", settings.png), ("--gif", settings.gif)):
        check_writable(option, path, overwrite=settings.overwrite)
    solver = load(
        settings.checkpoint,
        runs=settings.runs,
        data_path=settings.data_path,
        task=settings.task,
        halting=halting_rule(settings),
        max_steps=settings.max_steps,
        batch_size=settings.batch_size,
        votes=settings.votes,
        checkpoints=settings.checkpoints,
        vote_by=settings.vote_by or "majority",
    )
    solver = _of_their_size(solver, puzzles, settings.file)
    if len(puzzles) == 1 and puzzles[0] != "-" and settings.file is None:
        return _solve_one(solver, puzzles[0], settings)
    return _SolveMany(solver, puzzles, settings).run()


def _of_their_size(solver: Solver, puzzles: Sequence[str], file: Path | None) -> Solver:
    """Return a solver for boards of the size that the first puzzle has, where the model can answer it."""
    words = [word for word in puzzles if word != "-"]
    if file is not None and not file.is_file():
        return solver  # a pipe can be read once only
    for task in (solver.task, *solver.task.other_sizes()):
        found = read_file(file, task) if file is not None else (PuzzleText("", word) for word in words)
        first = next(found, None)
        if first is None or first.problem:
            continue
        try:
            task.parse(first.text)
        except HRMDataError:
            continue
        if task is solver.task:
            break
        try:
            other = solver.resized(task)
        except UserError:
            break  # its own size is asked for below
        print(
            f"evaluator: {solver.path} was trained on {solver.task.name}; its weights fit boards of every size, "
            f"so it answers {task.name} without having seen any",
            file=sys.stderr,
        )
        return other
    return solver


def _solve_one(solver: Solver, puzzle: str, settings: Solve) -> int:
    try:
        board = solver.read(puzzle)
    except UserError as error:
        raise UserError(f"the puzzle is wrong: {error} ({_trained_on(solver)})") from error
    solution = solver.solve(board, trace=settings.gif is not None)
    _save_pictures(settings, solution)
    if settings.as_json:
        print(json.dumps({"checkpoint": str(solver.path), **_row(solver, solution)}))
    else:
        _print_board(Console(highlight=False), solver, solution)
    return 0 if solution.valid else 1


class _SolveMany:
    """Puzzles from arguments, a file or stdin: answers are printed in order while further puzzles may still arrive."""

    def __init__(self, solver: Solver, puzzles: Sequence[str], settings: Solve) -> None:
        self.solver = solver
        self.puzzles = puzzles
        self.settings = settings
        self.console = Console(highlight=False)
        self.tally: Counter[str] = Counter()

    def run(self) -> int:
        """Answer all puzzles and return the exit code."""
        pending: deque[PuzzleText] = deque()

        def boards(burst: Iterable[PuzzleText]) -> Iterator[tuple[np.ndarray, str | None]]:
            for puzzle, board in self._readable(burst):
                pending.append(puzzle)
                yield board, puzzle.name if puzzle.name and self.solver.knows(puzzle.name) else None

        for burst in BackgroundReader(_all_puzzles(self.puzzles, self.settings.file, self.solver.task)).bursts():
            for solution in self.solver.solve_many(boards(burst), trace=self.settings.gif is not None):
                if not self._answered:
                    _save_pictures(self.settings, solution)
                self._print(pending.popleft(), solution)
        return self._summarise()

    @property
    def _answered(self) -> int:
        return self.tally["valid"] + self.tally["not valid"]

    def _readable(self, burst: Iterable[PuzzleText]) -> Iterator[tuple[PuzzleText, np.ndarray]]:
        for puzzle in burst:
            try:
                if puzzle.problem:
                    raise UserError(puzzle.problem)
                yield puzzle, self.solver.read(puzzle.text)
            except UserError as error:
                self.tally["malformed"] += 1
                print(f"evaluator: {puzzle.source}: {error}", file=sys.stderr)

    def _print(self, puzzle: PuzzleText, solution: Solution) -> None:
        self.tally["valid" if solution.valid else "not valid"] += 1
        if self.settings.as_json:
            print(json.dumps({"source": puzzle.source, **_row(self.solver, solution)}))
        elif self.settings.boards or set(self.puzzles) - {"-"}:
            self.console.print(f"{puzzle.source}:", soft_wrap=True, markup=False)
            _print_board(self.console, self.solver, solution)
            print()
        else:
            verdict = "valid" if solution.valid else f"not valid, {' and '.join(solution.faults)},"
            steps = f"{verdict} after {solution.steps} steps{_votes(solution)}"
            print(f"{solution.text}  {puzzle.source}: {steps}")
        sys.stdout.flush()

    def _summarise(self) -> int:
        if not self._answered:
            count = self.tally["malformed"]
            problem = f"none of {count} puzzles can be read" if count else "the input has no puzzle"
            raise UserError(f"{problem} ({_trained_on(self.solver)})")
        counts = ", ".join(f"{self.tally[key]} {key}" for key in ("valid", "not valid", "malformed") if self.tally[key])
        print(f"evaluator: {self._answered} puzzle{'s' * (self._answered > 1)} answered: {counts}", file=sys.stderr)
        return 0 if set(self.tally) == {"valid"} else 1


def _save_pictures(settings: Solve, solution: Solution) -> None:
    """Write the requested pictures."""
    for path, save in ((settings.png, save_png), (settings.gif, save_gif)):
        if path is not None:
            save(path, trajectory(solution.record, solution.task), solution.task.colours)
            print(f"evaluator: {path} written", file=sys.stderr)


def _all_puzzles(words: Sequence[str], file: Path | None, task: Task) -> Iterator[PuzzleText]:
    """Find all puzzles: those of the file, then those of the arguments; those of stdin if there is neither."""
    if file is not None:
        yield from read_file(file, task)
    for number, text in enumerate(words, start=1):
        if text == "-":
            yield from _stdin(task)
        else:
            yield PuzzleText(f"puzzle {number}", text)
    if file is None and not words:
        yield from _stdin(task)


def _stdin(task: Task) -> Iterator[PuzzleText]:
    if sys.stdin.isatty():
        print("evaluator: type one puzzle on each line; Ctrl-D ends", file=sys.stderr)
    return read_lines(decode_lines(partial(os.read, sys.stdin.fileno())), task, "stdin")


def _trained_on(solver: Solver) -> str:
    return f"the model in {solver.path} was trained on {solver.task.name}"


def _row(solver: Solver, solution: Solution) -> dict[str, Any]:
    """One answer as a JSON object."""
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


def _votes(solution: Solution) -> str:
    return f", {solution.agreeing} of {solution.votes} votes" if solution.votes > 1 else ""


def _print_board(console: Console, solver: Solver, solution: Solution) -> None:
    console.print(
        _boards.solved(solver.task, solver.task.encode(solution.puzzle), solution.record.tokens), soft_wrap=True
    )
    console.print(f"\n{solution.text}\n", soft_wrap=True, markup=False)
    if solution.valid:
        console.print("valid: the answer solves the puzzle", style="green")
    else:
        faults = " and ".join(solution.faults)
        console.print(f"not valid: the answer {faults} (cells marked !)", style="red")
    sure = f"{solution.confidence:.1%} sure of its answer"
    if solution.steps < solver.max_steps:
        console.print(f"the model halted after {solution.steps} of {solver.max_steps} steps, {sure}{_votes(solution)}")
    else:
        console.print(f"the model took all of its {solver.max_steps} steps, {sure}{_votes(solution)}")

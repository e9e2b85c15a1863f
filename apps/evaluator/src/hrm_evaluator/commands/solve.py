"""The command `evaluator solve`: answers puzzles of the user's own."""

import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from inspect import unwrap
from typing import Any

import numpy as np
from hrm_data.terminal import console_for, say
from rich.console import Console

from hrm_evaluator._errors import UserError
from hrm_evaluator._load import load
from hrm_evaluator._output import check_writable, to_json
from hrm_evaluator._settings import Solve
from hrm_evaluator._solver import Named, Puzzle, Solution, Solver
from hrm_evaluator.answers._search import TIME_LIMIT, Search
from hrm_evaluator.commands._choose import choose_checkpoint
from hrm_evaluator.commands._halting import halting_rule
from hrm_evaluator.loading._model import announce_kernels
from hrm_evaluator.puzzles._background import BackgroundReader
from hrm_evaluator.puzzles._input import Input
from hrm_evaluator.puzzles._puzzle_text import PuzzleText
from hrm_evaluator.report import _boards
from hrm_evaluator.report._images import save_gif, save_png
from hrm_evaluator.report._trajectory import trajectory

_VERDICTS = ("valid", "not valid", "rule unknown")


def solve(puzzles: Sequence[str], settings: Solve) -> int:
    """Print the model's answers; return 0 if all are valid, else 1.

    Args:
        puzzles: The puzzles of the command line; `-` stands for those of stdin.
        settings: The options.

    Raises:
        UserError: If there is no puzzle at all.
    """
    if settings.time_limit is not None and not settings.until_valid:
        raise UserError(f"--time-limit {settings.time_limit:g} bounds a search; add --until-valid")
    for option, path in (("--png", settings.png), ("--gif", settings.gif)):
        check_writable(option, path, overwrite=settings.overwrite)
    given = Input(puzzles, settings.file)
    is_one = given.is_one_word and not settings.until_valid  # is answered sooner than kernels are compiled
    if not is_one:
        announce_kernels()
    solver = unwrap(load)(  # whose errors name flags
        choose_checkpoint(settings, given),
        runs=settings.runs,
        data_path=settings.data_path,
        task=settings.task,
        halting=halting_rule(settings),
        max_steps=settings.max_steps,
        batch_size=settings.batch_size,
        votes=settings.votes,
        checkpoints=settings.checkpoints,
        vote_by=settings.vote_by or ("check" if settings.until_valid else None),
        trajectories=settings.trajectories,
        noise=settings.noise,
        seed=settings.seed,
        commit=settings.commit,
        compiled=not is_one,
    )
    solver = _of_their_size(solver, given)
    if given.is_one_word:
        return _solve_one(solver, puzzles[0], settings)
    return _SolveMany(solver, given, settings).run()


def _of_their_size(solver: Solver, puzzles: Input) -> Solver:
    """Return a solver for boards of the size that the first puzzle has, where the model can answer it."""
    task = puzzles.first_of([solver.task, *solver.task.other_sizes()])
    if task is None or task is solver.task:
        return solver
    try:
        other = solver.resized(task)
    except UserError:
        return solver  # says which size it needs
    say(
        f"evaluator: {solver.path} was trained on {solver.task.name}; its weights fit boards of every size, "
        f"so it answers {task.name} without having seen any",
        file=sys.stderr,
    )
    return other


def _solve_one(solver: Solver, puzzle: str, settings: Solve) -> int:
    try:
        board = solver.read(puzzle)
    except UserError as error:
        raise UserError(f"the puzzle is wrong: {error} ({_trained_on(solver)})") from error
    solution = next(_solutions(solver, [board], settings))
    _save_pictures(settings, solution)
    if settings.as_json:
        print(to_json({"checkpoint": str(solver.path), **_row(solver, solution)}))
    else:
        _print_board(console_for(), solver, solution)
    return 0 if solution.valid else 1


def _solutions(solver: Solver, puzzles: Iterable[Puzzle | Named], settings: Solve) -> Iterator[Solution]:
    trace = settings.gif is not None
    if settings.until_valid:
        return solver.solve_until_valid(puzzles, time_limit=settings.time_limit or TIME_LIMIT, trace=trace)
    return solver.solve_many(puzzles, trace=trace)


class _SolveMany:
    """Puzzles from arguments, a file or stdin: answers are printed in order while further puzzles may still arrive."""

    def __init__(self, solver: Solver, puzzles: Input, settings: Solve) -> None:
        self.solver = solver
        self.puzzles = puzzles
        self.settings = settings
        self.console = console_for()
        self.tally: Counter[str] = Counter()

    def run(self) -> int:
        """Answer all puzzles and return the exit code."""
        pending: deque[tuple[PuzzleText, np.ndarray | None]] = deque()

        def boards(burst: Iterable[PuzzleText]) -> Iterator[tuple[np.ndarray, str | None]]:
            for puzzle, board, right in self._readable(burst):
                pending.append((puzzle, right))
                yield board, puzzle.name if puzzle.name and self.solver.knows(puzzle.name) else None

        for burst in BackgroundReader(self.puzzles.puzzles(self.solver.task)).bursts():
            for solution in _solutions(self.solver, boards(burst), self.settings):
                if not self._answered:
                    _save_pictures(self.settings, solution)
                puzzle, right = pending.popleft()
                if right is not None:
                    solution.compare(right)
                self._print(puzzle, solution)
        return self._summarise()

    @property
    def _answered(self) -> int:
        return sum(self.tally[verdict] for verdict in _VERDICTS)

    def _readable(self, burst: Iterable[PuzzleText]) -> Iterator[tuple[PuzzleText, np.ndarray, np.ndarray | None]]:
        """Yield puzzles with their boards and those of the answers that a file gives; report the others."""
        for puzzle in burst:
            try:
                if puzzle.problem:
                    raise UserError(puzzle.problem)
                board = self.solver.read(puzzle.text)
                yield puzzle, board, None if puzzle.answer is None else self.solver.read(puzzle.answer)
            except UserError as error:
                self.tally["malformed"] += 1
                say(f"evaluator: {puzzle.source}: {error}", file=sys.stderr)

    def _print(self, puzzle: PuzzleText, solution: Solution) -> None:
        self.tally[_verdict(solution)] += 1
        if self.settings.as_json:
            print(to_json({"source": puzzle.source, **_row(self.solver, solution)}))
        elif self.settings.boards or self.puzzles.arguments:
            self.console.print(f"{puzzle.source}:", soft_wrap=True)
            _print_board(self.console, self.solver, solution)
            print()
        else:
            faults = f", {' and '.join(solution.faults)}," if solution.faults else ""
            steps = f"{_verdict(solution)}{faults} after {solution.steps} steps{_votes(solution)}{_searched(solution)}"
            say(f"{solution.text}  {puzzle.source}: {steps}")
        sys.stdout.flush()

    def _summarise(self) -> int:
        if not self._answered:
            count = self.tally["malformed"]
            problem = f"none of {count} puzzles can be read" if count else "the input has no puzzle"
            raise UserError(f"{problem} ({_trained_on(self.solver)})")
        counts = ", ".join(f"{self.tally[key]} {key}" for key in (*_VERDICTS, "malformed") if self.tally[key])
        print(f"evaluator: {self._answered} puzzle{'s' * (self._answered > 1)} answered: {counts}", file=sys.stderr)
        return 0 if set(self.tally) == {"valid"} else 1


def _save_pictures(settings: Solve, solution: Solution) -> None:
    """Write the requested pictures."""
    for path, save in ((settings.png, save_png), (settings.gif, save_gif)):
        if path is not None:
            save(path, trajectory(solution.record, solution.task), solution.task.colours)
            say(f"evaluator: {path} written", file=sys.stderr)


def _trained_on(solver: Solver) -> str:
    return f"the model in {solver.path} was trained on {solver.task.name}"


def _row(solver: Solver, solution: Solution) -> dict[str, Any]:
    """One answer as a JSON object."""
    return {
        "puzzle": solver.task.text(solution.puzzle),
        "answer": solution.text,
        "valid": solution.valid,  # null where the rule is unknown
        "faults": list(solution.faults),
        "steps": solution.steps,
        "max_steps": solver.max_steps,
        "confidence": round(solution.confidence, 6),
        **({"votes": solution.votes, "agreeing": solution.agreeing} if solution.votes > 1 else {}),
        **({"search": solution.search._asdict()} if solution.search else {}),
    }


def _verdict(solution: Solution) -> str:
    return {True: "valid", False: "not valid", None: "rule unknown"}[solution.valid]


def _votes(solution: Solution) -> str:
    return f", {solution.agreeing} of {solution.votes} votes" if solution.votes > 1 else ""


def _searched(solution: Solution) -> str:
    search = solution.search
    return f", {search.answers} answers tried in {search.seconds:.1f} s" if search and search.answers > 1 else ""


def _search_report(search: Search) -> str:
    """Say what a search took."""
    if search.found == "first pass":
        return "no search: the first answer is valid"
    what = {"more steps": "a pass of more steps", "trajectories": "trajectories with noise"}
    ending = f"found by {what[search.found]}" if search.found else "none is valid; a longer --time-limit may find one"
    copies = f", {search.symmetries} symmetric copies" if search.symmetries else ""
    return f"searched for {search.seconds:.1f} s: {search.answers} answers, {search.steps} steps{copies}; {ending}"


def _print_board(console: Console, solver: Solver, solution: Solution) -> None:
    console.print(
        _boards.solved(solver.task, solver.task.encode(solution.puzzle), solution.record.tokens), soft_wrap=True
    )
    console.print(f"\n{solution.text}\n", soft_wrap=True)
    if solution.valid:
        console.print("valid: the answer solves the puzzle", style="green")
    elif solution.valid is None:
        console.print("rule unknown: nothing tells whether the answer is right", style="yellow")
    else:
        faults = " and ".join(solution.faults)
        console.print(f"not valid: the answer {faults} (cells marked !)", style="red")
    sure = f"{solution.confidence:.1%} sure of its answer"
    if solution.steps < solver.max_steps:
        console.print(f"the model halted after {solution.steps} of {solver.max_steps} steps, {sure}{_votes(solution)}")
    else:
        console.print(f"the model took all of its {solver.max_steps} steps, {sure}{_votes(solution)}")
    if solution.search:
        console.print(_search_report(solution.search))

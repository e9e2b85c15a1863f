"""A trained model as a Python object that solves puzzles."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from hrm_data import HRMDataError, NumpyBatch, Task, open_dataset
from hrm_model import HRM, ContinuousPredictor, GeometryConfig, HaltingRule, HRMModelError, Noise, resized

from hrm_evaluator._errors import UserError
from hrm_evaluator.answers._records import Record
from hrm_evaluator.answers._search import TIME_LIMIT, Search, Searcher
from hrm_evaluator.answers._vote import (
    Electorate,
    VoteBy,
    answer_by_vote,
    choose_selection,
    choose_symmetries,
    commit_rule,
)
from hrm_evaluator.puzzles._read import read_board

Puzzle = str | np.ndarray
Named = tuple[Puzzle, str | None]


class Solution:
    """A model's answer to one puzzle.

    Attributes:
        task: The kind of puzzle.
        puzzle: The puzzle's board, an array in the task's own values and shape: `[9, 9]` digits, 0 for a blank.
        answer: The answer's board.
        text: The answer in one line of text.
        valid: Whether the answer solves the puzzle; None if the task does not know the rule, as in ARC, and `compare`
            was not called.
        faults: What is wrong with the answer, such as `breaks the rules`; empty if it is valid.
        steps: ACT steps that the model took.
        confidence: The model's probability, from 0 to 1, that its answer is right.
        votes: Number of answers that voted; 1 without a vote.
        agreeing: Number of votes for this answer.
        trace: The answer's board after every step; empty unless a trace was requested.
        record: Puzzle and answer as tokens.
        search: What the search for a valid answer took; None if there was no search.
    """

    def __init__(self, task: Task, puzzle: np.ndarray, record: Record, search: Search | None = None) -> None:
        self.task = task
        self.puzzle = puzzle
        self.record = record
        self.answer = task.decode(record.tokens)
        self.text = task.text(self.answer)
        self.steps = record.answer.steps
        self.confidence = record.answer.confidence
        self.votes = max(1, len(record.votes))
        self.agreeing = sum(vote.tokens == record.answer.tokens for vote in record.votes) if record.votes else 1
        self.search = search
        accepted = task.check(puzzle, self.answer)
        self.valid = None if accepted and not task.rule_known else accepted

    def compare(self, right: np.ndarray) -> None:
        """Judge the answer by the right one, a board, where the task does not know the rule."""
        if self.valid is None:
            self.valid = np.array_equal(self.answer, right)

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with the answer."""
        if self.valid is not False:
            return ()
        return tuple(self.task.explain(self.puzzle, self.answer)) or ("differs from the right one",)

    @cached_property
    def trace(self) -> tuple[np.ndarray, ...]:
        """The answer's board after every step."""
        return tuple(self.task.decode(np.array(thought.tokens, np.int32)) for thought in self.record.answer.trace)

    def __str__(self) -> str:
        """The answer's picture in plain text."""
        return str(self.task.render(self.answer))

    def __repr__(self) -> str:
        return f"<Solution {self.text!r}, {self.verdict}, {self.steps} steps, confidence {self.confidence:.2f}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the puzzle beside the answer, and a slider over the steps of the trace."""
        from hrm_evaluator.report._notebook import solution_html  # not needed outside of notebooks

        steps = f"{self.steps} step{'s' * (self.steps > 1)}"
        votes = f", {self.agreeing} of {self.votes} votes" if self.votes > 1 else ""
        sure = f"{self.confidence:.0%} sure of it"
        return solution_html(self.record, self.task, f"{self.task.name}: {self.verdict}, after {steps}, {sure}{votes}")

    @property
    def verdict(self) -> str:
        """Whether the answer is valid, and why it is not, in words."""
        if self.valid is None:
            return "rule unknown"
        return "valid" if self.valid else f"not valid: {' and '.join(self.faults)}"


class Solver:
    """A model that solves puzzles; `load` makes one.

    Any thread may call it: calls wait for each other at every step, and answers do not depend on that. A solver can be
    copied and pickled.

    Args:
        models: The model; if there are more than one, they vote.
        task: The kind of puzzle.
        path: The weight file of the first model, for messages.
        halting: When the model stops on a puzzle.
        max_steps: The most ACT steps of a puzzle; `halt_max_steps` of the model when left out.
        batch_size: Puzzles that the model works on at once.
        data_path: Dataset directory whose `identifiers.json` names the puzzles that the model knows.
        votes: Answers to each puzzle from each model; see `load`.
        vote_by: How votes choose an answer; see `load`.
        trajectories: Answers that differ by their noise; see `load`.
        noise: Noise on the states.
        commit: Probability of the cells that are fixed; see `load`.
        compiled: Whether the model is compiled; see `load`.

    Attributes:
        task: The kind of puzzle.
        models: The models, the newest checkpoint first.
        path: The weight file of the first model.

    Raises:
        UserError: If the task has fewer symmetries than `votes` needs, or one of the settings does not fit it.
    """

    def __init__(
        self,
        models: Sequence[HRM],
        task: Task,
        path: str | Path,
        halting: HaltingRule = HaltingRule(),  # noqa: B008 (a tuple, so never changed)
        max_steps: int | None = None,
        batch_size: int = 128,
        data_path: str | Path | None = None,
        votes: int = 1,
        vote_by: VoteBy | None = None,
        trajectories: int = 1,
        noise: Noise = Noise(),  # noqa: B008
        commit: float | None = None,
        compiled: bool = True,
    ) -> None:
        self.task = task
        self.models = tuple(models)
        self.path = Path(path)
        self._halting, self._noise, self._data_path = halting, noise, data_path
        self._settings: dict[str, Any] = {
            "halting": halting,
            "max_steps": max_steps,
            "batch_size": batch_size,
            "votes": votes,
            "vote_by": vote_by,
            "trajectories": trajectories,
            "noise": noise,
            "commit": commit,
            "compiled": compiled,
        }
        self._vote_by: VoteBy = choose_selection(vote_by, task, trajectories, noise)
        self._electorate = Electorate(choose_symmetries(task, votes), trajectories, len(self.models))
        rule = commit_rule(commit, task)
        self._predictors = {
            trace: [
                ContinuousPredictor(model, batch_size, halting, max_steps, trace, noise, rule, compiled)
                for model in models
            ]
            for trace in (False, True)
        }

    @property
    def max_steps(self) -> int:
        """The most ACT steps of a puzzle."""
        return self._predictors[False][0].max_steps

    def resized(self, task: Task) -> "Solver":
        """Return a solver with the same weights for boards of another size, see `Task.other_sizes`.

        Raises:
            UserError: If the weights belong to boards of the model's own size.
        """
        board = task.geometry()
        geometry = None if board is None else GeometryConfig(**board.model_dump())
        try:
            models = [resized(model, task.seq_len, task.vocab_size, geometry) for model in self.models]
        except HRMModelError as error:
            raise UserError(f"{self.path}: {error}") from error
        return Solver(models, task, self.path, **self._settings)

    def __reduce__(self) -> tuple[Any, ...]:
        remake = partial(type(self), data_path=self._data_path, **self._settings)
        return remake, (self.models, self.task, self.path)

    def __repr__(self) -> str:
        return f"<Solver of {self.task.name}, {', '.join(f'{name} {value}' for name, value in self._facts().items())}>"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from hrm_evaluator.report._notebook import facts_html

        return facts_html(f"Solver of {self.task.name}", self._facts())

    def _facts(self) -> dict[str, object]:
        """Return what a user wants to know of it."""
        counts = {"models": len(self.models), "votes": self._electorate.votes}
        shown = {name: count for name, count in counts.items() if count > 1}
        return {"weights": self.path, "most steps": self.max_steps, **shown}

    def read(self, text: str) -> np.ndarray:
        """Parse the board of a puzzle from text, such as `53..7....6..195...` for a Sudoku.

        Raises:
            UserError: If the text is not a puzzle of this task, or the puzzle contradicts itself.
        """
        board: np.ndarray = read_board(self.task, text)
        return board

    def solve(self, puzzle: Puzzle, identifier: str | None = None, *, trace: bool = False) -> Solution:
        """Solve one puzzle.

        Args:
            puzzle: Text, or a board of the task: an integer array such as `[9, 9]` with 0 for a blank.
            identifier: Name of a puzzle that has its own embedding, such as an ARC task; see `identifiers.json` of the
                dataset.
            trace: Whether the solution holds the board after every step.

        Raises:
            UserError: If it is not a puzzle of this task, or the model has no such identifier.
            HRMOpsError: If this process was forked after MLX had been used.
        """
        return next(self._solutions([(puzzle, identifier)], trace, "the puzzle"))

    def solve_many(self, puzzles: Iterable[Puzzle | Named], *, trace: bool = False) -> Iterator[Solution]:
        """Solve puzzles in order, in bounded memory.

        A puzzle is drawn when the model has a free slot. A solution is yielded as soon as those before it are. Several
        threads may each have an iterator of their own; one iterator belongs to one thread at a time.

        Args:
            puzzles: Texts or boards as for `solve`, or pairs of one and an identifier.
            trace: Whether solutions hold the board after every step.

        Raises:
            UserError: If a puzzle is wrong; the message has its number. Solutions of earlier puzzles that were not
                yielded yet are lost: call `read` on each puzzle first where that matters.
            HRMOpsError: If this process was forked after MLX had been used.
        """
        return self._solutions(puzzles, trace, "puzzle {}")

    def _solutions(self, puzzles: Iterable[Puzzle | Named], trace: bool, title: str) -> Iterator[Solution]:
        """Solve puzzles; errors name a puzzle by a title that its number is written into."""
        boards: deque[np.ndarray] = deque()

        def batches() -> Iterator[NumpyBatch]:
            for number, item in enumerate(puzzles, start=1):
                puzzle, identifier = item if isinstance(item, tuple) and len(item) == 2 else (item, None)
                try:
                    board, tokens = self._read(puzzle)
                    row = self._row(identifier)
                except (UserError, HRMDataError) as error:
                    raise UserError(f"{title.format(number)} is wrong: {error}") from None
                boards.append(board)
                yield {"inputs": tokens[None], "puzzle_identifiers": np.array([row], np.int32)}

        records = answer_by_vote(self._predictors[trace], batches(), self._electorate, self._vote_by, self.task)
        for record in records:
            yield Solution(self.task, boards.popleft(), record)

    def solve_until_valid(
        self, puzzles: Iterable[Puzzle | Named], *, time_limit: float = TIME_LIMIT, trace: bool = False
    ) -> Iterator[Solution]:
        """Solve puzzles in order, and search on where an answer is not valid.

        A search spends the cheapest first: four times the steps, then trajectories with noise, each on another
        symmetric copy, until an answer is valid. What a search took is in `Solution.search`.

        Args:
            puzzles: As for `solve_many`.
            time_limit: Seconds of the search for each puzzle; its last step may exceed it.
            trace: Whether solutions of the first pass hold the board after every step.

        Raises:
            UserError: If a puzzle is wrong, or the task does not know the rule.
        """
        if not self.task.rule_known:
            raise UserError(f"{self.task.name} has no known rule, so no answer can be checked; solve without searching")
        for solution in self.solve_many(puzzles, trace=trace):
            record = solution.record
            if solution.valid:
                solution.search = Search("first pass", 1, solution.steps)
                yield solution
                continue
            row = np.array([record.puzzle_identifier], np.int32)
            batch = {"inputs": record.inputs[None], "puzzle_identifiers": row}
            answer, search = self._searcher(batch, record.answer, time_limit)
            votes = record.votes if search.found is None else ()
            yield Solution(self.task, solution.puzzle, record._replace(answer=answer, votes=votes), search)

    @cached_property
    def _searcher(self) -> Searcher:
        return Searcher(self.models[0], self.task, self._halting, self.max_steps, self._noise)

    def _read(self, puzzle: object) -> tuple[np.ndarray, np.ndarray]:
        """Return the board of a puzzle and its tokens."""
        if not isinstance(puzzle, str | np.ndarray):
            raise UserError(f"it is of type {type(puzzle).__name__}, but must be text or a board, a NumPy array")
        board = self.read(puzzle) if isinstance(puzzle, str) else puzzle
        return board, self.task.encode(board)

    def knows(self, identifier: str) -> bool:
        """Whether the model has an embedding for a puzzle of this name."""
        return identifier in self._identifiers

    def _row(self, identifier: str | None) -> int:
        if identifier is None:
            return 0  # the blank identifier
        if not self.knows(identifier):
            raise UserError(f"{self.path} knows no puzzle {identifier!r}; leave the identifier out")
        return self._identifiers[identifier]

    @cached_property
    def _identifiers(self) -> dict[str, int]:
        config = self.models[0].config
        if self._data_path is None or not config.puzzle_emb_ndim:
            return {}
        try:
            names = open_dataset(self._data_path, "test").identifiers
        except HRMDataError:
            return {}  # the dataset may be gone; puzzles without identifiers are solved without it
        if len(names) != config.num_puzzle_identifiers:
            return {}
        return {name: row for row, name in enumerate(names)}

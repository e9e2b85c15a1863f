"""A trained model as a Python object that solves puzzles."""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from hrm_data import HRMDataError, NumpyBatch, Task, open_dataset
from hrm_model import HRM, ContinuousPredictor, HaltingRule, HRMModelError
from hrm_train import HRMTrainError

from hrm_evaluator._answers import Record
from hrm_evaluator._errors import UserError
from hrm_evaluator._open import Checkpoint, require_task
from hrm_evaluator._several import open_models
from hrm_evaluator._vote import VoteBy, answer_by_vote, choose_symmetries

Puzzle = str | np.ndarray
Named = tuple[Puzzle, str | None]


class Solution:
    """What a model answers to one puzzle.

    Attributes:
        task: What kind of puzzle it is.
        puzzle: The puzzle's board, an array in the task's own values and shape: ``[9, 9]`` digits, 0 for a blank.
        answer: The answer's board.
        text: The answer in one line of text.
        valid: Whether the answer solves the puzzle, as far as the two boards tell.
        faults: What the answer does wrong, such as ``breaks the rules``; empty if it is valid.
        steps: ACT steps that the model took.
        confidence: Probability, from 0 to 1, that the model gives its answer of being right.
        votes: How many answers there were to choose from; 1 without a vote.
        agreeing: How many of them are this one.
        trace: The answer's board after every step; empty unless a trace was asked for.
        record: The same as tokens.
    """

    def __init__(self, task: Task, puzzle: np.ndarray, record: Record) -> None:
        self.task = task
        self.puzzle = puzzle
        self.record = record
        self.answer = task.decode(record.tokens)
        self.text = task.text(self.answer)
        self.steps = record.answer.steps
        self.confidence = (1 + math.tanh(record.answer.q_halt / 2)) / 2
        self.votes = max(1, len(record.votes))
        self.agreeing = sum(vote.tokens == record.answer.tokens for vote in record.votes) if record.votes else 1
        self.valid = task.check(puzzle, self.answer)

    @cached_property
    def faults(self) -> tuple[str, ...]:
        """What the answer does wrong."""
        return () if self.valid else tuple(self.task.explain(self.puzzle, self.answer))

    @cached_property
    def trace(self) -> tuple[np.ndarray, ...]:
        """The answer's board after every step."""
        return tuple(self.task.decode(np.array(thought.tokens, np.int32)) for thought in self.record.answer.trace)

    def __str__(self) -> str:
        """The answer's picture in plain text."""
        return str(self.task.render(self.answer))

    def __repr__(self) -> str:
        verdict = "valid" if self.valid else f"not valid: {' and '.join(self.faults)}"
        return f"<Solution {self.text!r}, {verdict}, {self.steps} steps, confidence {self.confidence:.2f}>"


class Solver:
    """A model that solves puzzles; made by :func:`load`.

    Attributes:
        task: The kind of puzzle that it was trained on.
        models: The model itself; several, the newest first, where checkpoints of a run vote.
        path: The file of weights that the first one was read from.
    """

    def __init__(
        self,
        models: Sequence[HRM],
        task: Task,
        path: Path,
        halting: HaltingRule = HaltingRule(),  # noqa: B008 (a tuple, so never changed)
        max_steps: int | None = None,
        batch_size: int = 128,
        data_path: Path | None = None,
        votes: int = 1,
        vote_by: VoteBy = "majority",
    ) -> None:
        self.task = task
        self.models = tuple(models)
        self.path = path
        self._data_path = data_path
        self._vote_by: VoteBy = vote_by
        self._symmetries = choose_symmetries(task, votes)
        self._predictors = {
            trace: [ContinuousPredictor(model, batch_size, halting, max_steps, trace) for model in models]
            for trace in (False, True)
        }

    @property
    def max_steps(self) -> int:
        """ACT steps that the model takes at most."""
        return self._predictors[False][0].max_steps

    def read(self, text: str) -> np.ndarray:
        """Return the board of a puzzle as text, such as ``53..7....6..195...`` for a Sudoku.

        Raises:
            UserError: If it is no puzzle of this task, or one that cannot be solved for a reason that can be named.
        """
        try:
            board = self.task.parse(text)
            self.task.check_puzzle(board)
        except HRMDataError as error:
            raise UserError(str(error)) from error
        return board

    def solve(self, puzzle: Puzzle, identifier: str | None = None, *, trace: bool = False) -> Solution:
        """Solve one puzzle.

        Args:
            puzzle: As text, or as a board of the task: an integer array such as ``[9, 9]`` with 0 for a blank.
            identifier: Name of a puzzle that the model learnt to know apart, as in the dataset's
                ``identifiers.json``: an ARC task, for example.
            trace: Whether the solution holds the board after every step.

        Raises:
            UserError: If it is no puzzle of this task, or there is no such identifier.
        """
        return next(self.solve_many([(puzzle, identifier)], trace=trace))

    def solve_many(self, puzzles: Iterable[Puzzle | Named], *, trace: bool = False) -> Iterator[Solution]:
        """Solve puzzles in order, in bounded memory.

        Puzzles are drawn when the model has room for them, and solutions come as soon as those before them have.

        Args:
            puzzles: Texts or boards as for :meth:`solve`, or pairs of one and an identifier.
            trace: Whether solutions hold the board after every step.

        Raises:
            UserError: When it comes to a puzzle that is none; its number is named. Solutions of those before it
                that were not given out yet are lost: where that matters, let :meth:`read` look at puzzles first.
        """
        boards: deque[np.ndarray] = deque()

        def batches() -> Iterator[NumpyBatch]:
            for number, item in enumerate(puzzles, start=1):
                puzzle, identifier = item if isinstance(item, tuple) else (item, None)
                try:
                    board = self.read(puzzle) if isinstance(puzzle, str) else puzzle
                    tokens = self.task.encode(board)
                    row = self._row(identifier)
                except (UserError, HRMDataError) as error:
                    raise UserError(f"puzzle {number} is wrong: {error}") from error
                boards.append(board)
                yield {"inputs": tokens[None], "puzzle_identifiers": np.array([row], np.int32)}

        for record in answer_by_vote(self._predictors[trace], batches(), self._symmetries, self._vote_by):
            yield Solution(self.task, boards.popleft(), record)

    def knows(self, identifier: str) -> bool:
        """Whether the model learnt to know a puzzle of this name apart from others."""
        return identifier in self._identifiers

    def _row(self, identifier: str | None) -> int:
        if identifier is None:
            return 0  # the blank identifier
        if not self.knows(identifier):
            raise UserError(f"{self.path} knows no puzzle {identifier!r} apart from others; leave the identifier out")
        return self._identifiers[identifier]

    @cached_property
    def _identifiers(self) -> dict[str, int]:
        config = self.models[0].config
        if self._data_path is None or not config.puzzle_emb_ndim:
            return {}
        try:
            names = open_dataset(self._data_path, "test").identifiers
        except HRMDataError:
            return {}  # the dataset may be gone; puzzles that need no name are solved without it
        if len(names) != config.num_puzzle_identifiers:
            return {}
        return {name: row for row, name in enumerate(names)}


def load(
    checkpoint: str | Path | None = None,
    *,
    runs: str | Path = "runs",
    data_path: str | Path | None = None,
    task: str | None = None,
    halting: HaltingRule = HaltingRule(),  # noqa: B008 (a tuple, so never changed)
    max_steps: int | None = None,
    batch_size: int = 128,
    votes: int = 1,
    checkpoints: int = 1,
    vote_by: VoteBy = "majority",
) -> Solver:
    """Read a trained model.

    Args:
        checkpoint: A run directory (its newest checkpoint), a directory with one checkpoint, a ``.safetensors`` file,
            a checkpoint of the reference implementation, or the id of one on the Hugging Face hub, such as
            ``sapientinc/HRM-checkpoint-sudoku-extreme``; the newest run when left out.
        runs: Where the newest run is looked for.
        data_path: A dataset directory that says what the puzzles are, where the run does not.
        task: Name of the kind of puzzle, such as ``sudoku``, in its usual size, where neither says it.
        halting: When the model stops thinking about a puzzle: when it holds halting to be worth more than going on.
            ``HaltingRule("max")`` always takes all steps, as the reference does.
        max_steps: ACT steps at most; as many as in training when left out.
        batch_size: Puzzles that are thought about at once.
        votes: Answers to each puzzle: one to itself, the others to symmetric copies of it, turned back.
        checkpoints: How many of the run's newest checkpoints answer each of these.
        vote_by: Which answer wins, the one given most often or the one that the models are surest of.

    Raises:
        UserError: If there is no such checkpoint, it is damaged, or it is for other puzzles; both sides are named. Or
            if the puzzle has fewer symmetries or the run fewer checkpoints.
    """
    data_path = None if data_path is None else Path(data_path)
    try:
        opened = open_models(None if checkpoint is None else Path(checkpoint), Path(runs), checkpoints, data_path, task)
        found, model = opened[0]
        return Solver(
            [one.model for one in opened],
            require_task(found, model, data_path, task),
            found.weights,
            halting,
            max_steps,
            batch_size,
            data_path_of(found, data_path),
            votes,
            vote_by,
        )
    except (HRMDataError, HRMModelError, HRMTrainError) as error:
        raise UserError(str(error)) from error


def data_path_of(checkpoint: Checkpoint, given: Path | None) -> Path | None:
    """Return the dataset that was given or else the run's, where there is one."""
    trained_on = checkpoint.setting("data_path", str)
    return given or (Path(trained_on) if trained_on else None)

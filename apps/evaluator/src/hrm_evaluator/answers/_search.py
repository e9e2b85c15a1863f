"""Searching until an answer is valid: more steps first, then noisy trajectories of symmetric copies without end."""

import time
from collections.abc import Callable, Iterator
from itertools import count, cycle
from typing import NamedTuple

import numpy as np
from hrm_data import NumpyBatch, Symmetry, Task, kept_cells
from hrm_model import HRM, Answer, ContinuousPredictor, HaltingRule, Noise

from hrm_evaluator.answers._records import with_tokens
from hrm_evaluator.answers._vote import checker, draw_symmetries, undo

SIGMA = 0.2  # where the user gives no noise
TIME_LIMIT = 10.0  # seconds
_DEEPER = 4  # times the steps of a pass
_DEEPER_TIME = 0.1  # share of the time limit
_SLOTS = 16
_SYMMETRIES = 1000


class Search(NamedTuple):
    """What a search took.

    Attributes:
        found: What found the valid answer: `first pass`, `more steps`, `trajectories`; None if nothing did.
        answers: Number of answers tried, that of the first pass included.
        steps: ACT steps of these answers.
        symmetries: Number of symmetric copies among the puzzles answered.
        seconds: Duration of the search after the first pass.
    """

    found: str | None
    answers: int = 1
    steps: int = 0
    symmetries: int = 0
    seconds: float = 0.0


class Searcher:
    """Searches for valid answers, one puzzle after the other.

    Args:
        model: The model.
        task: Checks answers and has the symmetries.
        halting: When a trajectory stops.
        max_steps: The most steps of a trajectory.
        noise: Noise of the trajectories; that of `SIGMA` if it has none.
    """

    def __init__(self, model: HRM, task: Task, halting: HaltingRule, max_steps: int, noise: Noise) -> None:
        self._task = task
        self._deep = ContinuousPredictor(model, 1, halting, min(_DEEPER * max_steps, np.iinfo(np.int32).max))
        noise = noise if noise.sigma else noise._replace(sigma=SIGMA)
        self._noisy = ContinuousPredictor(model, _SLOTS, halting, max_steps, noise=noise)
        self._symmetries = draw_symmetries(task, _SYMMETRIES)

    def __call__(self, batch: NumpyBatch, first: Answer, time_limit: float) -> tuple[Answer, Search]:
        """Search for a valid answer to a puzzle whose first answer is not.

        Args:
            batch: The puzzle, a batch of one.
            first: The first answer.
            time_limit: Seconds after which the search ends.

        Returns:
            A valid answer, or the first answer if none is found; and what the search took.
        """
        start = time.monotonic()
        puzzle = batch["inputs"][0]
        accepts, kept = checker(self._task, puzzle), kept_cells(self._task, puzzle)
        tried, steps, most = 1, first.steps, 0
        result, found = first, None
        for kind, number, answer in self._answers(batch, start, time_limit):
            answer = with_tokens(answer, lambda tokens: np.where(kept, puzzle, tokens))
            tried, steps, most = tried + 1, steps + answer.steps, max(most, number)
            if accepts(answer):
                result, found = answer, kind
                break
        copies = min(most, len(self._symmetries))
        return result, Search(found, tried, steps, copies, time.monotonic() - start)

    def _answers(self, batch: NumpyBatch, start: float, time_limit: float) -> Iterator[tuple[str, int, Answer]]:
        """Yield what is tried, the number of the trajectory, and the answer, until it is time to stop."""

        def after(share: float) -> Callable[[], bool]:
            return lambda: time.monotonic() - start >= share * time_limit

        for answer in self._deep([batch], after(_DEEPER_TIME)):
            yield "more steps", 0, answer
        kinds: dict[int, Symmetry | None] = {}

        def endless() -> Iterator[NumpyBatch]:
            for number, change in zip(count(), cycle([None, *self._symmetries]), strict=False):
                kinds[number] = change
                copy = batch["inputs"] if change is None else change.apply(batch["inputs"])
                yield {**batch, "inputs": copy, "trajectories": np.array([number], np.int32)}

        for number, answer in self._noisy.as_they_halt(endless(), after(1.0)):
            change = kinds.pop(number)
            yield "trajectories", number, answer if change is None else undo(change, answer)

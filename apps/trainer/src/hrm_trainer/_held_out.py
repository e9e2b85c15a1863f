"""Scores a model on held-out puzzles during training, by the rule of the command `evaluator`."""

import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import astuple
from functools import reduce
from operator import add
from typing import NamedTuple

import numpy as np
from hrm_data import NumpyBatch, Task, TestLoader
from hrm_model import HRM, ContinuousPredictor, Score, score_answer
from hrm_train import Ranks

from hrm_trainer._data import Data

SLOTS = 256
"""Puzzles that are answered at once, as many as the evaluator's default: other numbers round differently."""


class Example(NamedTuple):
    """A puzzle with answer and solution, all tokens `[L]`; the solution is -100 at ignored cells."""

    task: Task
    puzzle: np.ndarray
    answer: np.ndarray
    solution: np.ndarray


class HeldOut:
    """The held-out puzzles of a run: halting, steps and order are those of `evaluator` without options.

    Args:
        model: The model that answers.
        data: Their test split.
        limit: Most puzzles, evenly spread; None for all.
        ranks: The processes that share the puzzles.
    """

    def __init__(self, model: HRM, data: Data, limit: int | None, ranks: Ranks) -> None:
        self._task, self._ranks = data.task, ranks
        slots = -(-SLOTS // ranks.size)
        self._predictor = ContinuousPredictor(model, slots)
        self._loader = TestLoader(data.test, slots * ranks.size, rank=ranks.rank, world_size=ranks.size, limit=limit)
        self._first = ranks.rank * slots  # of this rank's rows in a batch of all ranks

    def score(self) -> tuple[Mapping[str, float], Example | None]:
        """Answer the puzzles; return the means of all ranks' scores, and this rank's first puzzle if it has a task."""
        waiting: deque[tuple[np.ndarray, np.ndarray]] = deque()

        def puzzles() -> Iterator[NumpyBatch]:
            for _, batch, real in self._loader.by_set():
                own = {name: rows[: max(0, real - self._first)] for name, rows in batch.items()}  # without padding
                waiting.extend(zip(own["inputs"], own["labels"], strict=True))
                yield own

        total, example = Score(), None
        for answer in self._predictor(puzzles()):
            inputs, labels = waiting.popleft()
            if self._task and example is None:
                example = Example(self._task, inputs, np.array(answer.tokens), labels)
            total += score_answer(answer, labels.tolist())
        texts = self._ranks.texts(json.dumps(astuple(total)))
        return reduce(add, (Score(*json.loads(text)) for text in texts)).means(), example

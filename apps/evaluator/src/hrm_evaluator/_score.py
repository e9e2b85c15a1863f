"""Runs a model over a dataset and adds up how well it does."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import numpy as np
from hrm_data import IGNORE, Batch, Dataset, Task, TestLoader
from hrm_model import HRM, Prediction, Predictor, Score, score
from hrm_train import as_arrays

_LANES = 8  # a batch size that this divides can be spread over the cores


class Example(NamedTuple):
    """One puzzle, what the model answered, and what is right: tokens ``[L]``; -100 where nothing is asked."""

    puzzle: np.ndarray
    answer: np.ndarray
    solution: np.ndarray


@dataclass
class Tally:
    """Sums over puzzles."""

    puzzles: int = 0
    accuracy: float = 0.0
    exact: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.puzzles + other.puzzles, self.accuracy + other.accuracy, self.exact + other.exact)


@dataclass
class Evaluation:
    """How a model does on a dataset.

    Attributes:
        score: Sums over all puzzles.
        measure: What the task counts puzzles by, such as ``clues``; None where it does not.
        by_measure: Sums over the puzzles of one such number.
        examples: The first few puzzles.
        puzzles_per_second: Without the first batch, which waits for the compiler.
    """

    score: Score = field(default_factory=Score)
    measure: str | None = None
    by_measure: dict[int, Tally] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    puzzles_per_second: float = 0.0


def score_dataset(
    model: HRM,
    dataset: Dataset,
    task: Task | None,
    *,
    batch_size: int,
    limit: int | None = None,
    keep: int = 0,
    advance: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Answer the first ``limit`` puzzles of a dataset and score the answers.

    Args:
        model: The model.
        dataset: What it is scored on.
        task: Says what puzzles are counted by.
        batch_size: Most puzzles that are answered at once.
        limit: How many puzzles; None for all.
        keep: How many of them the result lists as examples.
        advance: Told how many puzzles were answered since the last call.
    """
    predictor = Predictor(model)
    total = min(dataset.examples, limit or dataset.examples)
    result = Evaluation()
    timed, seconds = 0, 0.0
    for batch, count in _batches(dataset, batch_size, total):
        prediction, elapsed = _answer(predictor, batch)
        if count == total:
            prediction, elapsed = _answer(predictor, batch)  # no other batch could be timed
        if count == total or result.score.count:
            timed, seconds = timed + count, seconds + elapsed
        result.score += score(prediction, as_arrays(batch))
        _look_closer(result, task, batch, np.array(prediction.tokens), count, keep)
        advance(count)
    result.puzzles_per_second = timed / seconds if seconds else 0.0
    return result


def _batches(dataset: Dataset, batch_size: int, total: int) -> Iterator[tuple[Batch, int]]:
    """Yield batches of one shape with as little padding as can be, and how many puzzles of each count."""
    even = math.ceil(total / math.ceil(total / batch_size))
    batch_size = min(batch_size, math.ceil(even / _LANES) * _LANES)
    left = total
    for _, batch, real in TestLoader(dataset, batch_size).by_set():
        count = min(real, left)
        batch["labels"][count:] = IGNORE
        yield batch, count
        left -= count
        if not left:
            return


def _answer(predictor: Predictor, batch: Batch) -> tuple[Prediction, float]:
    start = time.perf_counter()
    prediction = predictor(as_arrays(batch))
    return prediction, time.perf_counter() - start


def _look_closer(
    result: Evaluation, task: Task | None, batch: Batch, answers: np.ndarray, count: int, keep: int
) -> None:
    """Add what is known puzzle by puzzle: accuracy by the task's measure, and examples."""
    inputs, labels = batch["inputs"][:count], batch["labels"][:count]
    asked = labels != IGNORE
    right = (asked & (answers[:count] == labels)).sum(axis=-1)
    of = asked.sum(axis=-1)
    if task is not None:
        for puzzle, r, o in zip(inputs[of > 0], right[of > 0].tolist(), of[of > 0].tolist(), strict=True):
            measured = task.measure(task.decode(puzzle))
            if measured is None:
                break
            result.measure, value = measured
            result.by_measure[value] = result.by_measure.get(value, Tally()) + Tally(1, r / o, int(r == o))
    for example in islice(zip(inputs, answers, labels, strict=False), max(0, keep - len(result.examples))):
        result.examples.append(Example(*example))

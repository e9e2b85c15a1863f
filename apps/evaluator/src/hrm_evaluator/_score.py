"""Runs a model over a dataset and adds up how well it does."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import numpy as np
from hrm_data import IGNORE, Dataset, Task
from hrm_model import ContinuousPredictor, Score

from hrm_evaluator._answers import Record, answer_dataset


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

    def __iadd__(self, other: "Tally") -> Self:
        self.puzzles += other.puzzles
        self.accuracy += other.accuracy
        self.exact += other.exact
        return self

    def means(self) -> dict[str, float]:
        """Shares of the puzzles; all 0 when there were none."""
        of = max(1, self.puzzles)
        return {"accuracy": self.accuracy / of, "exact_accuracy": self.exact / of}


@dataclass
class Evaluation:
    """How a model does on a dataset; a puzzle without any label counts nowhere.

    Attributes:
        score: Sums over all puzzles.
        by_step: Sums for the answers that there were after the first step, the second, ... A puzzle that has halted
            keeps its answer, so that entry ``k - 1`` is the score with at most ``k`` steps.
        halted: How many puzzles halted after each number of steps.
        measure: What the task counts puzzles by, such as ``clues``; None where it does not.
        by_measure: Sums over the puzzles of one such number.
        examples: The first few puzzles.
        puzzles_per_second: Without the compiler's time.
    """

    score: Score = field(default_factory=Score)
    by_step: list[Tally] = field(default_factory=list)
    halted: Counter[int] = field(default_factory=Counter)
    measure: str | None = None
    by_measure: dict[int, Tally] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    puzzles_per_second: float = 0.0


def score_dataset(
    predictor: ContinuousPredictor,
    dataset: Dataset,
    task: Task | None,
    *,
    limit: int | None = None,
    keep: int = 0,
    advance: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Answer the first ``limit`` puzzles of a dataset and score the answers.

    Args:
        predictor: Answers; it has to trace.
        dataset: What it is scored on.
        task: Says what puzzles are counted by.
        limit: How many puzzles; None for all.
        keep: How many of them the result lists as examples.
        advance: Told how many puzzles were answered since the last call.
    """
    total = min(dataset.examples, limit or dataset.examples)
    predictor.prepare(total)
    start = time.perf_counter()
    result = score_records(answer_dataset(predictor, dataset, total), task, predictor.max_steps, keep, advance)
    result.puzzles_per_second = total / (time.perf_counter() - start)
    return result


def score_records(
    records: Iterable[Record],
    task: Task | None,
    max_steps: int,
    keep: int = 0,
    advance: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Score answers with a trace, of at most ``max_steps`` steps."""
    result = Evaluation(by_step=[Tally() for _ in range(max_steps)])
    for record in records:
        advance(1)
        if record.labels is None:
            continue
        if len(result.examples) < keep:
            result.examples.append(Example(record.inputs, record.tokens, record.labels))
        asked = record.labels != IGNORE
        if asked.any():
            _count(result, record, record.labels, asked, task)
    return result


def _count(result: Evaluation, record: Record, labels: np.ndarray, asked: np.ndarray, task: Task | None) -> None:
    answer = record.answer
    thoughts = np.array([thought.tokens for thought in answer.trace])  # [steps, L]
    right = (thoughts == labels)[:, asked]
    accuracy, exact = right.mean(axis=1), right.all(axis=1)
    for k, tally in enumerate(result.by_step):
        at = min(k, answer.steps - 1)
        tally += Tally(1, float(accuracy[at]), int(exact[at]))
    is_right = bool(exact[-1])
    result.score += Score(1, float(accuracy[-1]), is_right, (answer.q_halt >= 0) == is_right, answer.steps)
    result.halted[answer.steps] += 1
    measured = None if task is None else task.measure(task.decode(record.inputs))
    if measured is not None:
        result.measure, value = measured
        tally = result.by_measure.setdefault(value, Tally())
        tally += Tally(1, float(accuracy[-1]), int(is_right))

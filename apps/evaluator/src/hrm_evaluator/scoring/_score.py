"""Scores of answers: accuracy overall, by ACT step, by votes, and by the number that a task measures puzzles by."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

import numpy as np
from hrm_data import IGNORE, Task
from hrm_model import Answer, Score

from hrm_evaluator.answers._records import Record
from hrm_evaluator.answers._vote import Electorate, VoteBy, checker, winner


class Example(NamedTuple):
    """A puzzle, the model's answer and the solution: tokens `[L]`, -100 where nothing is asked for."""

    puzzle: np.ndarray
    answer: np.ndarray
    solution: np.ndarray


@dataclass
class Tally:
    """Sums over puzzles; `steps` are the ACT steps of all answers that were needed."""

    puzzles: int = 0
    accuracy: float = 0.0
    exact: int = 0
    steps: int = 0

    def __iadd__(self, other: "Tally") -> Self:
        self.puzzles += other.puzzles
        self.accuracy += other.accuracy
        self.exact += other.exact
        self.steps += other.steps
        return self

    def means(self) -> dict[str, float]:
        """Shares of the puzzles; all 0 without puzzles."""
        of = max(1, self.puzzles)
        return {"accuracy": self.accuracy / of, "exact_accuracy": self.exact / of}


@dataclass
class Evaluation:
    """The scores of a model on a dataset; puzzles without labels are left out.

    Attributes:
        score: Means over all puzzles.
        by_step: Sums for the answers after step 1, 2, ... A puzzle that has halted keeps its answer, so that entry
            `k - 1` is the score with at most `k` steps.
        halted: Number of puzzles that halted after each step.
        by_votes: Sums for the answers chosen by the first 1, 2, 5, ... votes; empty without a vote.
        by_kind: The same for the votes that differ in one thing only, such as `trajectories`.
        steps: ACT steps of all answers.
        valid: Number of answers that the task accepts.
        equivalent: Number of valid answers that differ from the dataset's solution.
        faults: Number of answers with each fault.
        measure: Name of the number that the task measures puzzles by, such as `clues`; None if it has none.
        by_measure: Sums over the puzzles with the same number.
        examples: The first puzzles that have a solution.
        records: The first puzzles, with the answer after every step.
    """

    score: Score = field(default_factory=Score)
    by_step: list[Tally] = field(default_factory=list)
    halted: Counter[int] = field(default_factory=Counter)
    by_votes: dict[int, Tally] = field(default_factory=dict)
    by_kind: dict[str, dict[int, Tally]] = field(default_factory=dict)
    steps: int = 0
    valid: int = 0
    equivalent: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    measure: str | None = None
    by_measure: dict[int, Tally] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)


def score_records(
    records: Iterable[Record],
    task: Task | None,
    max_steps: int,
    *,
    keep: int = 0,
    vote_by: VoteBy = "majority",
    electorate: Electorate = Electorate(),  # noqa: B008 (a tuple, so never changed)
    advance: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Score answers.

    Args:
        records: Answers with a trace; records without labels are not scored.
        task: Checks answers and measures puzzles; None if it is unknown.
        max_steps: The most steps of a puzzle, unless cells are fixed on the way.
        keep: Number of first puzzles that the result keeps.
        vote_by: The rule by which votes choose an answer.
        electorate: Which answers vote.
        advance: Called with the number of puzzles answered since the last call.
    """
    result = Evaluation(by_step=[Tally() for _ in range(max_steps)])
    for record in records:
        advance(1)
        result.steps += sum(vote.steps for vote in record.votes or (record.answer,))
        if len(result.records) < keep:
            result.records.append(record)
        if record.labels is None:
            continue
        if len(result.examples) < keep:
            result.examples.append(Example(record.inputs, record.tokens, record.labels))
        asked = record.labels != IGNORE
        if asked.any():
            is_right = _count(result, record, record.labels, asked)
            if record.votes:
                _count_votes(result, record, record.labels, asked, vote_by, electorate, task)
            if task is not None:
                _count_by_task(result, record, is_right, task)
    return result


def vote_counts(votes: int) -> list[int]:
    """Numbers of votes to report: 1, 2, 5, 10, 20, 50, ... and the number of all votes."""
    steps = (digit * 10**power for power in range(len(str(votes))) for digit in (1, 2, 5))
    return [*(count for count in steps if count < votes), votes]


def _count(result: Evaluation, record: Record, labels: np.ndarray, asked: np.ndarray) -> bool:
    """Add a puzzle to the sums and return whether it is solved."""
    answer = record.answer
    thoughts = np.array([thought.tokens for thought in answer.trace])  # [steps, L]
    right = (thoughts == labels)[:, asked]
    accuracy, exact = right.mean(axis=1), right.all(axis=1)
    while len(result.by_step) < answer.steps:  # puzzles before this one have kept their answers
        result.by_step.append(replace(result.by_step[-1]) if result.by_step else Tally())
    for k, tally in enumerate(result.by_step):
        at = min(k, answer.steps - 1)
        tally += Tally(1, float(accuracy[at]), int(exact[at]), at + 1)
    is_right = bool(exact[-1])
    result.score += Score(1, (float(accuracy[-1]), is_right, (answer.q_halt >= 0) == is_right, answer.steps))
    result.halted[answer.steps] += 1
    return is_right


def _count_votes(
    result: Evaluation,
    record: Record,
    labels: np.ndarray,
    asked: np.ndarray,
    by: VoteBy,
    electorate: Electorate,
    task: Task | None,
) -> None:
    accepts = checker(task, record.inputs)

    def count(tallies: dict[int, Tally], votes: Sequence[Answer]) -> None:
        for number in vote_counts(len(votes)):
            right = (np.array(winner(votes[:number], by, accepts).tokens) == labels)[asked]
            steps = sum(vote.steps for vote in votes[:number])
            tally = tallies.setdefault(number, Tally())
            tally += Tally(1, float(right.mean()), int(right.all()), steps)

    count(result.by_votes, record.votes)
    for kind, numbers in electorate.kinds().items():
        count(result.by_kind.setdefault(kind, {}), [record.votes[number] for number in numbers])


def _count_by_task(result: Evaluation, record: Record, is_right: bool, task: Task) -> None:
    puzzle, answer = task.decode(record.inputs), task.decode(record.tokens)
    faults = {} if task.check(puzzle, answer) else task.explain(puzzle, answer)
    result.valid += not faults
    result.equivalent += not faults and not is_right
    result.faults.update(list(faults))
    measured = task.measure(puzzle)
    if measured is not None:
        result.measure, value = measured
        tally = result.by_measure.setdefault(value, Tally())
        accuracy = float(np.mean((record.tokens == record.labels)[record.labels != IGNORE]))
        tally += Tally(1, accuracy, int(is_right))

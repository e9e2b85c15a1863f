"""The score of ARC as the reference computes it: all copies of a task vote, and each test allows 1 to 1,000 tries."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from hrm_data import IGNORE, Dataset, Original, Task
from hrm_model import Answer

from hrm_evaluator._errors import UserError
from hrm_evaluator._output import atomic_file, check_new
from hrm_evaluator.answers._records import Record
from hrm_evaluator.answers._vote import VoteBy, mean_confidence

TRIES = (1, 2, 5, 10, 100, 1000)
_ATTEMPTS = 2


@dataclass
class ArcScore:
    """Counts over tasks.

    Attributes:
        by: Ranks the answers to a test by their number, or by their mean or highest probability of being right.
        tasks: Number of tasks counted, those with answers to all tests.
        unanswered: Number of other tasks, which are only handed in.
        solved: By number of tries, the tasks whose tests all have their solution among so many first answers.
        submission: The two best answers to every test of every task, in the format of the ARC Prize.
    """

    by: VoteBy = "confidence"
    tasks: int = 0
    unanswered: int = 0
    solved: Counter[int] = field(default_factory=Counter)
    submission: dict[str, list[dict[str, list[list[int]]]]] = field(default_factory=dict)
    _name: str | None = None
    _tests: "dict[tuple[bytes, int], _Test]" = field(default_factory=dict)

    def pass_at(self) -> dict[int, float]:
        """Share of tasks solved, by number of tries; 0 without tasks."""
        return {tries: self.solved[tries] / max(1, self.tasks) for tries in TRIES}

    def add(self, name: str, puzzle: np.ndarray, number: int, label: Callable[[], np.ndarray | None]) -> "_Test":
        """Return the votes for one test of the task `name`; the tests of a task must follow each other.

        Args:
            name: Name of the original task.
            puzzle: Input grid of the original `[h, w]`.
            number: Tells tests with the same input apart: 0, 1, ...
            label: Called once for the solution, a grid, or None if it is unknown.

        Raises:
            UserError: If the task was finished before.
        """
        if name != self._name:
            self.finish()
            if name in self.submission:
                raise UserError(f"the examples of the ARC task {name} do not follow each other")
            self._name = name
        key = _key(puzzle), number
        if key not in self._tests:
            solution = label()
            self._tests[key] = _Test(None if solution is None else _key(solution))
        return self._tests[key]

    def finish(self) -> None:
        """Count the current task."""
        if self._name is None:
            return
        ranked = [test.ranked(self.by) for test in self._tests.values()]
        if all(test.has_label for test in self._tests.values()):
            ranks = [test.rank(grids) for test, grids in zip(self._tests.values(), ranked, strict=True)]
            self.tasks += 1
            self.solved.update(tries for tries in TRIES if all(rank < tries for rank in ranks))
        else:
            self.unanswered += 1
        self.submission[self._name] = [_attempts(grids) for grids in ranked]
        self._name, self._tests = None, {}


class _Test:
    """The votes for one test of a task: equal grids are one candidate."""

    def __init__(self, label: bytes | None) -> None:
        self._label = label
        self._candidates: dict[bytes, list[float]] = {}

    @property
    def has_label(self) -> bool:
        """Whether the solution is known."""
        return self._label is not None

    def vote(self, grid: np.ndarray, probability: float) -> None:
        """Add an answer `[h, w]` with the model's probability that it is right."""
        sums = self._candidates.setdefault(_key(grid), [0, 0.0, 0.0])
        sums[0] += 1
        sums[1] += probability
        sums[2] = max(sums[2], probability)

    def ranked(self, by: VoteBy) -> list[bytes]:
        """The candidates, best first; equals are in the order of their first vote."""

        def merit(sums: list[float]) -> tuple[float, float]:
            count, total, highest = sums
            if by == "halting":
                return highest, count
            mean = mean_confidence(total, int(count))
            return (count, mean) if by == "majority" else (mean, count)

        return sorted(self._candidates, key=lambda grid: merit(self._candidates[grid]), reverse=True)

    def rank(self, ranked: Sequence[bytes]) -> float:
        """Rank of the solution, from 0; infinite if it has no vote."""
        return ranked.index(self._label) if self._label in ranked else float("inf")


def score_arc(records: Iterable[Record], task: Task, identifiers: Sequence[str], score: ArcScore) -> Iterator[Record]:
    """Pass records on and count them in `score`, which is complete when the records end.

    Every vote of a record, or its answer without a vote, is turned back into a grid of the original task and counts
    once. Memory holds the votes for one task.
    """
    original_of = copies_of(task, identifiers)
    copy, seen = -1, Counter[bytes]()
    for record in records:
        if record.puzzle_identifier != copy:
            copy = record.puzzle_identifier
            seen.clear()
            original = original_of(identifiers[copy])
        puzzle = original.board(record.inputs)
        key = _key(puzzle)
        test = score.add(original.name, puzzle, seen[key], partial(_label, original, record.labels))
        seen[key] += 1
        for vote in record.votes or (record.answer,):
            test.vote(original.board(_tokens(vote, task)), vote.confidence)
        yield record
    score.finish()


def order_by_task(dataset: Dataset, task: Task, count: int) -> np.ndarray:
    """Order the first `count` examples of a split so that those of one task, and of one copy, follow each other.

    Tasks, their copies and their examples keep the order of the split otherwise.

    Returns:
        Their numbers, `[count]` int64.

    Raises:
        UserError: If an identifier names no copy of a task.
    """
    sets = dataset.sets.values()
    copies = np.concatenate([np.repeat(item.puzzle_identifiers, np.diff(item.puzzle_indices)) for item in sets])[:count]
    found, first, copy = np.unique(copies, return_index=True, return_inverse=True)
    original_of = copies_of(task, dataset.identifiers)
    begins: dict[str, int] = {}
    begin = np.empty(len(found), np.int64)  # for each identifier, the first example of its task
    for row in np.argsort(first).tolist():
        name = original_of(dataset.identifiers[int(found[row])]).name
        begin[row] = begins.setdefault(name, int(first[row]))
    return np.lexsort((np.arange(len(copies)), first[copy], begin[copy]))


def _label(original: Original, labels: np.ndarray | None) -> np.ndarray | None:
    """The solution as a grid; None if it is unknown, and so the label empty."""
    if labels is None:
        return None
    grid: np.ndarray = original.board(np.where(labels == IGNORE, 0, labels))
    return grid if grid.size else None


def _tokens(answer: Answer, task: Task) -> np.ndarray:
    if task.vocab_size > 256:
        return np.array(answer.tokens)
    return np.frombuffer(bytes(answer.tokens), np.uint8)  # much faster, which matters for a million answers


def copies_of(task: Task, identifiers: Sequence[str]) -> Callable[[str], Original]:
    """Return what finds the puzzle that an identifier is a copy of.

    Raises:
        UserError: If copies of this task do not vote.
    """
    original_of = task.originals(identifiers)
    if original_of is None:
        raise UserError(f"identifiers of {task.name} name no copies of puzzles")
    return original_of


def write_submission(path: Path, submission: dict[str, Any]) -> None:
    """Write a `submission.json` for the ARC Prize.

    Raises:
        UserError: If the file exists.
    """
    check_new("--submission", path)
    with atomic_file(path) as file:
        file.write(json.dumps(submission).encode())


def _key(grid: np.ndarray) -> bytes:
    """A grid `[h, w]` as bytes; two keys are equal if and only if their grids are."""
    return bytes(grid.shape) + np.ascontiguousarray(grid, np.uint8).tobytes()


def _attempts(ranked: Sequence[bytes]) -> dict[str, list[list[int]]]:
    """The best answers that are grids; the last one repeats if there are too few, a black cell stands in for none."""
    grids = [np.frombuffer(key[2:], np.uint8).reshape(key[0], key[1]).tolist() for key in ranked if len(key) > 2]
    best = (grids or [[[0]]])[:_ATTEMPTS]
    best += [best[-1]] * (_ATTEMPTS - len(best))
    return {f"attempt_{number}": grid for number, grid in enumerate(best, start=1)}

"""Votes: answers to symmetric copies of a puzzle, of several trajectories and checkpoints, and which of them wins."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice, tee
from typing import Literal, NamedTuple

import numpy as np
from hrm_data import NumpyBatch, Symmetry, Task
from hrm_model import Answer, Commit, ContinuousPredictor, Noise

from hrm_evaluator._errors import UserError
from hrm_evaluator.answers._records import Record, answer_batches, keep_unasked, with_tokens

VoteBy = Literal["majority", "confidence", "halting", "check"]
SELECTIONS: Mapping[VoteBy, str] = {
    "majority": "by what the model knows: the most frequent answer",
    "confidence": "by what the model knows: the highest mean confidence",
    "halting": "by what the model knows: the highest halting value",
    "check": "by checking: answers that obey the rules come first",
}
"""How votes choose an answer, for reports."""
ONE_ANSWER = "by what the model knows: its only answer"
_SEED = 0


class Electorate(NamedTuple):
    """Which answers to a puzzle vote.

    Votes are ordered by symmetric copy, the puzzle itself first, then by trajectory, then by model.

    Attributes:
        symmetries: The symmetries of all copies but the first.
        trajectories: Trajectories of each copy, which differ by their noise.
        models: Number of models.
    """

    symmetries: Sequence[Symmetry] = ()
    trajectories: int = 1
    models: int = 1

    @property
    def votes(self) -> int:
        """Votes on a puzzle."""
        return (1 + len(self.symmetries)) * self.trajectories * self.models

    def kinds(self) -> dict[str, list[int]]:
        """For each way to get more than one vote, the numbers of the votes that differ in nothing else."""
        found = {
            "symmetric copies": range(0, self.votes, self.trajectories * self.models),
            "trajectories": range(0, self.trajectories * self.models, self.models),
            "checkpoints": range(self.models),
        }
        return {kind: list(votes) for kind, votes in found.items() if len(votes) > 1}


def answer_by_vote(
    predictors: Sequence[ContinuousPredictor],
    batches: Iterable[NumpyBatch],
    electorate: Electorate,
    by: VoteBy = "majority",
    task: Task | None = None,
) -> Iterator[Record]:
    """Answer every puzzle with each predictor, under each symmetry, on each trajectory, and choose one answer.

    Records come in the order of the puzzles and in bounded memory. With a single answer there is no vote.

    Args:
        predictors: One for each model.
        batches: The puzzles.
        electorate: Which answers vote.
        by: The rule by which votes choose an answer.
        task: Checks answers, if the rule asks for it, and says which of the puzzle's tokens answers keep.

    Yields:
        Records whose `votes` are all answers, and whose `answer` is the one that `winner` chooses.
    """
    if electorate.votes == 1:
        yield from (keep_unasked(task, record) for record in answer_batches(predictors[0], batches))
        return
    shares = tee(batches, len(predictors))
    streams = [
        _answer_copies(predictor, share, electorate) for predictor, share in zip(predictors, shares, strict=True)
    ]
    for records in zip(*streams, strict=True):
        votes = tuple(vote for same_copy in zip(*(one.votes for one in records), strict=True) for vote in same_copy)
        record = keep_unasked(task, records[0]._replace(votes=votes))
        yield record._replace(answer=winner(record.votes, by, checker(task, record.inputs)))


def choose_selection(by: VoteBy | None, task: Task | None, trajectories: int, noise: Noise) -> VoteBy:
    """Return the rule by which votes choose an answer: that of the user, or the usual one.

    Raises:
        UserError: If answers are to be checked and the rule is unknown, or if trajectories do not differ.
    """
    if trajectories > 1 and not noise.sigma:
        raise UserError(
            f"--trajectories {trajectories}: without noise all trajectories are equal; add --noise, such as 0.2"
        )
    if by == "check" and (task is None or not task.rule_known):
        kind = "these puzzles have no task" if task is None else f"{task.name} has no known rule"
        raise UserError(f"--vote-by check: {kind} to check answers by; choose majority, confidence or halting")
    return by or ("halting" if trajectories > 1 else "majority")


def commit_rule(probability: float | None, task: Task | None) -> Commit | None:
    """Return the rule by which cells are fixed; None without a probability.

    Raises:
        UserError: If the task has no cells to fill in.
    """
    if probability is None:
        return None
    if task is None or task.open_token is None:
        name = "these puzzles" if task is None else task.name
        raise UserError(
            f"--commit {probability:g} needs a task whose answers fill open cells of a puzzle; those of {name} do not, "
            "so leave --commit out"
        )
    return Commit(probability, task.open_token)


def checker(task: Task | None, inputs: np.ndarray) -> Callable[[Answer], bool]:
    """Return a function that says whether a task accepts an answer to a puzzle `[L]`; without a task it says no."""

    def accepts(answer: Answer) -> bool:
        return task is not None and task.check(task.decode(inputs), task.decode(np.array(answer.tokens)))

    return accepts


def choose_symmetries(task: Task | None, votes: int) -> list[Symmetry]:
    """Draw a task's symmetries for all votes but the first; always the same ones.

    Raises:
        UserError: If the task has fewer.
    """
    if votes == 1:
        return []
    if task is None:
        raise UserError(
            f"--votes {votes}: symmetries depend on the task, but neither dataset nor run names it; add --task"
        )
    found = draw_symmetries(task, votes - 1)
    if len(found) < votes - 1:
        raise UserError(f"--votes {votes}: {task.name} allows {len(found) + 1} at most, one for each symmetry")
    return found


def draw_symmetries(task: Task, most: int) -> list[Symmetry]:
    """Return so many symmetries of a task, or all there are; always the same ones."""
    return list(islice(task.symmetries(np.random.default_rng(_SEED)), most))


def winner(
    votes: Sequence[Answer], by: VoteBy = "majority", accepts: Callable[[Answer], bool] = lambda _: False
) -> Answer:
    """Return the winning answer: the most confident one of its group of equal answers.

    Answers are equal if all tokens are. The other number decides between equal ranks, then the order.

    Args:
        votes: The answers.
        by: `majority` ranks groups by size, `confidence` by the mean probability of being right, `halting` by the
            highest. `check` takes the majority of the answers that obey the rules, if there are any.
        accepts: Says whether an answer obeys the rules.
    """
    if by == "check":
        return winner([vote for vote in votes if accepts(vote)] or votes)
    groups: dict[tuple[int, ...], list[Answer]] = {}
    for vote in votes:
        groups.setdefault(tuple(vote.tokens), []).append(vote)

    def rank(group: Sequence[Answer]) -> tuple[float, float]:
        if by == "halting":
            return max(vote.q_halt for vote in group), len(group)
        mean = mean_confidence(sum(vote.confidence for vote in group), len(group))
        return (len(group), mean) if by == "majority" else (mean, len(group))

    best = max(groups.values(), key=rank)
    return max(best, key=lambda vote: vote.q_halt)


def mean_confidence(total: float, count: int) -> float:
    """A mean of probabilities, rounded so that the order of addition never decides between equals."""
    return round(total / count, 12)


def _copies(batches: Iterable[NumpyBatch], symmetries: Sequence[Symmetry], trajectories: int) -> Iterator[NumpyBatch]:
    """Yield batches in which each puzzle is followed by its symmetric copies, each as often as it has trajectories."""
    for batch in batches:
        inputs = np.stack([batch["inputs"], *(change.apply(batch["inputs"]) for change in symmetries)], axis=1)
        count = inputs.shape[1] * trajectories
        same = {name: np.repeat(array, count, axis=0) for name, array in batch.items() if name != "inputs"}
        numbers = np.tile(np.arange(trajectories, dtype=np.int32), len(inputs) * inputs.shape[1])
        inputs = np.repeat(inputs.reshape(-1, inputs.shape[-1]), trajectories, axis=0)
        yield {"inputs": inputs, "trajectories": numbers, **same}


def _answer_copies(
    predictor: ContinuousPredictor, batches: Iterable[NumpyBatch], electorate: Electorate
) -> Iterator[Record]:
    """Yield one record for each puzzle; its votes are one predictor's answers to the puzzle and its copies."""
    symmetries, trajectories = electorate.symmetries, electorate.trajectories
    answers = answer_batches(predictor, _copies(batches, symmetries, trajectories))
    for first in answers:
        own = [first.answer, *(record.answer for record in islice(answers, trajectories - 1))]
        rest = [undo(change, record.answer) for change in symmetries for record in islice(answers, trajectories)]
        yield first._replace(votes=(*own, *rest))


def undo(change: Symmetry, answer: Answer) -> Answer:
    """Turn the answer to a copy into an answer to the puzzle itself."""
    return with_tokens(answer, change.undo)

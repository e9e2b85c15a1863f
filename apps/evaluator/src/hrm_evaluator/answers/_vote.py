"""Votes: the answers to symmetric copies of a puzzle and of a run's newest checkpoints, and which answer wins."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, tee
from typing import Literal

import numpy as np
from hrm_data import NumpyBatch, Symmetry, Task
from hrm_model import Answer, ContinuousPredictor

from hrm_evaluator._errors import UserError
from hrm_evaluator.answers._records import Record, answer_batches

VoteBy = Literal["majority", "confidence"]
_SEED = 0


def answer_by_vote(
    predictors: Sequence[ContinuousPredictor],
    batches: Iterable[NumpyBatch],
    symmetries: Sequence[Symmetry],
    by: VoteBy = "majority",
) -> Iterator[Record]:
    """Answer every puzzle with each predictor, as it is and under each symmetry, and choose one answer.

    Votes are ordered by symmetry, the puzzle itself first, and then by predictor. Records come in the order of the
    puzzles and in bounded memory. With a single predictor and no symmetry there is no vote.

    Yields:
        Records whose `votes` are all answers, and whose `answer` is the one that `winner` chooses.
    """
    if len(predictors) == 1 and not symmetries:
        yield from answer_batches(predictors[0], batches)
        return
    shares = tee(batches, len(predictors))
    streams = [
        _answer_copies(predictor, share, symmetries) for predictor, share in zip(predictors, shares, strict=True)
    ]
    for records in zip(*streams, strict=True):
        votes = tuple(vote for same_copy in zip(*(one.votes for one in records), strict=True) for vote in same_copy)
        yield records[0]._replace(answer=winner(votes, by), votes=votes)


def choose_symmetries(task: Task | None, votes: int) -> list[Symmetry]:
    """Draw a task's symmetries for all votes but the first; always the same ones.

    Raises:
        UserError: If the task has fewer.
    """
    if votes == 1:
        return []
    if task is None:
        raise UserError(f"--votes {votes}: symmetries depend on the task, but neither dataset nor run names it")
    found = list(islice(task.symmetries(np.random.default_rng(_SEED)), votes - 1))
    if len(found) < votes - 1:
        raise UserError(f"--votes {votes}: {task.name} allows {len(found) + 1} at most, one for each symmetry")
    return found


def winner(votes: Sequence[Answer], by: VoteBy = "majority") -> Answer:
    """Return the winning answer: the most confident one of its group of equal answers.

    Answers are equal if all tokens are. `majority` ranks groups by size, `confidence` by the mean probability of being
    right. The other number decides between equal ranks, then the order.
    """
    groups: dict[tuple[int, ...], list[Answer]] = {}
    for vote in votes:
        groups.setdefault(tuple(vote.tokens), []).append(vote)

    def rank(group: Sequence[Answer]) -> tuple[float, float]:
        mean = mean_confidence(sum(vote.confidence for vote in group), len(group))
        return (len(group), mean) if by == "majority" else (mean, len(group))

    best = max(groups.values(), key=rank)
    return max(best, key=lambda vote: vote.q_halt)


def mean_confidence(total: float, count: int) -> float:
    """A mean of probabilities, rounded so that the order of addition never decides between equals."""
    return round(total / count, 12)


def _answer_copies(
    predictor: ContinuousPredictor, batches: Iterable[NumpyBatch], symmetries: Sequence[Symmetry]
) -> Iterator[Record]:
    """Yield one record for each puzzle; its votes are one predictor's answers to the puzzle and its copies."""

    def copies() -> Iterator[NumpyBatch]:
        for batch in batches:
            inputs = np.stack([batch["inputs"], *(change.apply(batch["inputs"]) for change in symmetries)], axis=1)
            same = {
                name: np.repeat(array, inputs.shape[1], axis=0) for name, array in batch.items() if name != "inputs"
            }
            yield {"inputs": inputs.reshape(-1, inputs.shape[-1]), **same}

    answers = answer_batches(predictor, copies())
    for first in answers:
        rest = (_undo(change, copy.answer) for change, copy in zip(symmetries, answers, strict=False))
        yield first._replace(votes=(first.answer, *rest))


def _undo(change: Symmetry, answer: Answer) -> Answer:
    """Turn the answer to a copy into an answer to the puzzle itself."""
    whole = np.array([answer.tokens, *(thought.tokens for thought in answer.trace)], np.int32)
    tokens, *thoughts = change.undo(whole).tolist()
    trace = tuple(t._replace(tokens=tokens) for t, tokens in zip(answer.trace, thoughts, strict=True))
    return answer._replace(tokens=tokens, trace=trace)

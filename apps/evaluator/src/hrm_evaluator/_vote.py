"""Several answers to one puzzle, from its symmetric copies and from several checkpoints, and which of them wins."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, tee
from typing import Literal

import numpy as np
from hrm_data import NumpyBatch, Symmetry, Task
from hrm_model import Answer, ContinuousPredictor

from hrm_evaluator._answers import Record, answer_batches
from hrm_evaluator._errors import UserError

VoteBy = Literal["majority", "confidence"]
_SEED = 0


def answer_by_vote(
    predictors: Sequence[ContinuousPredictor],
    batches: Iterable[NumpyBatch],
    symmetries: Sequence[Symmetry],
    by: VoteBy = "majority",
) -> Iterator[Record]:
    """Answer every puzzle of batches with each predictor, as it is and under each symmetry, and choose an answer.

    Votes are ordered by symmetry, none first, and then by predictor. Records come in the order of the puzzles and in
    bounded memory. A single predictor without symmetries just answers.

    Yields:
        Records whose ``votes`` are all answers, and whose ``answer`` is the one that :func:`winner` chooses.
    """
    if len(predictors) == 1 and not symmetries:
        yield from answer_batches(predictors[0], batches)
        return
    shares = tee(batches, len(predictors))
    streams = [_answers(predictor, share, symmetries) for predictor, share in zip(predictors, shares, strict=True)]
    for several in zip(*streams, strict=True):
        record = several[0]
        votes = tuple(vote for votes in zip(*(other.votes for other in several), strict=True) for vote in votes)
        yield record._replace(answer=winner(votes, by), votes=votes)


def choose_symmetries(task: Task | None, votes: int) -> list[Symmetry]:
    """Draw a task's symmetries for all votes but the first, always the same ones.

    Raises:
        UserError: If the task has fewer.
    """
    if votes == 1:
        return []
    if task is None:
        raise UserError("--votes: neither the dataset nor the run says which task this is, so no symmetry is known")
    found = list(islice(task.symmetries(np.random.default_rng(_SEED)), votes - 1))
    if len(found) < votes - 1:
        raise UserError(f"--votes {votes}: {task.name} allows {len(found) + 1} at most, one for each symmetry")
    return found


def winner(votes: Sequence[Answer], by: VoteBy = "majority") -> Answer:
    """Return the most confident one of the equal answers that win.

    Answers count as equal if all tokens are. With ``majority`` those win that are most, with ``confidence`` those with
    the highest mean probability of being right, the sigmoid of ``q_halt``. The other number decides between equals,
    and then the order.
    """
    groups: dict[tuple[int, ...], list[Answer]] = {}
    for vote in votes:
        groups.setdefault(tuple(vote.tokens), []).append(vote)

    def rank(group: Sequence[Answer]) -> tuple[float, float]:
        mean = mean_confidence(sum(confidence(vote.q_halt) for vote in group), len(group))
        return (len(group), mean) if by == "majority" else (mean, len(group))

    best = max(groups.values(), key=rank)
    return max(best, key=lambda vote: vote.q_halt)


def confidence(q_halt: float) -> float:
    """The probability of being right that a value of halting stands for."""
    return float(np.exp(-np.logaddexp(0.0, -q_halt)))


def mean_confidence(total: float, count: int) -> float:
    """A mean of probabilities, rounded so that the order in which they were added never decides between equals."""
    return round(total / count, 12)


def _answers(
    predictor: ContinuousPredictor, batches: Iterable[NumpyBatch], symmetries: Sequence[Symmetry]
) -> Iterator[Record]:
    """Yield one record a puzzle, its votes those of one predictor."""

    def copies() -> Iterator[NumpyBatch]:
        for batch in batches:
            inputs = np.stack([batch["inputs"], *(change.apply(batch["inputs"]) for change in symmetries)], axis=1)
            same = {
                name: np.repeat(array, inputs.shape[1], axis=0) for name, array in batch.items() if name != "inputs"
            }
            yield {"inputs": inputs.reshape(-1, inputs.shape[-1]), **same}

    answers = answer_batches(predictor, copies())
    for first in answers:
        rest = (_undone(change, copy.answer) for change, copy in zip(symmetries, answers, strict=False))
        yield first._replace(votes=(first.answer, *rest))


def _undone(change: Symmetry, answer: Answer) -> Answer:
    """The answer to a copy as one to the puzzle itself."""
    whole = np.array([answer.tokens, *(thought.tokens for thought in answer.trace)], np.int32)
    tokens, *thoughts = change.undo(whole).tolist()
    trace = tuple(t._replace(tokens=tokens) for t, tokens in zip(answer.trace, thoughts, strict=True))
    return answer._replace(tokens=tokens, trace=trace)

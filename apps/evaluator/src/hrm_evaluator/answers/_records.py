"""Answers to the puzzles of a dataset as a stream: one record for each puzzle, in order, in bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
from hrm_data import Dataset, NumpyBatch, Task, evenly_spread, kept_cells, make_batch
from hrm_model import Answer, ContinuousPredictor


class Record(NamedTuple):
    """One puzzle and the model's answer to it.

    Attributes:
        inputs: Tokens `[L]` int32.
        labels: Tokens of the solution `[L]` int32, -100 where nothing is asked for; None without a solution.
        puzzle_identifier: Row of the puzzle embedding.
        answer: The model's answer; its trace holds the answer after every step if the predictor traces.
        votes: The answers that voted; empty without a vote.
    """

    inputs: np.ndarray
    labels: np.ndarray | None
    puzzle_identifier: int
    answer: Answer
    votes: tuple[Answer, ...] = ()

    @property
    def tokens(self) -> np.ndarray:
        """The answer's tokens `[L]` int32."""
        return np.array(self.answer.tokens, np.int32)


def keep_unasked(task: Task | None, record: Record) -> Record:
    """Put the puzzle's own tokens into all answers of a record where nothing is asked for."""
    kept = kept_cells(task, record.inputs, record.labels)
    if not kept.any():
        return record

    def keep(answer: Answer) -> Answer:
        return with_tokens(answer, lambda tokens: np.where(kept, record.inputs, tokens))

    return record._replace(answer=keep(record.answer), votes=tuple(map(keep, record.votes)))


def with_tokens(answer: Answer, change: Callable[[np.ndarray], np.ndarray]) -> Answer:
    """Change an answer's tokens and those of its trace; `change` maps `[N, L]` int32 to the same shape."""
    whole = np.array([answer.tokens, *(thought.tokens for thought in answer.trace)], np.int32)
    tokens, *thoughts = change(whole).tolist()
    trace = tuple(t._replace(tokens=tokens) for t, tokens in zip(answer.trace, thoughts, strict=True))
    return answer._replace(tokens=tokens, trace=trace)


def answer_batches(predictor: ContinuousPredictor, batches: Iterable[NumpyBatch]) -> Iterator[Record]:
    """Answer the puzzles of batches of any size; `labels` are optional.

    A batch is drawn when the predictor has a free slot. Records come in the order of the puzzles.
    """
    pending: deque[tuple[np.ndarray, np.ndarray | None, int]] = deque()

    def remembered() -> Iterator[NumpyBatch]:
        for batch in batches:
            labels = batch.get("labels", [None] * len(batch["inputs"]))
            pending.extend(zip(batch["inputs"], labels, batch["puzzle_identifiers"].tolist(), strict=True))
            yield batch

    for answer in predictor(remembered()):
        yield Record(*pending.popleft(), answer)


def dataset_batches(
    dataset: Dataset, batch_size: int, limit: int | None = None, order: np.ndarray | None = None
) -> Iterator[NumpyBatch]:
    """Cut a split into batches without padding.

    Args:
        dataset: The split.
        batch_size: Examples in a batch; the last batch may be smaller.
        limit: Take so many examples, evenly spread, as the trainer does; all when left out.
        order: Numbers of the examples to take, in this order, in place of `limit`.
    """
    if order is None:
        order = evenly_spread(dataset.examples, limit)
    for start in range(0, len(order), batch_size):
        yield make_batch(dataset, order[start : start + batch_size])

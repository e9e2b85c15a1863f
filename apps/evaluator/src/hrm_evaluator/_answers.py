"""Streams what a model answers to a dataset: one record a puzzle, in order, in bounded memory."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from hrm_data import Dataset, NumpyBatch, make_batch
from hrm_model import Answer, ContinuousPredictor


class Record(NamedTuple):
    """One puzzle and what the model answers to it.

    Attributes:
        inputs: Tokens ``[L]`` int32.
        labels: What is right ``[L]`` int32, -100 where any answer will do; None where nobody knows.
        puzzle_identifier: Row of the puzzle embedding.
        answer: The model's answer, with the answer after every step if the predictor traces.
        votes: The answers among which that was chosen, where there was a vote; else empty.
    """

    inputs: np.ndarray
    labels: np.ndarray | None
    puzzle_identifier: int
    answer: Answer
    votes: tuple[Answer, ...] = ()

    @property
    def tokens(self) -> np.ndarray:
        """The answer's tokens ``[L]`` int32."""
        return np.array(self.answer.tokens, np.int32)


def answer_dataset(predictor: ContinuousPredictor, dataset: Dataset, limit: int | None = None) -> Iterator[Record]:
    """Answer the puzzles of a split in their order, or the first ``limit`` of them.

    Puzzles are drawn when the predictor has a free slot, and records given out as soon as those before are.
    """
    return answer_batches(predictor, dataset_batches(dataset, predictor.batch_size, limit))


def answer_batches(predictor: ContinuousPredictor, batches: Iterable[NumpyBatch]) -> Iterator[Record]:
    """Answer the puzzles of batches, of any sizes, whose ``labels`` may be missing."""
    drawn: deque[tuple[np.ndarray, np.ndarray | None, int]] = deque()

    def remembered() -> Iterator[NumpyBatch]:
        for batch in batches:
            labels = batch.get("labels", [None] * len(batch["inputs"]))
            drawn.extend(zip(batch["inputs"], labels, batch["puzzle_identifiers"].tolist(), strict=True))
            yield batch

    for answer in predictor(remembered()):
        yield Record(*drawn.popleft(), answer)


def dataset_batches(
    dataset: Dataset, batch_size: int, limit: int | None, order: np.ndarray | None = None
) -> Iterator[NumpyBatch]:
    """Cut the first ``limit`` puzzles of a split, or those that ``order`` numbers, into batches; none is padded."""
    if order is None:
        order = np.arange(min(dataset.examples, dataset.examples if limit is None else limit))
    for start in range(0, len(order), batch_size):
        yield make_batch(dataset, order[start : start + batch_size])

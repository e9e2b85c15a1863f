"""Metrics of predictions: accuracy, exact accuracy, accuracy of halting and number of steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import mlx.core as mx

from hrm_model._act import Batch
from hrm_model._errors import HRMModelError
from hrm_model.inference._answer import Answer
from hrm_model.inference._predictor import Prediction


@dataclass(frozen=True)
class Score:
    """Sums over the puzzles that have at least one label; scores of different batches can be added.

    Attributes:
        count: Number of puzzles.
        accuracy: Share of correct positions, summed over puzzles.
        exact_accuracy: Number of puzzles with every position correct.
        q_halt_accuracy: Number of puzzles for which `q_halt >= 0` equals "the answer is exact".
        steps: ACT steps, summed over puzzles; `score` counts `Prediction.halting_steps`.
    """

    count: int = 0
    accuracy: float = 0.0
    exact_accuracy: float = 0.0
    q_halt_accuracy: float = 0.0
    steps: float = 0.0

    def __add__(self, other: Self) -> "Score":
        return Score(*(getattr(self, f) + getattr(other, f) for f in self.__dataclass_fields__))

    def means(self) -> Mapping[str, float]:
        """Return `count` and the means of the other sums; all are 0 if nothing was scored."""
        return {
            "count": self.count,
            **{f: getattr(self, f) / max(1, self.count) for f in self.__dataclass_fields__ if f != "count"},
        }


def score(prediction: Prediction, batch: Batch) -> Score:
    """Compare a prediction with the labels of its batch; positions labelled -100 do not count.

    Args:
        prediction: Of `B` puzzles.
        batch: With `labels [B, L]`.

    Raises:
        HRMModelError: If the batch has no labels.
    """
    if "labels" not in batch:
        raise HRMModelError("the batch has no labels, so its prediction cannot be scored")
    labels = batch["labels"]
    valid = labels != -100
    num_valid = valid.sum(axis=-1)
    num_right = (valid & (prediction.tokens == labels)).sum(axis=-1)
    counted = num_valid > 0
    exact = num_right == num_valid
    says_right = prediction.q_halt_logits >= 0

    def total(per_puzzle: mx.array) -> float:
        return float(mx.where(counted, per_puzzle, 0).sum())

    return Score(
        count=int(counted.sum()),
        accuracy=total(num_right / mx.maximum(num_valid, 1)),
        exact_accuracy=total(exact),
        q_halt_accuracy=total(says_right == exact),
        steps=total(prediction.halting_steps),
    )


def score_answer(answer: Answer, labels: Sequence[int]) -> Score:
    """Compare one answer with the labels of its puzzle; positions labelled -100 do not count.

    Args:
        answer: The model's answer, after as many steps as it took.
        labels: Tokens of the solution, length `L`.
    """
    right = [token == label for token, label in zip(answer.tokens, labels, strict=True) if label != -100]
    if not right:
        return Score()
    exact = all(right)
    return Score(1, sum(right) / len(right), exact, (answer.q_halt >= 0) == exact, answer.steps)

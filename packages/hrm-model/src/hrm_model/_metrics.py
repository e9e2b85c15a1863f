"""Metrics of predictions: accuracy, exact accuracy, accuracy of halting and number of steps."""

from collections.abc import Sequence
from dataclasses import dataclass

import mlx.core as mx

from hrm_model._act import Batch
from hrm_model._errors import HRMModelError
from hrm_model.inference._answer import Answer
from hrm_model.inference._predictor import Prediction


@dataclass(frozen=True)
class Score:
    """Means over the puzzles that have at least one label; `a + b` has the means over the puzzles of both.

    Without puzzles all means are 0.

    Attributes:
        count: Number of puzzles.
        totals: Sums over these puzzles, exact where they count puzzles or steps: of `accuracy`, `exact_accuracy`,
            `q_halt_accuracy` and `steps`.
    """

    count: int = 0
    totals: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    @property
    def accuracy(self) -> float:
        """Share of a puzzle's labelled positions that are right, on average."""
        return self.totals[0] / max(1, self.count)

    @property
    def exact_accuracy(self) -> float:
        """Share of the puzzles with every labelled position right."""
        return self.totals[1] / max(1, self.count)

    @property
    def q_halt_accuracy(self) -> float:
        """Share of the puzzles for which `q_halt >= 0` equals "the answer is exact"."""
        return self.totals[2] / max(1, self.count)

    @property
    def steps(self) -> float:
        """ACT steps of a puzzle on average; `score` counts `Prediction.halting_steps`."""
        return self.totals[3] / max(1, self.count)

    def __add__(self, other: "Score") -> "Score":
        a, b = self.totals, other.totals
        return Score(self.count + other.count, (a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]))

    def means(self) -> dict[str, float]:
        """Return `count` and the means by name."""
        names = ("count", "accuracy", "exact_accuracy", "q_halt_accuracy", "steps")
        return {name: getattr(self, name) for name in names}


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

    accuracy = total(num_right / mx.maximum(num_valid, 1))
    totals = accuracy, total(exact), total(says_right == exact), total(prediction.halting_steps)
    return Score(int(counted.sum()), totals)


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
    return Score(1, (sum(right) / len(right), exact, (answer.q_halt >= 0) == exact, answer.steps))

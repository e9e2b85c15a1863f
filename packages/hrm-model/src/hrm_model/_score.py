from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import mlx.core as mx

from hrm_model._act import Batch
from hrm_model._inference import Prediction


@dataclass(frozen=True)
class Score:
    """Sums over the puzzles that have at least one label; scores of several batches add up.

    Attributes:
        count: Puzzles.
        accuracy: Share of right positions, summed over puzzles.
        exact_accuracy: Puzzles with every position right.
        q_halt_accuracy: Puzzles of which ``q_halt >= 0`` says truly whether they are right.
        steps: Steps after which the model would have halted by itself.
    """

    count: int = 0
    accuracy: float = 0.0
    exact_accuracy: float = 0.0
    q_halt_accuracy: float = 0.0
    steps: float = 0.0

    def __add__(self, other: Self) -> "Score":
        return Score(*(getattr(self, f) + getattr(other, f) for f in self.__dataclass_fields__))

    def means(self) -> Mapping[str, float]:
        """Return the sums over the count, and the count; all 0 when there was nothing to score."""
        return {
            "count": self.count,
            **{f: getattr(self, f) / max(1, self.count) for f in self.__dataclass_fields__ if f != "count"},
        }


def score(prediction: Prediction, batch: Batch) -> Score:
    """Compare a prediction with the labels of its batch; positions labelled -100 do not count.

    Args:
        prediction: For ``B`` puzzles.
        batch: With ``labels [B, L]``.
    """
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
        steps=total(prediction.steps),
    )

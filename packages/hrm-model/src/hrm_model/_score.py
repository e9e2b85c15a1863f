from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import mlx.core as mx
import numpy as np

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
    mx.eval(prediction)
    labels = np.array(batch["labels"])
    valid = labels != -100
    num_valid = valid.sum(axis=-1)
    num_right = (valid & (np.array(prediction.tokens) == labels)).sum(axis=-1)
    counted = num_valid > 0
    exact = num_right == num_valid
    says_right = np.array(prediction.q_halt_logits) >= 0
    return Score(
        count=int(counted.sum()),
        accuracy=float((num_right / np.maximum(num_valid, 1))[counted].sum()),
        exact_accuracy=float(exact[counted].sum()),
        q_halt_accuracy=float((says_right == exact)[counted].sum()),
        steps=float(np.array(prediction.steps)[counted].sum()),
    )

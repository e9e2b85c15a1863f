"""Where batches come from, and how they become MLX arrays."""

from collections.abc import Mapping
from typing import Protocol

import mlx.core as mx
import numpy as np
from hrm_model import Batch


class BatchSource(Protocol):
    """An endless iterator of batches `{inputs, labels, puzzle_identifiers}` of int32 that can continue anywhere.

    `position` is the number of batches given out; setting it makes the next batch the one at that position. With
    several ranks each rank has its own source, which gives out the rank's share of every batch.
    """

    position: int

    def __next__(self) -> Mapping[str, np.ndarray]:
        """Return the batch at `position` and advance it."""
        ...


def as_arrays(batch: Mapping[str, np.ndarray]) -> Batch:
    """Return a batch of NumPy arrays as one of MLX arrays."""
    return Batch(
        inputs=mx.array(batch["inputs"]),
        labels=mx.array(batch["labels"]),
        puzzle_identifiers=mx.array(batch["puzzle_identifiers"]),
    )

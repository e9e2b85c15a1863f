"""What the loop is given: where batches come from, and who watches."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

Report = Mapping[str, Any]
"""Numbers by name, and ``halting_steps``: how many puzzles took 1, 2, ... ACT steps."""


class BatchSource(Protocol):
    """An endless iterator of batches ``{inputs, labels, puzzle_identifiers}`` of int32 that can go on anywhere.

    ``position`` is the number of batches given out; setting it makes the next batch the one at that position.
    With several ranks each has a source of its own, which gives out its share of every batch.
    """

    position: int

    def __next__(self) -> Mapping[str, np.ndarray]:
        """Return the batch at ``position`` and advance it."""
        ...


class Callback(Protocol):
    """Something that watches a run; a subclass leaves out what it has no interest in."""

    def started(self, step: int) -> None:
        """The first step is about to be taken, after ``step`` steps of an earlier process."""
        return None

    def reported(self, report: Report) -> None:
        """Metrics since the last report."""
        return None

    def evaluated(self, report: Report) -> None:
        """Scores on held-out puzzles."""
        return None

    def ended(self) -> None:
        """The run is over, finished, stopped or failed."""
        return None

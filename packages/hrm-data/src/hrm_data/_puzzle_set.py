"""The arrays of one set of a split: examples in puzzles, puzzles in groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PuzzleSet:
    """One set of a split.

    Puzzle `p` has the examples `puzzle_indices[p]:puzzle_indices[p + 1]`, group `g` the puzzles
    `group_indices[g]:group_indices[g + 1]`.
    """

    inputs: np.ndarray
    """`[examples, seq_len]`, integer tokens."""
    labels: np.ndarray
    """`[examples, seq_len]`, integer tokens."""
    puzzle_identifiers: np.ndarray
    """`[puzzles]`, integers."""
    puzzle_indices: np.ndarray
    """`[puzzles + 1]`, integers, rising from 0 to `examples`."""
    group_indices: np.ndarray
    """`[groups + 1]`, integers, rising from 0 to `puzzles`."""

    @property
    def examples(self) -> int:
        """Number of examples."""
        return len(self.inputs)

    @property
    def puzzles(self) -> int:
        """Number of puzzles."""
        return len(self.puzzle_identifiers)

    @property
    def groups(self) -> int:
        """Number of groups."""
        return len(self.group_indices) - 1

    def rows(self, examples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs and labels of the examples `[B]`, both `[B, seq_len]`; faster than one by one."""
        return self.inputs[examples], self.labels[examples]

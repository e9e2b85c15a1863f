"""The names of the two splits, and the share of puzzles held out for testing. Imports no NumPy: help texts use it."""

from __future__ import annotations

from typing import Literal

Split = Literal["train", "test"]
"""The split of a dataset."""

TEST_SHARE = 0.125
"""Default share of the puzzles that goes to `test`."""

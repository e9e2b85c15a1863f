"""Changes of a puzzle that can be undone on its answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Symmetry(NamedTuple):
    """A change of a puzzle into another of the same task, which maps the answers of one to those of the other.

    Both functions map tokens `[..., seq_len]` to tokens of the same shape and dtype. `undo(apply(x))` is `x` for the
    tokens of any board.
    """

    apply: Callable[[np.ndarray], np.ndarray]
    """Changes the puzzle."""
    undo: Callable[[np.ndarray], np.ndarray]
    """Undoes the change on the model's answer, for any tokens."""


class Original(NamedTuple):
    """The puzzle of which an example is an augmented copy."""

    name: str
    """The name that all copies of the puzzle share."""
    board: Callable[[np.ndarray], np.ndarray]
    """Turns the tokens `[seq_len]` of a copy, its input, label or any answer, into a board of the original."""


def relabelling(cells: np.ndarray, tokens: np.ndarray) -> Symmetry:
    """Return the symmetry that moves cells and renames tokens.

    Args:
        cells: The old cell that moves to each new cell, a permutation `[seq_len]`.
        tokens: What each token becomes, a permutation `[vocab_size]`.
    """
    old_cells, old_tokens = np.argsort(cells), np.argsort(tokens)

    def apply(x: np.ndarray) -> np.ndarray:
        changed: np.ndarray = tokens.astype(x.dtype)[x[..., cells]]
        return changed

    def undo(x: np.ndarray) -> np.ndarray:
        changed: np.ndarray = old_tokens.astype(x.dtype)[x[..., old_cells]]
        return changed

    return Symmetry(apply, undo)

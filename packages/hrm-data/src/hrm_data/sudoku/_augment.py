"""Random symmetries of Sudoku, and easier versions of a puzzle, for whole batches at once."""

from __future__ import annotations

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data.sudoku._board import Board, Box, as_board

BLANK_TOKEN = 1


class SudokuAugment:
    """Applies a random symmetry to each example of a batch, and restores some clues.

    The symmetries relabel digits, permute bands, rows within bands, stacks and columns within stacks, and
    transpose where the box is square. They map a puzzle with one solution to a puzzle with one solution. With
    probability `hints` an example then has a number of its blanks, uniform in `0..blanks - 1`, filled from
    its solution, which mixes easy examples with hard ones.

    Args:
        box: Rows and columns of a box.
        hints: Probability that clues of an example are restored.

    Raises:
        HRMDataError: `hints` is not a probability, or a batch does not hold boards of this size with their
            full solutions.
    """

    def __init__(self, box: Box | Board = (3, 3), hints: float = 0.0) -> None:
        if not 0.0 <= hints <= 1.0:
            raise HRMDataError(f"hints is {hints}; it is a probability, from 0 to 1")
        self.board = as_board(box)
        self.hints = hints

    def __call__(
        self, inputs: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """New (inputs, labels) of tokens, both `[B, n * n]`, dtype kept; the arguments stay as they are."""
        n = self.board.n
        if inputs.shape != labels.shape or inputs.ndim != 2 or inputs.shape[1] != self.board.cells:
            raise HRMDataError(
                f"inputs {inputs.shape} and labels {labels.shape} do not both have shape "
                f"[B, {self.board.cells}], which boxes of {self.board.rows}x{self.board.cols} have"
            )
        if not len(inputs):
            return inputs.copy(), labels.copy()
        for name, array, low in (("inputs", inputs, BLANK_TOKEN), ("labels", labels, BLANK_TOKEN + 1)):
            if array.min() < low or array.max() > n + 1:
                raise HRMDataError(
                    f"{name} holds tokens {array.min()}..{array.max()}; expected {low}..{n + 1} "
                    f"for boxes of {self.board.rows}x{self.board.cols}"
                )
        wrong = (inputs != labels) & (inputs != BLANK_TOKEN)
        if wrong.any():
            row, col = np.argwhere(wrong)[0]
            raise HRMDataError(
                f"example {row} has the clue token {inputs[row, col]} at position {col}, "
                f"but the label {labels[row, col]}"
            )
        cells = self.cell_maps(len(inputs), rng)
        tokens = np.ones((len(inputs), n + 2), labels.dtype)
        tokens[:, 2:] = rng.random((len(inputs), n)).argsort(axis=1) + 2
        new_labels = np.take_along_axis(tokens, np.take_along_axis(labels, cells, 1).astype(np.intp), 1)
        blank = np.take_along_axis(inputs, cells, 1) == BLANK_TOKEN
        if self.hints:
            blank &= ~self._hinted(blank, rng)
        return np.where(blank, inputs.dtype.type(BLANK_TOKEN), new_labels.astype(inputs.dtype, copy=False)), new_labels

    def cell_maps(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Return the old cell that moves to each new cell, `[count, n * n]`."""
        rows = _line_maps(count, self.board.cols, self.board.rows, rng)
        cols = _line_maps(count, self.board.rows, self.board.cols, rng)
        cells: np.ndarray = rows[:, :, None] * self.board.n + cols[:, None, :]
        if self.board.rows == self.board.cols:
            flip = rng.random(count) < 0.5
            cells[flip] = cells[flip].swapaxes(1, 2)
        return cells.reshape(count, self.board.cells)

    def _hinted(self, blank: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the blanks whose clue is restored, `[B, n * n]` bool."""
        blanks = blank.sum(axis=1)
        give = np.floor(rng.random(len(blank)) * blanks).astype(np.int64)
        give[rng.random(len(blank)) >= self.hints] = 0
        order = rng.random(blank.shape)
        order[~blank] = 2.0
        limit = np.take_along_axis(np.sort(order, axis=1), give[:, None] % self.board.cells, 1)
        hinted: np.ndarray = blank & (order < limit)
        return hinted


def _line_maps(count: int, bands: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Permutations of `bands * size` lines that keep bands together, `[count, bands * size]`."""
    band = rng.random((count, bands)).argsort(axis=1)
    within = rng.random((count, bands, size)).argsort(axis=2)
    lines: np.ndarray = band[:, :, None] * size + within
    return lines.reshape(count, -1)

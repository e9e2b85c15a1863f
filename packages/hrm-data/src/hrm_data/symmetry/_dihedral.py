"""The eight symmetries of a square, for many grids at once."""

from __future__ import annotations

import numpy as np

from hrm_data._errors import HRMDataError

TRANSFORMS = 8
INVERSE = (0, 3, 2, 1, 4, 5, 6, 7)
"""The transform that undoes each: only the quarter turns are not their own inverses."""

_TURNED = (1, 3, 6, 7)
"""The transforms that exchange rows and columns, which they do first."""
_REVERSED = ((1, 1), (-1, 1), (-1, -1), (1, -1), (1, -1), (-1, 1), (1, 1), (-1, -1))
"""By transform, the steps in which rows and columns are then taken."""


def dihedral(grids: np.ndarray, transform: int) -> np.ndarray:
    """Grids `[..., h, w]` moved by one transform, a view `[..., h, w]` or `[..., w, h]`.

    0 to 3 are that many quarter turns counterclockwise; 4 mirrors left to right, 5 top to bottom, 6 in the main
    diagonal, 7 in the other one.

    Raises:
        HRMDataError: The transform does not exist.
    """
    if transform not in range(TRANSFORMS):
        raise HRMDataError(f"the transform is {transform}; the dihedral transforms are 0..{TRANSFORMS - 1}")
    if transform in _TURNED:
        grids = grids.swapaxes(-2, -1)
    rows, columns = _REVERSED[transform]
    return grids[..., ::rows, ::columns]


def undo_dihedral(grids: np.ndarray, transform: int) -> np.ndarray:
    """Undo `dihedral`."""
    return dihedral(grids, INVERSE[transform])


def cell_maps(n: int) -> np.ndarray:
    """Return the old cell that moves to each new cell under each transform, `[8, n * n]` int64."""
    cells = np.arange(n * n).reshape(n, n)
    return np.stack([dihedral(cells, transform).ravel() for transform in range(TRANSFORMS)])


class DihedralAugment:
    """Turns and mirrors each example of a batch by a random one of the eight transforms.

    Args:
        n: Cells in a side; examples are `[n * n]` tokens of a square grid.
    """

    def __init__(self, n: int) -> None:
        self._maps = cell_maps(n)

    def __call__(
        self, inputs: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """New (inputs, labels) `[B, n * n]`, dtype kept; raises `HRMDataError` for other shapes."""
        cells = self._maps.shape[1]
        if inputs.shape != labels.shape or inputs.ndim != 2 or inputs.shape[1] != cells:
            raise HRMDataError(
                f"inputs {inputs.shape} and labels {labels.shape} do not both have the shape [B, {cells}]"
            )
        chosen = self._maps[rng.integers(0, TRANSFORMS, len(inputs))]
        return np.take_along_axis(inputs, chosen, 1), np.take_along_axis(labels, chosen, 1)

"""ARC grids and their tokens: the canvas, augmentations, and how both are undone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data.symmetry._dihedral import TRANSFORMS, dihedral, undo_dihedral
from hrm_data.untrusted import quoted

SIDE = 30
"""Rows and columns of the canvas."""
SEQ_LEN = SIDE * SIDE
VOCAB_SIZE = 12
PAD, END, FIRST_COLOUR = 0, 1, 2
"""Tokens: nothing, the end marker to the right of a grid and below it, and the first of ten colours."""
COLOURS = 10

_HEIGHTS = np.arange(1, SIDE + 1)
_NAMES = {
    mark: re.compile(
        rf"(?P<task>.+){re.escape(mark)}t(?P<transform>[0-7]){re.escape(mark)}(?P<colours>0[1-9]{{9}})", re.DOTALL
    )
    for mark in ("|||", "_")
}
"""Identifiers of copies by the mark between their parts: that of TinyRecursiveModels' builder, and the usual one."""


class GridTooLargeError(HRMDataError):
    """A grid has more than 30 rows or columns."""


@dataclass(frozen=True)
class ArcAugmentation:
    """A dihedral transform and a permutation of the colours.

    Raises:
        HRMDataError: `transform` is not in `0..7`, or `colours` is no permutation of `0..9` that keeps 0.
    """

    transform: int = 0
    colours: tuple[int, ...] = tuple(range(COLOURS))
    """What each colour becomes."""

    def __post_init__(self) -> None:
        if self.transform not in range(TRANSFORMS):
            raise HRMDataError(f"the transform is {self.transform}; the dihedral transforms are 0..{TRANSFORMS - 1}")
        if sorted(self.colours) != list(range(COLOURS)) or self.colours[0] != 0:
            raise HRMDataError(f"colours are {self.colours}; expected a permutation of 0..9 that keeps 0")

    def apply(self, grid: np.ndarray) -> np.ndarray:
        """The augmented copy of a grid `[h, w]` of colours."""
        return dihedral(np.array(self.colours, np.uint8)[grid], self.transform)

    def undo(self, grid: np.ndarray) -> np.ndarray:
        """Return the original of an augmented grid; exact for every grid, a model's own included."""
        return undo_dihedral(self._inverse.take(grid), self.transform)

    @cached_property
    def _inverse(self) -> np.ndarray:
        """The inverse permutation of the colours, cached because answers are undone one by one."""
        return np.argsort(self.colours).astype(np.uint8)

    def name(self, task: str) -> str:
        """The identifier of an augmented task: `name_t<transform>_<colours>`."""
        return f"{task}_t{self.transform}_{''.join(map(str, self.colours))}"


def parse_identifier(name: str, mark: str | None = None) -> tuple[str, ArcAugmentation | None]:
    """The task's name and its augmentation, None where the identifier is that of the original task.

    Args:
        name: The identifier, `name_t<transform>_<colours>` or, as of TinyRecursiveModels, with `|||` in place of `_`.
        mark: The mark of the dataset, from `mark_of`; without it, both are tried.
    """
    for pattern in _NAMES.values() if mark is None else (_NAMES[mark],):
        found = pattern.fullmatch(name)
        if found is not None and len(set(found["colours"])) == COLOURS:
            return found["task"], ArcAugmentation(int(found["transform"]), tuple(map(int, found["colours"])))
    return name, None


def mark_of(identifiers: Iterable[str]) -> str:
    """The mark between the parts of a dataset's identifiers: `|||` if one of them has it, else `_`.

    A name of a task may look like the identifier of a copy with the other mark.
    """
    first, usual = _NAMES
    return first if any(first in name and parse_identifier(name, first)[1] for name in identifiers) else usual


def encode_grid(grid: np.ndarray | Sequence[Sequence[int]], row: int = 0, column: int = 0) -> np.ndarray:
    """Tokens `[900]` uint8 of a grid `[h, w]` of colours 0..9 whose upper left corner stands at `row`, `column`.

    Raises:
        HRMDataError: It is no such grid, or does not fit on the canvas there.
    """
    cells = as_grid(grid)
    height, width = cells.shape
    if row < 0 or column < 0 or row + height > SIDE or column + width > SIDE:
        raise HRMDataError(f"a grid of {height}x{width} at row {row}, column {column} leaves the {SIDE}x{SIDE} canvas")
    canvas = np.full((SIDE + 1, SIDE + 1), PAD, np.uint8)
    canvas[row : row + height, column : column + width] = cells + FIRST_COLOUR
    canvas[row + height, column : column + width] = END
    canvas[row : row + height, column + width] = END
    return np.ascontiguousarray(canvas[:SIDE, :SIDE]).reshape(SEQ_LEN)


def crop(tokens: np.ndarray) -> np.ndarray:
    """Return the grid `[h, w]` uint8 in tokens `[900]`: the largest rectangle of colours at the upper left corner.

    Of equally large rectangles it is the one with the fewest rows. Where the corner holds no colour, the grid
    is `[0, 0]`. This is how the reference reads a prediction.
    """
    canvas = np.asarray(tokens).reshape(SIDE, SIDE)
    height, width = crop_sizes(canvas.reshape(1, SEQ_LEN))[0]
    return (canvas[:height, :width] - FIRST_COLOUR).astype(np.uint8)


def crop_sizes(tokens: np.ndarray) -> np.ndarray:
    """Rows and columns `[B, 2]` int64 of the grids that `crop` finds in tokens `[B, 900]`."""
    canvas = np.asarray(tokens).reshape(-1, SIDE, SIDE)
    colour = np.zeros((len(canvas), SIDE, SIDE + 1), bool)  # the last column ends every run
    colour[..., :SIDE] = (canvas >= FIRST_COLOUR) & (canvas < FIRST_COLOUR + COLOURS)
    run = colour.argmin(axis=2)  # colours at the beginning of each row
    widths = np.minimum.accumulate(run, axis=1)
    rows = (widths * _HEIGHTS).argmax(axis=1)
    sizes = np.empty((len(rows), 2), np.int64)
    sizes[:, 1] = widths[np.arange(len(rows)), rows]
    sizes[:, 0] = (rows + 1) * (sizes[:, 1] > 0)
    return sizes


def small_grid(value: object) -> object:
    """`[h, w]` uint8 for the rows of a grid of colours 0..9, each side 1..30; any other value as it is."""
    if not isinstance(value, list) or not 0 < len(value) <= SIDE:
        return value
    rows = [row for row in value if isinstance(row, list) and 0 < len(row) <= SIDE]
    cells = list(chain.from_iterable(rows))
    if len(rows) < len(value) or len(set(map(len, rows))) > 1 or set(map(type, cells)) != {int}:
        return value
    if min(cells) < 0 or max(cells) >= COLOURS:
        return value
    return np.array(cells, np.uint8).reshape(len(rows), -1)


def as_grid(grid: object, where: str = "the grid") -> np.ndarray:
    """`grid` as `[h, w]` uint8 of colours 0..9, each side 1..30; raises `HRMDataError` naming `where` and the place."""
    if isinstance(grid, np.ndarray):
        grid = grid.tolist()
    if not isinstance(grid, list) or not grid or not all(isinstance(row, list) for row in grid):
        raise HRMDataError(f"{where} is {_brief(grid)}; expected a list of rows")
    packed = small_grid(grid)
    if isinstance(packed, np.ndarray):  # most grids need no closer look
        return packed
    width = len(grid[0])
    for number, row in enumerate(grid):
        if len(row) != width or not row:
            raise HRMDataError(
                f"{where} has {len(row)} cells in row {number} and {width} in row 0; all rows need as many, at least 1"
            )
        for column, colour in enumerate(row):
            if type(colour) is not int or not 0 <= colour < COLOURS:
                raise HRMDataError(
                    f"{where} holds {_brief(colour)} in row {number}, column {column}; expected a colour from 0 to 9"
                )
    if len(grid) > SIDE or width > SIDE:
        raise GridTooLargeError(f"{where} is {len(grid)}x{width}; at most {SIDE}x{SIDE} fits on the canvas")
    return np.array(grid, np.uint8)


def _brief(value: object) -> str:
    text = quoted(value)
    return text if len(text) <= 40 else f"{text[:37]}..."

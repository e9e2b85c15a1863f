"""Draws many augmented ARC grids on their canvases at once."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from hrm_data.arc._grid import COLOURS, END, FIRST_COLOUR, PAD, SEQ_LEN, SIDE
from hrm_data.symmetry._dihedral import TRANSFORMS

_WIDE = SIDE + 1  # the canvas with room for end markers that fall off it
_TOKENS = 16  # a token takes four bits of a stroke


class Pixels:
    """Grids of colours, each kept as strokes: where on the canvas which token stands, for every dihedral transform.

    Only cells and end markers are written, a fifth of a canvas on average, for a whole batch in one operation.

    Args:
        cells: Colours of all grids, one grid after the other, row by row, uint8.
        shapes: `[grids, 2]` uint8, rows and columns of each.
    """

    def __init__(self, cells: np.ndarray, shapes: np.ndarray) -> None:
        self.cells = cells
        self.shapes = shapes
        height, width = shapes.T.astype(np.int64)
        self._lengths = height * width + height + width
        self._starts = np.cumsum(self._lengths) - self._lengths

    def draw(
        self, grids: np.ndarray, transforms: np.ndarray, colours: np.ndarray, rows: np.ndarray, columns: np.ndarray
    ) -> np.ndarray:
        """Tokens `[B, 900]` uint8.

        Args:
            grids: `[B]`, which grids.
            transforms: `[B]`, their dihedral transforms.
            colours: `[B, 10]` uint8, what each colour becomes.
            rows: `[B]`, row of the upper left corner.
            columns: `[B]`, its column.
        """
        count = len(grids)
        lengths = self._lengths[grids]
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if count else 0
        first = transforms * self._strokes.shape[1] + self._starts[grids] - (ends - lengths)
        strokes = self._strokes.reshape(-1)[np.repeat(first, lengths) + np.arange(total)]
        number = np.arange(count)
        places = np.repeat(number * _WIDE**2 + rows * _WIDE + columns, lengths) + (strokes >> 4)
        canvas = np.full(count * _WIDE**2, PAD, np.uint8)
        canvas[places] = _tokens(colours).reshape(-1)[np.repeat(number * _TOKENS, lengths) + (strokes & 15)]
        return np.ascontiguousarray(canvas.reshape(count, _WIDE, _WIDE)[:, :SIDE, :SIDE]).reshape(count, SEQ_LEN)

    def draw_copies(
        self, grids: np.ndarray, transforms: np.ndarray, colours: np.ndarray, rows: np.ndarray, columns: np.ndarray
    ) -> np.ndarray:
        """Tokens `[A, G, 900]` uint8 of `G` grids in `A` augmented copies; faster than `draw`.

        Args:
            grids: `[G]`, which grids.
            transforms: `[A]`, dihedral transforms of the copies.
            colours: `[A, 10]` uint8, what each colour becomes in a copy.
            rows: `[A, G]`, row of the upper left corner.
            columns: `[A, G]`, its column.
        """
        count = len(transforms)
        drawn = np.empty((count, len(grids), SIDE, SIDE), np.uint8)
        turned = [np.flatnonzero(transforms == transform) for transform in range(TRANSFORMS)]
        tokens = [_tokens(colours[copies]) for copies in turned]
        corners = np.arange(count)[:, None] * _WIDE**2 + rows * _WIDE + columns
        canvas = np.empty((count, _WIDE, _WIDE), np.uint8)
        for number, grid in enumerate(grids):
            canvas[:] = PAD
            span = slice(self._starts[grid], self._starts[grid] + self._lengths[grid])
            for copies, strokes, token in zip(turned, self._strokes[:, span], tokens, strict=True):
                places = corners[copies, number][:, None] + (strokes >> 4)
                canvas.reshape(-1)[places] = token.take(strokes & 15, axis=1)
            drawn[:, number] = canvas[:, :SIDE, :SIDE]
        return drawn.reshape(count, len(grids), SEQ_LEN)

    def sums(self, weights: np.ndarray) -> np.ndarray:
        """Sum of `weights` over the places of each token, `[grids / 2, 8, 16]` uint64, modulo 2^64.

        Args:
            weights: `[2, 31 * 31]` uint64, for the grids of a pair, by place on the canvas with one more row and
                column.
        """
        owner = np.repeat(np.arange(len(self.shapes)), self._lengths)
        result = np.zeros((TRANSFORMS, len(self.shapes) // 2 * _TOKENS), np.uint64)
        half = owner % 2 * weights.shape[1]
        for transform, strokes in enumerate(self._strokes):
            np.add.at(
                result[transform], owner // 2 * _TOKENS + (strokes & 15), weights.reshape(-1)[half + (strokes >> 4)]
            )
        return np.ascontiguousarray(result.reshape(TRANSFORMS, -1, _TOKENS).swapaxes(0, 1))

    @cached_property
    def _strokes(self) -> np.ndarray:
        """`[8, strokes]` uint16: place and token of every cell and end marker, grid after grid."""
        height, width = self.shapes.T.astype(np.uint16)
        area, border = (height * width).astype(np.int64), (height + width).astype(np.int64)
        number, at = _within(area, self._starts)
        h, w = np.repeat(height, area), np.repeat(width, area)
        r, c = np.divmod(number.astype(np.uint16), w)
        edge, edge_at = _within(border, self._starts + area)
        edge = edge.astype(np.uint16)

        up, left = h - 1 - r, w - 1 - c
        places = ((r, c), (left, r), (up, left), (c, up), (r, left), (up, c), (c, r), (left, up))
        tokens = self.cells + np.uint16(FIRST_COLOUR)
        strokes = np.empty((TRANSFORMS, len(at) + len(edge_at)), np.uint16)
        for transform, (row, column) in enumerate(places):
            strokes[transform, at] = (row * np.uint16(_WIDE) + column) * np.uint16(_TOKENS) + tokens
            tall, wide = (width, height) if transform in (1, 3, 6, 7) else (height, width)
            tall, wide = np.repeat(tall, border), np.repeat(wide, border)
            below, beside = tall * np.uint16(_WIDE) + edge, (edge - wide) * np.uint16(_WIDE) + wide
            strokes[transform, edge_at] = np.where(edge < wide, below, beside) * np.uint16(_TOKENS) + np.uint16(END)
        return strokes


def _within(sizes: np.ndarray, begins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers within parts of these sizes, 0 to `size - 1` in each, and the places of parts that begin at `begins`."""
    number = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return number, number + np.repeat(begins, sizes)


def _tokens(colours: np.ndarray) -> np.ndarray:
    """What each token becomes, `[N, 16]` uint8, of what each colour becomes, `[N, 10]`."""
    tokens = np.zeros((len(colours), _TOKENS), np.uint8)
    tokens[:, END] = END
    tokens[:, FIRST_COLOUR : FIRST_COLOUR + COLOURS] = colours + FIRST_COLOUR
    return tokens

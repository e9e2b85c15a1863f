"""Put many augmented ARC grids on their canvases at once."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from hrm_data._arc_grid import COLOURS, END, FIRST_COLOUR, PAD, SEQ_LEN, SIDE, TRANSFORMS

_WIDE = SIDE + 1  # the canvas with room for end markers that fall off it
_TOKENS = 16  # a token takes four bits of a stroke


class Pixels:
    """Grids of colours, each kept as strokes: where on the canvas which token stands, for every dihedral transform.

    Only cells and end markers are touched, which are a fifth of a canvas on average, and all of a batch in one go.

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
        tokens = np.zeros((count, _TOKENS), np.uint8)
        tokens[:, END] = END
        tokens[:, FIRST_COLOUR : FIRST_COLOUR + COLOURS] = colours + FIRST_COLOUR
        number = np.arange(count)
        places = np.repeat(number * _WIDE**2 + rows * _WIDE + columns, lengths) + (strokes >> 4)
        canvas = np.full(count * _WIDE**2, PAD, np.uint8)
        canvas[places] = tokens.reshape(-1)[np.repeat(number * _TOKENS, lengths) + (strokes & 15)]
        return np.ascontiguousarray(canvas.reshape(count, _WIDE, _WIDE)[:, :SIDE, :SIDE]).reshape(count, SEQ_LEN)

    def sums(self, weights: np.ndarray) -> np.ndarray:
        """Sum of `weights` over the places of each token, `[grids, 8, 12]` uint64, modulo 2^64.

        Args:
            weights: `[31 * 31]` uint64, by place on the canvas with one more row and column.
        """
        owner = np.repeat(np.arange(len(self.shapes)), self._lengths)
        result = np.zeros((len(self.shapes), TRANSFORMS, _TOKENS), np.uint64)
        for transform in range(TRANSFORMS):
            strokes = self._strokes[transform]
            np.add.at(result[:, transform], (owner, strokes & 15), weights[strokes >> 4])
        return result

    @cached_property
    def _strokes(self) -> np.ndarray:
        """`[8, strokes]` uint16: place and token of every cell and end marker, grid after grid."""
        height, width = self.shapes.T.astype(np.int64)
        area, border = height * width, height + width
        owner = np.repeat(np.arange(len(area)), area)
        number = np.arange(len(owner)) - np.repeat(np.cumsum(area) - area, area)
        h, w = height[owner], width[owner]
        r, c = number // w, number % w
        at = self._starts[owner] + number

        edge_owner = np.repeat(np.arange(len(area)), border)
        edge = np.arange(len(edge_owner)) - np.repeat(np.cumsum(border) - border, border)
        edge_at = self._starts[edge_owner] + area[edge_owner] + edge

        up, left = h - 1 - r, w - 1 - c
        places = ((r, c), (left, r), (up, left), (c, up), (r, left), (up, c), (c, r), (left, up))
        strokes = np.empty((TRANSFORMS, len(owner) + len(edge_owner)), np.uint16)
        for transform, (row, column) in enumerate(places):
            strokes[transform, at] = (row * _WIDE + column) * _TOKENS + self.cells + FIRST_COLOUR
            tall, wide = (width, height) if transform in (1, 3, 6, 7) else (height, width)
            tall, wide = tall[edge_owner], wide[edge_owner]
            place = np.where(edge < wide, tall * _WIDE + edge, (edge - wide) * _WIDE + wide)
            strokes[transform, edge_at] = place * _TOKENS + END
        return strokes

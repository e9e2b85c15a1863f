"""ARC as a task: text to tokens and back, a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data.arc._grid import (
    COLOURS,
    END,
    FIRST_COLOUR,
    PAD,
    SEQ_LEN,
    SIDE,
    VOCAB_SIZE,
    ArcAugmentation,
    as_grid,
    crop,
    encode_grid,
    mark_of,
    parse_identifier,
)
from hrm_data.arc._lines import grids
from hrm_data.symmetry._dihedral import TRANSFORMS
from hrm_data.symmetry._symmetry import Original, Symmetry
from hrm_data.task._geometry import Geometry
from hrm_data.task._picture import Picture, draw_grid
from hrm_data.task._task import Task
from hrm_data.untrusted import parse_json, shortened

# The colours in which the tasks are shown at arcprize.org.
_PALETTE = (
    *("#000000", "#0074d9", "#ff4136", "#2ecc40", "#ffdc00"),
    *("#aaaaaa", "#f012be", "#ff851b", "#7fdbff", "#870c25"),
)


class ArcTask(Task):
    """Grids of colours 0..9, each side 1..30; a board is `[h, w]` uint8, and `[0, 0]` where a model drew none.

    Tokens are those of a canvas of 30x30: 0 padding, 1 end marker, 2..11 the colours.

    Args:
        name: `arc1` or `arc2`.
    """

    seq_len = SEQ_LEN
    vocab_size = VOCAB_SIZE
    colours: ClassVar[Mapping[str, str]] = dict(zip(".123456789", _PALETTE, strict=True))
    rule_known: ClassVar[bool] = False

    def __init__(self, name: str = "arc1") -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"ArcTask({self.name!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ArcTask) and self.name == other.name

    def __hash__(self) -> int:
        return hash((ArcTask, self.name))

    def parse(self, text: str) -> np.ndarray:
        """The board of rows of digits with `/`, `|` or line breaks between them, or of a JSON list of lists.

        Raises:
            HRMDataError: It is no grid; the message names row and column.
        """
        if text.lstrip().startswith("["):
            try:
                return as_grid(parse_json(text), "the puzzle")
            except ValueError as error:
                raise HRMDataError(
                    f"the puzzle is not readable JSON ({shortened(error)}); write it as [[0, 1], [2, 3]]"
                ) from None
        rows = ["".join(row.split()) for row in text.replace("|", "\n").replace("/", "\n").splitlines()]
        rows = [row for row in rows if row]
        for number, row in enumerate(rows):
            for column, char in enumerate(row):
                if char not in "0123456789":
                    raise HRMDataError(
                        f"character {char!r} in row {number}, column {column} is not allowed; "
                        "write colours as digits 0 to 9, and / between rows"
                    )
        return as_grid([[int(char) for char in row] for row in rows], "the puzzle")

    def geometry(self) -> Geometry:
        """All colours but the first, black, which most tasks use as background, are interchangeable."""
        others = tuple(range(FIRST_COLOUR + 1, VOCAB_SIZE))
        return Geometry(columns=SIDE, symbols=others, constants=(PAD, END, FIRST_COLOUR))

    def find_puzzles(self, lines: Iterable[str]) -> Iterator[tuple[int, str]]:
        """Yield grids in one line each, or in a line for each row with a blank line after the last."""
        return grids(lines)

    def text(self, board: np.ndarray) -> str:
        """Rows of digits with `/` between them."""
        return "/".join("".join(map(str, row)) for row in np.asarray(board).tolist())

    def encode(self, board: np.ndarray) -> np.ndarray:
        """Tokens `[900]` int32 of a board in the upper left corner of the canvas."""
        return encode_grid(board).astype(np.int32)

    def decode(self, tokens: np.ndarray) -> np.ndarray:
        """Return the board of tokens `[900]`, as `crop` finds it, at any position on the canvas."""
        canvas = np.asarray(tokens)
        if canvas.shape != (SEQ_LEN,) or not np.issubdtype(canvas.dtype, np.integer):
            raise HRMDataError(f"tokens are {canvas.dtype} {canvas.shape}; expected integers of shape ({SEQ_LEN},)")
        if canvas.min() < 0 or canvas.max() >= VOCAB_SIZE:
            raise HRMDataError(f"tokens are in {canvas.min()}..{canvas.max()}; expected 0..{VOCAB_SIZE - 1}")
        return crop(_to_corner(canvas.reshape(SIDE, SIDE)))

    def check(self, puzzle: np.ndarray, answer: np.ndarray) -> bool:
        """Return whether `answer` is a grid; only the task's demonstrations tell whether it is right."""
        return bool(np.asarray(answer).size)

    def explain(self, puzzle: np.ndarray, answer: np.ndarray) -> dict[str, np.ndarray]:
        """All tokens, where the answer is no grid."""
        return {} if self.check(puzzle, answer) else {"is no grid": np.ones(SEQ_LEN, bool)}

    def render(self, board: np.ndarray) -> Picture:
        """A picture of digits, `.` for colour 0."""
        cells = np.asarray(board)
        symbols = np.where(cells == 0, ".", cells.astype(str)).reshape(cells.shape)
        return draw_grid(symbols, row_length=SIDE)

    def measure(self, puzzle: np.ndarray) -> tuple[str, int]:
        """The number of cells."""
        return "cells", int(np.asarray(puzzle).size)

    def symmetries(self, rng: np.random.Generator) -> Iterator[Symmetry]:
        """Yield turns and reflections with permutations of the colours 1 to 9, endlessly.

        They move the grid within its canvas. An answer that is no grid turns into the empty canvas.
        """
        while True:
            colours = (0, *(1 + rng.permutation(COLOURS - 1)).tolist())
            change = ArcAugmentation(int(rng.integers(TRANSFORMS)), colours)
            yield Symmetry(self._on_canvas(change.apply), self._on_canvas(change.undo))

    def originals(self, identifiers: Sequence[str]) -> Callable[[str], Original]:
        """What finds the task that an identifier is a copy of: `name_t<transform>_<colours>`, or with `|||` for `_`."""
        mark = mark_of(identifiers)

        def original(identifier: str) -> Original:
            name, change = parse_identifier(identifier, mark)
            undo = (change or ArcAugmentation()).undo
            return Original(name, lambda tokens: undo(crop(tokens)))

        return original

    def _on_canvas(self, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
        def one(canvas: np.ndarray) -> np.ndarray:
            grid = self.decode(canvas)
            return encode_grid(change(grid)) if grid.size else np.full(SEQ_LEN, PAD)

        return lambda tokens: np.apply_along_axis(one, -1, tokens).astype(tokens.dtype)

    def to_json(self) -> dict[str, Any]:
        """`{"task": "arc1"}`."""
        return {"task": self.name}


def _to_corner(canvas: np.ndarray) -> np.ndarray:
    """The canvas moved so that what it shows begins in the upper left corner, as in untranslated examples."""
    shown = canvas != PAD
    if not shown.any():
        return canvas
    row, column = int(shown.any(axis=1).argmax()), int(shown.any(axis=0).argmax())
    moved = np.full_like(canvas, PAD)
    moved[: SIDE - row, : SIDE - column] = canvas[row:, column:]
    return moved

"""Sudoku as a task: text to tokens and back, rules, a picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import isqrt
from typing import Any, ClassVar

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data.sudoku._augment import SudokuAugment
from hrm_data.sudoku._board import Board, Box, as_board, as_grids
from hrm_data.sudoku._rules import violations
from hrm_data.symmetry._symmetry import Symmetry, relabelling
from hrm_data.task._board_text import BoardText
from hrm_data.task._geometry import Geometry
from hrm_data.task._picture import Picture, draw_grid
from hrm_data.task._task import Augment, Task

BLANKS = ".0*_"
"""Characters for a blank cell."""
SOLE_BLANKS = "-xX?"
"""Characters for a blank cell where the board has no other ones; else they are mistakes."""


def blanks_of(text: str) -> str:
    """Return the characters that stand for blanks in the text of a board."""
    used = {char.lower() for char in text if char in BLANKS + SOLE_BLANKS}
    return BLANKS + SOLE_BLANKS if len(used) == 1 else BLANKS


class SudokuTask(Task):
    """Sudoku with boxes of any shape; boards are `[n, n]` uint8, 0 for a blank, tokens digit + 1, blank 1, pad 0."""

    LENGTHS: ClassVar[dict[int, Box]] = {16: (2, 2), 36: (2, 3), 81: (3, 3)}
    """The usual box shape of a board by its number of cells."""
    open_token: ClassVar[int | None] = 1

    def __init__(self, box: Box | Board = (3, 3)) -> None:
        self.board = as_board(box)
        self.name = f"sudoku-{self.board.rows}x{self.board.cols}"
        self.seq_len = self.board.cells
        self.vocab_size = self.board.n + 2
        n = self.board.n
        self.board_text = BoardText(n, n, "123456789"[:n], BLANKS + SOLE_BLANKS, band=self.board.rows)

    def __repr__(self) -> str:
        return f"SudokuTask(box=({self.board.rows}, {self.board.cols}))"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SudokuTask) and self.board == other.board

    def __hash__(self) -> int:
        return hash((SudokuTask, self.board))

    def parse(self, text: str) -> np.ndarray:
        """The board `[n, n]` uint8 of a text in reading order; `.`, `0`, `*`, `_` are blanks.

        So are `-`, `x` or `?` where they are the only ones. White space is skipped.

        Raises:
            HRMDataError: A character or the length is wrong; the message names it.
        """
        n = self.board.n
        value = {char: 0 for char in blanks_of(text)} | {str(digit): digit for digit in range(1, n + 1)}
        chars = [(at, char) for at, char in enumerate(text, start=1) if not char.isspace()]
        side = isqrt(len(chars))
        if side > 9 and side * side == len(chars):
            raise HRMDataError(
                f"the puzzle has {len(chars)} characters, as a {side}x{side} board, but {self.name} has {n}x{n} cells; "
                "boards larger than 9x9 are not supported, remove it"
            )
        if len(chars) != self.board.cells:
            band = self.board.cells // self.board.cols
            is_band = "\n" in text and len(chars) % band == 0
            raise HRMDataError(
                f"the puzzle has {len(chars)} characters, but a puzzle has {self.board.cells} in {self.name}; "
                f"allowed lengths are {_lengths(self.LENGTHS)}, each for its own board"
                + ("; with blank lines between bands, put a title or two blank lines between boards" * is_band)
            )
        for cell, (at, char) in enumerate(chars):
            if char not in value:
                raise HRMDataError(
                    f"character {char!r} at position {at} (row {cell // n + 1}, column {cell % n + 1}) "
                    f"is not allowed; use the digits 1..{n} and one of {' '.join(BLANKS)} for a blank"
                )
        return np.array([value[char] for _, char in chars], np.uint8).reshape(n, n)

    def geometry(self) -> Geometry:
        """Digits are interchangeable, and boxes are groups beside rows and columns."""
        n, boxes = self.board.n, tuple(self.board.box_of_cell().tolist())
        return Geometry(columns=n, groups=(boxes,), symbols=tuple(range(2, n + 2)))

    def other_sizes(self) -> Iterator[SudokuTask]:
        """Yield the usual boards with another number of cells."""
        return (SudokuTask(box) for cells, box in self.LENGTHS.items() if cells != self.seq_len)

    def find_puzzles(self, lines: Iterable[str]) -> Iterator[tuple[int, str]]:
        """Yield boards in one line or in `n`, see `BoardText`."""
        return self.board_text.find(lines)

    def encode(self, board: np.ndarray) -> np.ndarray:
        """Tokens `[n * n]` int32 of a board `[n, n]` or `[n * n]`."""
        return self._one(board, "board").astype(np.int32) + 1

    def decode(self, tokens: np.ndarray) -> np.ndarray:
        """The board `[n, n]` uint8 of tokens `[n * n]`; pad and blank both give 0."""
        array = np.asarray(tokens)
        if array.shape != (self.seq_len,) or not np.issubdtype(array.dtype, np.integer):
            raise HRMDataError(f"tokens are {array.dtype} {array.shape}; expected integers of shape ({self.seq_len},)")
        if array.min() < 0 or array.max() >= self.vocab_size:
            raise HRMDataError(f"tokens are in {array.min()}..{array.max()}; expected 0..{self.vocab_size - 1}")
        return np.maximum(array.astype(np.int32) - 1, 0).astype(np.uint8).reshape(self.board.n, self.board.n)

    def text(self, board: np.ndarray) -> str:
        """A board as digits in one line, `.` for a blank."""
        return "".join(str(digit) if digit else "." for digit in self._one(board, "board").tolist())

    def violations(self, board: np.ndarray) -> np.ndarray:
        """Return the cells whose digit occurs twice in row, column or box, `[n, n]` bool; blanks break no rule."""
        return violations(self._one(board, "board")[None], self.board).reshape(self.board.n, self.board.n)

    def check(self, puzzle: np.ndarray, answer: np.ndarray) -> bool:
        """Return whether `answer` fills every cell, obeys the rules and keeps the clues of `puzzle`."""
        return not self.explain(puzzle, answer)

    def check_puzzle(self, puzzle: np.ndarray) -> None:
        """Raise `HRMDataError`, naming digit and cells, if two clues contradict each other."""
        cells = self._one(puzzle, "puzzle")
        wrong = np.flatnonzero(self.violations(cells))
        if wrong.size:
            n = self.board.n
            digit = cells[wrong[0]]
            places = ", ".join(f"row {w // n + 1} column {w % n + 1}" for w in wrong.tolist() if cells[w] == digit)
            raise HRMDataError(
                f"the clues contradict each other: digit {digit} at {places} "
                "repeats in a row, column or box; correct the puzzle"
            )

    def explain(self, puzzle: np.ndarray, answer: np.ndarray) -> dict[str, np.ndarray]:
        """Return empty cells, cells that break a rule and changed clues; faults that do not occur are left out."""
        clues, cells = self._one(puzzle, "puzzle"), self._one(answer, "answer")
        faults = {
            "leaves cells empty": cells == 0,
            "breaks the rules": self.violations(cells).ravel(),
            "changes clues": (clues > 0) & (clues != cells),
        }
        return {fault: where for fault, where in faults.items() if where.any()}

    def check_all(self, inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """`check` for tokens `[B, n * n]`, a batch at a time."""
        clues, cells = (np.maximum(tokens.astype(np.int32) - 1, 0) for tokens in (inputs, labels))
        right = (cells > 0) & ((clues == 0) | (clues == cells)) & ~violations(cells, self.board)
        solved: np.ndarray = right.all(axis=1)
        return solved

    def measure(self, puzzle: np.ndarray) -> tuple[str, int]:
        """The number of clues."""
        return "clues", int(np.count_nonzero(puzzle))

    def render(self, board: np.ndarray) -> Picture:
        """A picture with lines between boxes, `.` for a blank."""
        n = self.board.n
        symbols = np.array(list(self.text(board))).reshape(n, n)
        return draw_grid(symbols, box=(self.board.rows, self.board.cols))

    def augment(self, hints: float = 0.0) -> Augment:
        """`SudokuAugment` for this board."""
        return SudokuAugment(self.board, hints)

    def symmetries(self, rng: np.random.Generator) -> Iterator[Symmetry]:
        """Yield the symmetries of `SudokuAugment`, endlessly."""
        augment = SudokuAugment(self.board)
        while True:
            digits = 2 + rng.permutation(self.board.n)
            yield relabelling(augment.cell_maps(1, rng)[0], np.concatenate([[0, 1], digits]))

    def to_json(self) -> dict[str, Any]:
        """`{"task": "sudoku", "box": [rows, columns]}`."""
        return {"task": "sudoku", "box": [self.board.rows, self.board.cols]}

    def _one(self, board: np.ndarray, name: str) -> np.ndarray:
        grids = as_grids(board, self.board, name)
        if len(grids) != 1:
            raise HRMDataError(f"{name} holds {len(grids)} boards; expected one")
        cells: np.ndarray = grids[0]
        return cells


def _lengths(lengths: Mapping[int, Box]) -> str:
    return ", ".join(f"{cells} ({rows}x{cols} boxes)" for cells, (rows, cols) in lengths.items())

"""The rules of Hitori, and its boards as tokens, text and pictures."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from hrm_data import Augment, BoardText, Geometry, HRMDataError, Picture, Task, draw_grid

SHADED = 0


class HitoriTask(Task):
    """Shade cells until no digit stands twice in a row or column.

    No two shaded cells may share a side, and the others must hang together. Boards are `[n, n]` digits, 0 for a
    shaded cell; tokens are pad 0, shaded 1, digit + 1.
    """

    def __init__(self, size: int = 5) -> None:
        if not 3 <= size <= 9:
            raise HRMDataError(f"size is {size}; Hitori boards have 3 to 9 rows here")
        self.size = size
        self.name = f"hitori-{size}x{size}"
        self.seq_len = size * size
        self.vocab_size = size + 2

    def parse(self, text: str) -> np.ndarray:
        """Digits in reading order, `#` for a shaded cell; white space is skipped."""
        cells = "".join(text.split())
        if len(cells) != self.seq_len:
            raise HRMDataError(
                f"the puzzle has {len(cells)} characters, but a puzzle has {self.seq_len} in {self.name}"
            )
        digits = "#" + "".join(str(digit) for digit in range(1, self.size + 1))
        for at, char in enumerate(cells):
            if char not in digits:
                row, column = divmod(at, self.size)
                raise HRMDataError(
                    f"character {char!r} in row {row + 1}, column {column + 1} is not allowed; use one of {digits}"
                )
        return np.array([digits.index(char) for char in cells]).reshape(self.size, self.size)

    def text(self, board: np.ndarray) -> str:
        """The cells in reading order."""
        return "".join(str(cell) if cell else "#" for cell in board.ravel().tolist())

    def find_puzzles(self, lines: Iterable[str]) -> Iterator[tuple[int, str]]:
        """Boards in one line or in `n`."""
        return BoardText(self.size, self.size, "123456789"[: self.size]).find(lines)

    def geometry(self) -> Geometry:
        """Digits are interchangeable; beside rows and columns, pairs of neighbours are groups."""
        rows, columns = np.divmod(np.arange(self.seq_len), self.size)
        pairs = [
            line * self.size + (at + shift) // 2 for line, at in ((rows, columns), (columns, rows)) for shift in (0, 1)
        ]
        groups = tuple(tuple(np.unique(pair, return_inverse=True)[1].tolist()) for pair in pairs)
        return Geometry(columns=self.size, groups=groups, symbols=tuple(range(2, self.vocab_size)), constants=(1,))

    def other_sizes(self) -> Iterator["HitoriTask"]:
        """The boards with another number of cells."""
        return (HitoriTask(size) for size in range(3, 10) if size != self.size)

    def encode(self, board: np.ndarray) -> np.ndarray:
        """Tokens `[n * n]` of a board."""
        if board.size != self.seq_len or board.min() < 0 or board.max() > self.size:
            raise HRMDataError(f"a board of {self.name} has {self.size}x{self.size} cells, each 0 to {self.size}")
        return board.ravel().astype(np.int32) + 1

    def decode(self, tokens: np.ndarray) -> np.ndarray:
        """The board of tokens; padding is taken for shaded."""
        return np.maximum(tokens.reshape(self.size, self.size) - 1, SHADED)

    def check(self, puzzle: np.ndarray, answer: np.ndarray) -> bool:
        """Whether no rule is broken and every cell keeps its digit or is shaded."""
        return not self.explain(puzzle, answer)

    def explain(self, puzzle: np.ndarray, answer: np.ndarray) -> dict[str, np.ndarray]:
        """The rules that an answer breaks, and where."""
        faults = {
            "repeats a digit in a row or column": repeated(answer),
            "shades neighbours": (answer == SHADED) & beside(answer == SHADED),
            "cuts the rest apart": (answer != SHADED) & ~reached(answer != SHADED),
            "changes digits": (answer != SHADED) & (answer != puzzle),
        }
        return {fault: where.ravel() for fault, where in faults.items() if where.any()}

    def render(self, board: np.ndarray) -> Picture:
        """The digits, `#` where shaded."""
        return draw_grid(np.array(list(self.text(board))).reshape(board.shape))

    def augment(self, *, turn: bool = True) -> Augment:
        """Relabel digits and, if asked to, turn and mirror; each example its own way."""

        def vary(inputs: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
            tokens = np.tile(np.arange(self.vocab_size, dtype=inputs.dtype), (len(inputs), 1))
            tokens[:, 2:] = rng.random((len(inputs), self.size)).argsort(axis=1) + 2
            cells = symmetries(self.size)[rng.integers(8 if turn else 1, size=len(inputs))]
            both = (np.take_along_axis(part, cells, axis=1) for part in (inputs, labels))
            new_inputs, new_labels = (np.take_along_axis(tokens, part, axis=1) for part in both)
            return new_inputs, new_labels

        return vary

    def to_json(self) -> dict[str, Any]:
        """What the family needs to make this task again."""
        return {"task": "hitori", "size": self.size}


def symmetries(size: int) -> np.ndarray:
    """The cell that comes to each cell under the eight symmetries of the square, `[8, n * n]`."""
    cells = np.arange(size * size).reshape(size, size)
    turned = [np.rot90(cells, turns) for turns in range(4)]
    return np.stack([grid.ravel() for one in turned for grid in (one, one.T)])


def repeated(board: np.ndarray) -> np.ndarray:
    """Cells whose digit stands again in their row or column."""
    rows = (board[:, :, None] == board[:, None, :]).sum(axis=2) > 1
    columns = (board[:, None, :] == board[None, :, :]).sum(axis=1) > 1
    return (rows | columns) & (board != SHADED)


def beside(marked: np.ndarray) -> np.ndarray:
    """Cells that share a side with a marked one."""
    wide = np.pad(marked, 1)
    return wide[:-2, 1:-1] | wide[2:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:]


def reached(free: np.ndarray) -> np.ndarray:
    """Cells that hang together with the first free one."""
    found = np.zeros_like(free)
    found.flat[np.argmax(free)] = free.any()
    while True:
        more = found | (beside(found) & free)
        if (more == found).all():
            return found
        found = more

"""The rules of Binairo, and its boards as tokens, text and pictures."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from hrm_data import Augment, BoardText, Geometry, HRMDataError, Picture, Symmetry, Task, draw_grid
from hrm_data.symmetry import dihedral, relabelling

BLANK = -1


class BinairoTask(Task):
    """Fill in 0 and 1, as many of each in every row and column, never three in a row, and no line twice.

    Boards are `[n, n]` digits, -1 for a blank; tokens are pad 0, blank 1, digit + 2.
    """

    vocab_size = 4
    open_token = 1

    def __init__(self, size: int = 8) -> None:
        if size not in (6, 8):
            raise HRMDataError(f"size is {size}; Binairo boards have 6 or 8 rows here")
        self.size = size
        self.name = f"binairo-{size}x{size}"
        self.seq_len = size * size

    def parse(self, text: str) -> np.ndarray:
        """Digits in reading order, `_` or `.` for a blank; white space is skipped."""
        cells = "".join(text.split())
        if len(cells) != self.seq_len:
            raise HRMDataError(f"the puzzle has {len(cells)} characters, but {self.name} has {self.seq_len}")
        for at, char in enumerate(cells):
            if char not in "01_.":
                row, column = divmod(at, self.size)
                raise HRMDataError(
                    f"character {char!r} in row {row + 1}, column {column + 1} is not allowed; use one of 01_"
                )
        return np.array([BLANK if char in "_." else int(char) for char in cells]).reshape(self.size, self.size)

    def text(self, board: np.ndarray) -> str:
        """The cells in reading order."""
        return "".join("_01"[cell + 1] for cell in board.ravel().tolist())

    def find_puzzles(self, lines: Iterable[str]) -> Iterator[tuple[int, str]]:
        """Boards in one line or in `n`."""
        return BoardText(self.size, self.size, "01", "_.").find(lines)

    def check_puzzle(self, puzzle: np.ndarray) -> None:
        """Refuse puzzles whose digits break a rule already."""
        for problem, where in faults(puzzle).items():
            if where.any() and problem != "leaves cells blank":
                row, column = np.argwhere(where)[0] + 1
                raise HRMDataError(f"the puzzle {problem}, see row {row}, column {column}; change its digits")

    def geometry(self) -> Geometry:
        """Digits are interchangeable; beside rows and columns, pairs of neighbours are groups."""
        rows, columns = np.divmod(np.arange(self.seq_len), self.size)
        pairs = [
            line * self.size + (at + shift) // 2 for line, at in ((rows, columns), (columns, rows)) for shift in (0, 1)
        ]
        groups = tuple(tuple(np.unique(pair, return_inverse=True)[1].tolist()) for pair in pairs)
        return Geometry(columns=self.size, groups=groups, symbols=(2, 3))

    def other_sizes(self) -> Iterator["BinairoTask"]:
        """The boards with another number of cells."""
        return (BinairoTask(size) for size in (6, 8) if size != self.size)

    def encode(self, board: np.ndarray) -> np.ndarray:
        """Tokens `[n * n]` of a board."""
        if board.shape != (self.size, self.size) or board.min() < BLANK or board.max() > 1:
            raise HRMDataError(f"a board of {self.name} has {self.size}x{self.size} cells, each -1, 0 or 1")
        return board.ravel().astype(np.int32) + 2

    def decode(self, tokens: np.ndarray) -> np.ndarray:
        """The board of tokens; padding is taken for blank."""
        return np.maximum(tokens.reshape(self.size, self.size) - 2, BLANK)

    def check(self, puzzle: np.ndarray, answer: np.ndarray) -> bool:
        """Whether the answer obeys the rules and keeps the puzzle's digits."""
        return not self.explain(puzzle, answer)

    def explain(self, puzzle: np.ndarray, answer: np.ndarray) -> dict[str, np.ndarray]:
        """The rules that an answer breaks, and where."""
        found = {**faults(answer), "changes digits": (puzzle != BLANK) & (answer != puzzle)}
        return {fault: where.ravel() for fault, where in found.items() if where.any()}

    def measure(self, puzzle: np.ndarray) -> tuple[str, int]:
        """The number of digits."""
        return "digits", int((puzzle != BLANK).sum())

    def render(self, board: np.ndarray) -> Picture:
        """The digits, `_` where blank."""
        return draw_grid(np.array(list(self.text(board))).reshape(board.shape))

    def augment(self, *, turn: bool = True) -> Augment:
        """Exchange 0 and 1 by half and, if asked to, turn and mirror; each example its own way."""
        cells, tokens = self._changes(8 if turn else 1)

        def vary(inputs: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
            chosen = rng.integers(len(cells), size=len(inputs))
            moved = (np.take_along_axis(part, cells[chosen], axis=1) for part in (inputs, labels))
            new_inputs, new_labels = (np.take_along_axis(tokens[chosen], part, axis=1) for part in moved)
            return new_inputs, new_labels

        return vary

    def symmetries(self, rng: np.random.Generator) -> Iterator[Symmetry]:
        """The 15 ways to turn, mirror and exchange digits."""
        cells, tokens = self._changes(8)
        return (relabelling(cells[at], tokens[at]) for at in 1 + rng.permutation(len(cells) - 1))

    def _changes(self, transforms: int) -> tuple[np.ndarray, np.ndarray]:
        """For each symmetry the old cell that moves to each new one, and what each token becomes."""
        grid = np.arange(self.seq_len).reshape(self.size, self.size)
        cells = [dihedral(grid, transform).ravel() for transform in range(transforms) for _ in range(2)]
        return np.stack(cells), np.array([[0, 1, 2, 3], [0, 1, 3, 2]] * transforms)

    def to_json(self) -> dict[str, Any]:
        """What the family needs to make this task again."""
        return {"task": "binairo", "size": self.size}


def is_right(board: np.ndarray) -> bool:
    """Whether a board is filled in by the rules."""
    return not any(where.any() for where in faults(board).values())


def faults(board: np.ndarray) -> dict[str, np.ndarray]:
    """What breaks a rule, and where, `[n, n]` bool each; blanks break none but the one against blanks."""
    return {
        "has three in a row": _three(board) | _three(board.T).T,
        "has too many of a digit in a line": _too_many(board) | _too_many(board.T).T,
        "has a line twice": _twice(board) | _twice(board.T).T,
        "leaves cells blank": board == BLANK,
    }


def _three(board: np.ndarray) -> np.ndarray:
    found = np.zeros(board.shape, bool)
    middle = (board[:, :-2] == board[:, 1:-1]) & (board[:, 1:-1] == board[:, 2:]) & (board[:, 1:-1] != BLANK)
    for shift in range(3):
        found[:, shift : shift + middle.shape[1]] |= middle
    return found


def _too_many(board: np.ndarray) -> np.ndarray:
    found = np.zeros(board.shape, bool)
    for digit in (0, 1):
        found |= (board == digit) & ((board == digit).sum(axis=1, keepdims=True) > board.shape[1] // 2)
    return found


def _twice(board: np.ndarray) -> np.ndarray:
    same = (board[:, None] == board[None]).all(axis=2) & (board != BLANK).all(axis=1)
    return np.broadcast_to((same.sum(axis=1) > 1)[:, None], board.shape)

"""Futoshiki boards as tokens, text and pictures, and how they can be varied."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
from hrm_data import IGNORE, Augment, BoardText, Geometry, HRMDataError, Picture, Symmetry, Task, draw_grid
from hrm_data.symmetry import dihedral, relabelling

from hrm_futoshiki._rules import BLANK, DOWN, LEFT, NOTHING, RIGHT, SIGNS, UP, against_signs, is_cell, repeated

_SIGNS = ".<>^v"


class FutoshikiTask(Task):
    """Fill in 1 to n so that no digit stands twice in a row or column and every sign points to the smaller digit.

    Boards are `[2n - 1, 2n - 1]`: cells in every other row and column hold a digit or 0, and one of `SIGNS` stands
    between them. Tokens are pad 0, blank 1, digit + 1, then the signs.
    """

    open_token = 1

    def __init__(self, size: int = 4) -> None:
        if not 4 <= size <= 7:
            raise HRMDataError(f"size is {size}; Futoshiki boards have 4 to 7 rows here")
        self.size = size
        self.side = 2 * size - 1
        self.name = f"futoshiki-{size}x{size}"
        self.seq_len = self.side**2
        self.vocab_size = size + 2 + len(SIGNS)
        self.kept_tokens = tuple(range(size + 2, self.vocab_size))
        self._chars = "?_" + "1234567"[:size] + _SIGNS  # by token

    def parse(self, text: str) -> np.ndarray:
        """Cells and what stands between them in reading order: digits, `_` for a blank, `<>^v`, `.` for no sign."""
        chars = "".join(text.split())
        if len(chars) != self.seq_len:
            raise HRMDataError(
                f"the puzzle has {len(chars)} characters, but {self.name} has {self.side} rows of {self.side}"
            )
        for at, char in enumerate(chars):
            row, column = divmod(at, self.side)
            allowed = (self._chars[1 : self.size + 2], ".<>", ".^v", ".")[row % 2 * 2 + column % 2]
            if char not in allowed:
                raise HRMDataError(
                    f"character {char!r} in row {row + 1}, column {column + 1} is not allowed; use one of {allowed}"
                )
        return self.decode(np.array([self._chars.index(char) for char in chars]))

    def text(self, board: np.ndarray) -> str:
        """The board in reading order."""
        return "".join(self._chars[token] for token in self._tokens(board).ravel().tolist())

    def find_puzzles(self, lines: Iterable[str]) -> Iterator[tuple[int, str]]:
        """Boards in one line or in `2n - 1`."""
        return BoardText(self.side, self.side, self._chars[2:], "_").find(lines)

    def check_puzzle(self, puzzle: np.ndarray) -> None:
        """Refuse digits that break a rule already."""
        for problem, where in (("repeats a digit", repeated(puzzle)), ("breaks a sign", against_signs(puzzle))):
            if where.any():
                row, column = np.argwhere(where)[0] + 1
                raise HRMDataError(f"the digit in row {row}, column {column} {problem}; change one of them")

    def geometry(self) -> Geometry:
        """Beside rows and columns, each cell forms groups with the sign on either side of it."""
        rows, columns = np.divmod(np.arange(self.seq_len), self.side)
        pairs = [
            line * self.side + (at + shift) // 2 for line, at in ((rows, columns), (columns, rows)) for shift in (0, 1)
        ]
        groups = tuple(tuple(np.unique(pair, return_inverse=True)[1].tolist()) for pair in pairs)
        return Geometry(columns=self.side, groups=groups, constants=tuple(range(1, self.vocab_size)))

    def encode(self, board: np.ndarray) -> np.ndarray:
        """Tokens `[seq_len]` of a board."""
        cells = is_cell(self.size)
        if (
            board.shape != cells.shape
            or not ((board[cells] >= BLANK) & (board[cells] <= self.size)).all()
            or not np.isin(board[~cells], SIGNS).all()
        ):
            raise HRMDataError(
                f"a board of {self.name} has {self.side} rows of {self.side}: cells of 0 to {self.size}, and signs of "
                f"{NOTHING} to {DOWN} between them"
            )
        return self._tokens(board).ravel()

    def decode(self, tokens: np.ndarray) -> np.ndarray:
        """The board of tokens; padding is taken for a blank."""
        return self._values(tokens).reshape(self.side, self.side)

    def label(self, solution: np.ndarray) -> np.ndarray:
        """Tokens `[seq_len]` of a solution's cells, and 0, which a dataset ignores, between them."""
        tokens: np.ndarray = np.where(is_cell(self.size).ravel(), self.encode(solution), 0)
        return tokens

    def check(self, puzzle: np.ndarray, answer: np.ndarray) -> bool:
        """Whether the answer is the puzzle with all cells filled in by the rules."""
        return not self.explain(puzzle, answer)

    def explain(self, puzzle: np.ndarray, answer: np.ndarray) -> dict[str, np.ndarray]:
        """The rules that an answer breaks, and where."""
        cells = is_cell(self.size)
        faults = {
            "repeats a digit in a row or column": repeated(answer),
            "breaks a sign": against_signs(answer),
            "leaves cells without a digit": cells & ((answer == BLANK) | (answer >= NOTHING)),
            "changes the puzzle": (answer != puzzle) & ~(cells & (puzzle == BLANK)),
        }
        return {fault: where.ravel() for fault, where in faults.items() if where.any()}

    def render(self, board: np.ndarray) -> Picture:
        """The cells, with the signs between them."""
        return draw_grid(np.array(list(self.text(board))).reshape(board.shape))

    def augment(self, *, turn: bool = True) -> Augment:
        """Turn, mirror and, by half, exchange large and small digits; each example its own way.

        Labels are -100 where nothing is asked for, and stay so.
        """
        cells, tokens = self._changes
        if not turn:
            cells, tokens = cells[:2], tokens[:2]

        def vary(inputs: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
            chosen = rng.integers(len(cells), size=len(inputs))
            moved = [np.take_along_axis(part, cells[chosen], axis=1) for part in (inputs, labels)]
            new_inputs, new_labels = (np.take_along_axis(tokens[chosen], np.maximum(part, 0), axis=1) for part in moved)
            return new_inputs, np.where(moved[1] == IGNORE, IGNORE, new_labels)

        return vary

    def symmetries(self, rng: np.random.Generator) -> Iterator[Symmetry]:
        """The 15 ways to turn, mirror and exchange digits."""
        cells, tokens = self._changes
        return (relabelling(cells[at], tokens[at]) for at in 1 + rng.permutation(len(cells) - 1))

    @cached_property
    def _changes(self) -> tuple[np.ndarray, np.ndarray]:
        """For each symmetry, the old cell that moves to each new one, `[16, seq_len]`, and the new tokens `[16, V]`."""
        grid = np.arange(self.seq_len).reshape(self.side, self.side)
        compass = np.array([[NOTHING, UP, NOTHING], [LEFT, NOTHING, RIGHT], [NOTHING, DOWN, NOTHING]])
        opposite = dihedral(compass, 2)
        cells, tokens = [], []
        for transform in range(8):
            for reverse in (False, True):
                values = np.arange(DOWN + 1)
                values[dihedral(compass, transform)] = opposite if reverse else compass
                if reverse:
                    values[1 : self.size + 1] = np.arange(self.size, 0, -1)
                cells.append(dihedral(grid, transform).ravel())
                tokens.append(self._tokens(values[self._values(np.arange(self.vocab_size))]))
                tokens[-1][0] = 0
        return np.stack(cells), np.stack(tokens)

    def smallest_copy(self, puzzle: np.ndarray) -> bytes:
        """The same for all turned, mirrored and exchanged copies of a puzzle, and for no other."""
        inputs = self.encode(puzzle)
        return min(new[inputs[old]].astype(np.uint8).tobytes() for old, new in zip(*self._changes, strict=True))

    def _values(self, tokens: np.ndarray) -> np.ndarray:
        signs = tokens - (self.size + 2)
        values: np.ndarray = np.where(signs >= 0, signs + NOTHING, np.maximum(tokens - 1, BLANK))
        return values.astype(np.int32)

    def _tokens(self, board: np.ndarray) -> np.ndarray:
        tokens: np.ndarray = np.where(board >= NOTHING, board - NOTHING + self.size + 2, board + 1)
        return tokens.astype(np.int32)

    def to_json(self) -> dict[str, Any]:
        """What the family needs to make this task again."""
        return {"task": "futoshiki", "size": self.size}

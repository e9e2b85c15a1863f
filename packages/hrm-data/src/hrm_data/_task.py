"""What applications need to know of a task: text to tokens and back, rules, a plain picture."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from hrm_data._augment import SudokuAugment
from hrm_data._board import Board, Box, as_board, as_grids
from hrm_data._errors import HRMDataError
from hrm_data._format import read_task
from hrm_data._loader import Augment
from hrm_data._rules import violations

BLANKS = ".0*_"


@runtime_checkable
class Task(Protocol):
    """A kind of puzzle, as far as applications depend on it. Boards are `[n, n]` uint8, 0 for a blank."""

    @property
    def name(self) -> str:
        """Name under which `get_task` finds it."""
        ...

    @property
    def seq_len(self) -> int:
        """Tokens in an example."""
        ...

    @property
    def vocab_size(self) -> int:
        """Number of tokens."""
        ...

    def parse(self, text: str) -> np.ndarray:
        """A board from text that a user wrote."""
        ...

    def encode(self, board: np.ndarray) -> np.ndarray:
        """Tokens `[seq_len]` int32 of a board."""
        ...

    def digits(self, tokens: np.ndarray) -> np.ndarray:
        """The board of tokens `[seq_len]`."""
        ...

    def decode(self, tokens: np.ndarray) -> str:
        """Tokens `[seq_len]` as one line of text that `parse` reads."""
        ...

    def violations(self, board: np.ndarray) -> np.ndarray:
        """Cells that break a rule, `[n, n]` bool."""
        ...

    def check(self, puzzle: np.ndarray, answer: np.ndarray) -> bool:
        """Whether `answer` solves `puzzle`."""
        ...

    def check_clues(self, puzzle: np.ndarray) -> None:
        """Raise `HRMDataError` if clues contradict each other."""
        ...

    def render(self, board: np.ndarray) -> str:
        """A picture of the board in plain text."""
        ...

    def augment(self, hints: float = 0.0) -> Augment:
        """The task's augmentation for `TrainLoader`."""
        ...

    def to_json(self) -> dict[str, Any]:
        """What `task.json` needs so that `get_task` finds this task again."""
        ...


class SudokuTask:
    """Sudoku with boxes of any shape; tokens are digit + 1, blank 1, pad 0."""

    LENGTHS: ClassVar[dict[int, Box]] = {16: (2, 2), 36: (2, 3), 81: (3, 3)}
    """Box shapes that `for_text` chooses by the number of cells."""

    def __init__(self, box: Box | Board = (3, 3)) -> None:
        self.board = as_board(box)

    def __repr__(self) -> str:
        return f"SudokuTask(box=({self.board.rows}, {self.board.cols}))"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SudokuTask) and self.board == other.board

    def __hash__(self) -> int:
        return hash((SudokuTask, self.board))

    @classmethod
    def for_text(cls, text: str) -> SudokuTask:
        """The task whose board has as many cells as the text; raises `HRMDataError` for other lengths."""
        cells = len("".join(text.split()))
        if cells not in cls.LENGTHS:
            raise HRMDataError(f"the puzzle has {cells} characters; allowed lengths are {_lengths(cls.LENGTHS)}")
        return cls(cls.LENGTHS[cells])

    @property
    def name(self) -> str:
        """`sudoku-` and the shape of the boxes."""
        return f"sudoku-{self.board.rows}x{self.board.cols}"

    @property
    def seq_len(self) -> int:
        """Number of cells."""
        return self.board.cells

    @property
    def vocab_size(self) -> int:
        """Pad, blank and the digits."""
        return self.board.n + 2

    def parse(self, text: str) -> np.ndarray:
        """The board `[n, n]` uint8 of a text in reading order; `.`, `0`, `*`, `_` are blanks.

        White space is skipped.

        Raises:
            HRMDataError: A character or the length is wrong; the message names it.
        """
        n = self.board.n
        value = {char: 0 for char in BLANKS} | {str(digit): digit for digit in range(1, n + 1)}
        chars = [(at, char) for at, char in enumerate(text, start=1) if not char.isspace()]
        for cell, (at, char) in enumerate(chars):
            if char not in value:
                raise HRMDataError(
                    f"character {char!r} at position {at} (row {cell // n + 1}, column {cell % n + 1}) "
                    f"is not allowed; use the digits 1..{n} and one of {' '.join(BLANKS)} for a blank"
                )
        if len(chars) != self.board.cells:
            raise HRMDataError(
                f"the puzzle has {len(chars)} characters, but a board with boxes of "
                f"{self.board.rows}x{self.board.cols} has {self.board.cells}; "
                f"allowed lengths are {_lengths(self.LENGTHS)}, each for its own board"
            )
        return np.array([value[char] for _, char in chars], np.uint8).reshape(n, n)

    def encode(self, board: np.ndarray) -> np.ndarray:
        """Tokens `[n * n]` int32 of a board `[n, n]` or `[n * n]`."""
        return self._one(board, "board").astype(np.int32) + 1

    def digits(self, tokens: np.ndarray) -> np.ndarray:
        """The board `[n, n]` uint8 of tokens `[n * n]`; pad and blank both give 0."""
        array = np.asarray(tokens)
        if array.shape != (self.seq_len,) or not np.issubdtype(array.dtype, np.integer):
            raise HRMDataError(f"tokens are {array.dtype} {array.shape}; expected integers of shape ({self.seq_len},)")
        if array.min() < 0 or array.max() >= self.vocab_size:
            raise HRMDataError(f"tokens are in {array.min()}..{array.max()}; expected 0..{self.vocab_size - 1}")
        return np.maximum(array.astype(np.int32) - 1, 0).astype(np.uint8).reshape(self.board.n, self.board.n)

    def decode(self, tokens: np.ndarray) -> str:
        """Tokens `[n * n]` as digits in one line, `.` for blank and pad."""
        return "".join(str(digit) if digit else "." for digit in self.digits(tokens).ravel().tolist())

    def violations(self, board: np.ndarray) -> np.ndarray:
        """Cells whose digit stands twice in their row, column or box, `[n, n]` bool; blanks break no rule."""
        return violations(self._one(board, "board")[None], self.board).reshape(self.board.n, self.board.n)

    def check(self, puzzle: np.ndarray, answer: np.ndarray) -> bool:
        """Whether `answer` fills every cell, obeys the rules and keeps the clues of `puzzle`."""
        clues, cells = self._one(puzzle, "puzzle"), self._one(answer, "answer")
        kept = (clues == 0) | (clues == cells)
        return bool(cells.all() and kept.all() and not self.violations(cells).any())

    def check_clues(self, puzzle: np.ndarray) -> None:
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

    def render(self, board: np.ndarray) -> str:
        """A picture with lines between boxes, `.` for a blank."""
        shape = self.board
        cells = self._one(board, "board").reshape(shape.n, shape.n).tolist()
        rule = "+" + ("-" * (2 * shape.cols + 1) + "+") * shape.rows
        lines = [rule]
        for number, row in enumerate(cells, start=1):
            marks = [str(digit) if digit else "." for digit in row]
            parts = (" ".join(marks[i : i + shape.cols]) for i in range(0, shape.n, shape.cols))
            lines.append("| " + " | ".join(parts) + " |")
            if number % shape.rows == 0:
                lines.append(rule)
        return "\n".join(lines)

    def augment(self, hints: float = 0.0) -> Augment:
        """`SudokuAugment` for this board."""
        return SudokuAugment(self.board, hints)

    def to_json(self) -> dict[str, Any]:
        """`{"task": "sudoku", "box": [rows, columns]}`."""
        return {"task": "sudoku", "box": [self.board.rows, self.board.cols]}

    def _one(self, board: np.ndarray, name: str) -> np.ndarray:
        grids = as_grids(board, self.board, name)
        if len(grids) != 1:
            raise HRMDataError(f"{name} holds {len(grids)} boards; expected one")
        cells: np.ndarray = grids[0]
        return cells


def get_task(task: str | Path | Mapping[str, Any]) -> Task:
    """The task of a name (`sudoku`, `sudoku-2x3`), of the content of a `task.json`, or of a path to one.

    A path may be that of a dataset directory. Without a box shape `sudoku` has boxes of 3x3.

    Raises:
        HRMDataError: No such task, or the description lacks something.
    """
    if isinstance(task, Path):
        task = _from_path(task)
    if isinstance(task, Mapping):
        name = task.get("task")
        if not isinstance(name, str):
            raise HRMDataError(f"field task is {name!r}; it must name one of the tasks {', '.join(_TASKS)}")
        return _lookup(name)(task)
    name, _, variant = task.partition("-")
    options: dict[str, Any] = {"task": name}
    if variant:
        shape = re.fullmatch(r"([0-9]{1,2})x([0-9]{1,2})", variant)
        if not shape:
            raise HRMDataError(f"task {task!r} is unknown; write a box shape behind the dash, as in sudoku-2x3")
        options["box"] = [int(shape[1]), int(shape[2])]
    return _lookup(name)(options)


def _lookup(name: str) -> Callable[[Mapping[str, Any]], Task]:
    if name not in _TASKS:
        raise HRMDataError(f"task {name!r} is unknown; known tasks are {', '.join(_TASKS)}")
    return _TASKS[name]


def _sudoku(options: Mapping[str, Any]) -> Task:
    return SudokuTask(options.get("box", (3, 3)))


_TASKS: dict[str, Callable[[Mapping[str, Any]], Task]] = {"sudoku": _sudoku}


def _from_path(path: Path) -> Mapping[str, Any]:
    root = path.parent if path.name == "task.json" else path
    content = read_task(root)
    if content is None:
        raise HRMDataError(f"{root / 'task.json'} does not exist; name the task instead, such as {', '.join(_TASKS)}")
    return content


def _lengths(lengths: Mapping[int, Box]) -> str:
    return ", ".join(f"{cells} ({rows}x{cols} boxes)" for cells, (rows, cols) in lengths.items())

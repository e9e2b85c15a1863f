"""Mazes as a task: text to tokens and back, shortest paths, a picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data.maze._options import MAZE_SIZES
from hrm_data.maze._rules import CHARS, GOAL, PATH, SPACE, START, changed_cells, faults, route_lengths
from hrm_data.maze._search import distances
from hrm_data.symmetry._dihedral import TRANSFORMS, DihedralAugment, cell_maps
from hrm_data.symmetry._symmetry import Symmetry, relabelling
from hrm_data.task._board_text import BoardText
from hrm_data.task._geometry import Geometry
from hrm_data.task._picture import Picture, draw_grid
from hrm_data.task._task import Augment, Task

_SHOWN = np.array(list("?" + CHARS))


class MazeTask(Task):
    """Shortest paths through square mazes of `size` x `size` cells.

    Boards are `[size, size]` uint8 and equal the tokens: 1 wall, 2 free, 3 start, 4 goal, 5 path, 0 pad. As text they
    are the characters `# SGo` of the published files.
    """

    vocab_size = len(CHARS) + 1
    colours: ClassVar[Mapping[str, str]] = {
        "#": "#2e3440",
        ".": "#f2f2ee",
        "S": "#2e8b57",
        "G": "#c0392b",
        "o": "#f0b429",
        "?": "#b48ead",
    }

    def __init__(self, size: int = 30) -> None:
        if isinstance(size, bool) or not isinstance(size, int) or size not in MAZE_SIZES:
            raise HRMDataError(f"size is {size!r}; mazes have {MAZE_SIZES[0]} to {MAZE_SIZES[-1]} cells in a side")
        self.size = size
        self.name = f"maze-{size}x{size}"
        self.seq_len = size * size

    def __repr__(self) -> str:
        return f"MazeTask(size={self.size})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MazeTask) and self.size == other.size

    def __hash__(self) -> int:
        return hash((MazeTask, self.size))

    def parse(self, text: str) -> np.ndarray:
        """The board `[size, size]` uint8 of a text with a line for each row, or with all cells in one line.

        Free cells are spaces or `.`. Spaces at the end of a row may be followed by more.

        Raises:
            HRMDataError: A character, the number of lines or their length is wrong; the message names it.
        """
        n = self.size
        lines = text.replace("\r\n", "\n").strip("\n").split("\n")
        if len(lines) == 1 and len(lines[0]) == n * n:
            lines = [lines[0][start : start + n] for start in range(0, n * n, n)]
        if len(lines) != n:
            raise HRMDataError(
                f"the maze has {len(lines)} lines, the first with {len(lines[0])} characters; {self.name} has "
                f"{n} lines of {n} characters, or all {n * n} in one line"
            )
        board = np.full((n, n), SPACE, np.uint8)
        for row, line in enumerate(lines):
            if len(line.rstrip(" ")) > n or len(line) < n:
                hint = "; write free cells at the end of a line as ." if len(line) < n else ""
                raise HRMDataError(f"line {row + 1} of the maze has {len(line)} characters; {self.name} has {n}{hint}")
            for col, char in enumerate(line[:n]):
                if char not in CHARS + ".":
                    raise HRMDataError(
                        f"character {char!r} at row {row + 1}, column {col + 1} of the maze is not allowed; "
                        "use # (wall), space or . (free), S (start), G (goal) and, in answers, o (path)"
                    )
                board[row, col] = SPACE if char == "." else CHARS.index(char) + 1
        return board

    def geometry(self) -> Geometry:
        """A square board, on which no token can stand for another."""
        return Geometry(columns=self.size, constants=tuple(range(1, self.vocab_size)))

    def other_sizes(self) -> Iterator[MazeTask]:
        """Yield all other sizes."""
        return (MazeTask(size) for size in MAZE_SIZES if size != self.size)

    def find_puzzles(self, lines: Iterable[str]) -> Iterator[tuple[int, str]]:
        """Yield mazes in `size` lines or in one, see `BoardText`; what begins with `#` may be a comment."""
        return BoardText(self.size, self.size, CHARS.replace(" ", ""), " .").find(lines)

    def text(self, board: np.ndarray) -> str:
        """A board as one line of `size * size` characters; `?` where a model answered pad."""
        return "".join(_SHOWN[self._one(board, "board")].ravel())

    def encode(self, board: np.ndarray) -> np.ndarray:
        """Tokens `[size * size]` int32 of a board."""
        return self._one(board, "board").ravel().astype(np.int32)

    def decode(self, tokens: np.ndarray) -> np.ndarray:
        """The board `[size, size]` uint8 of tokens `[size * size]`."""
        array = np.asarray(tokens)
        if array.shape != (self.seq_len,):
            raise HRMDataError(f"tokens have shape {array.shape}; expected ({self.seq_len},)")
        return self._one(array, "tokens")

    def check(self, puzzle: np.ndarray, answer: np.ndarray) -> bool:
        """Whether `answer` is the maze with one of its shortest paths marked, whichever that is."""
        return not self.problem(puzzle, answer)

    def check_all(self, inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """`check` for tokens `[B, size * size]`, a batch at a time."""
        boards, answers = (tokens.astype(np.uint8).reshape(-1, self.size, self.size) for tokens in (inputs, labels))
        return np.array([not fault for fault in faults(boards, answers)], bool)

    def problem(self, puzzle: np.ndarray, answer: np.ndarray) -> str:
        """Return what is wrong with an answer; empty if it marks a shortest path."""
        return faults(self._one(puzzle, "puzzle")[None], self._one(answer, "answer")[None])[0]

    def check_puzzle(self, puzzle: np.ndarray) -> None:
        """Raise `HRMDataError` unless the maze has one start, one goal, no path yet, and a way between them."""
        cells = self._one(puzzle, "puzzle")
        for code, what, char in ((START, "starts", "S"), (GOAL, "goals", "G")):
            if (count := int(np.count_nonzero(cells == code))) != 1:
                raise HRMDataError(f"the maze has {count} {what} ({char}); it needs one")
        for code, what in ((PATH, "path (o)"), (0, "pad")):
            if (cells == code).any():
                row, col = np.argwhere(cells == code)[0]
                raise HRMDataError(f"row {row + 1}, column {col + 1} of the maze is {what}; leave it free")
        if route_lengths(cells[None])[0] < 0:
            raise HRMDataError("the maze has no way from start to goal; open a wall")

    def explain(self, puzzle: np.ndarray, answer: np.ndarray) -> dict[str, np.ndarray]:
        """Return changed cells of the maze, path cells that the start does not reach, or a path that is too long."""
        board, cells = self._one(puzzle, "puzzle"), self._one(answer, "answer")
        changed = changed_cells(board[None], cells[None])[0]
        marked = (cells == PATH) & (board == SPACE)
        walked = distances((marked | (board == START) | (board == GOAL))[None], (board == START)[None])[0]
        apart = marked & (walked < 0)
        broken = bool((walked[board == GOAL] < 0).any())
        found = {"changes the maze": changed, "leaves path cells without connection": apart}
        if broken:
            found["leaves the path broken"] = (board == START) | (board == GOAL)
        elif not (changed.any() or apart.any()) and self.problem(board, cells):
            found["takes more moves than a shortest path"] = marked
        return {fault: where.ravel() for fault, where in found.items() if where.any()}

    def measure(self, puzzle: np.ndarray) -> tuple[str, int]:
        """Moves on a shortest path."""
        return "moves", int(route_lengths(self._one(puzzle, "puzzle")[None])[0])

    def render(self, board: np.ndarray) -> Picture:
        """The characters of the published files, `.` for free cells, a line for each row."""
        cells = self._one(board, "board")
        return draw_grid(np.where(cells == SPACE, ".", _SHOWN[cells]))

    def augment(self, turn: bool = False) -> Augment | None:
        """Return `DihedralAugment` if `turn` is set, else None."""
        return DihedralAugment(self.size) if turn else None

    def symmetries(self, rng: np.random.Generator) -> Iterator[Symmetry]:
        """Yield the seven turns and reflections of the square, in random order."""
        maps = cell_maps(self.size)
        for transform in (1 + rng.permutation(TRANSFORMS - 1)).tolist():
            yield relabelling(maps[transform], np.arange(self.vocab_size))

    def to_json(self) -> dict[str, Any]:
        """`{"task": "maze", "size": size}`."""
        return {"task": "maze", "size": self.size}

    def _one(self, board: np.ndarray, name: str) -> np.ndarray:
        array = np.asarray(board)
        if array.shape not in ((self.size, self.size), (self.seq_len,)) or not np.issubdtype(array.dtype, np.integer):
            raise HRMDataError(
                f"{name} is {array.dtype} {array.shape}; expected integers of shape ({self.size}, {self.size})"
            )
        if array.min() < 0 or array.max() >= self.vocab_size:
            raise HRMDataError(
                f"{name} holds {array.min()}..{array.max()}; cells of a maze are 0..{self.vocab_size - 1}"
            )
        return array.astype(np.uint8).reshape(self.size, self.size)

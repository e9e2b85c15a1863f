"""`Task`: what a kind of puzzle is to the loader, to `hrm-data` and to applications."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from hrm_data.symmetry._symmetry import Original, Symmetry
from hrm_data.task._geometry import Geometry
from hrm_data.task._lines import one_a_line
from hrm_data.task._picture import Picture

Augment = Callable[[np.ndarray, np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]
"""Maps a batch's inputs and labels, both `[B, L]` int32, to new ones of the same shape."""

REQUIRED = ("name", "seq_len", "vocab_size")
"""Attributes that every task has; `get_task` checks them, as `abc` checks the abstract methods."""


class Task(ABC):
    """A kind of puzzle of one size. Subclasses implement the abstract methods and set the first three attributes.

    A board is an integer array in the values that are natural to the puzzle, such as `[n, n]` digits with 0 for a
    blank. Tokens are the model's input and output, `[seq_len]` int32 in `0..vocab_size - 1`, 0 for padding.
    Puzzles and answers are both boards.
    """

    name: str
    """Names the puzzle and its size, for people and for run directories: letters, digits, `-`, such as `sudoku-2x3`."""
    seq_len: int
    """Tokens in an example."""
    vocab_size: int
    """Number of tokens."""
    colours: ClassVar[Mapping[str, str]] = {}
    """Colours, `#rrggbb`, with which a screen fills the cells of `render`'s symbols; other symbols are written."""
    open_token: ClassVar[int | None] = None
    """Token of a cell to fill in, if an answer is its puzzle with such cells filled, as in Sudoku; else None."""
    kept_tokens: Sequence[int] = ()
    """Tokens of a puzzle for which nothing is asked, such as signs between cells: every answer keeps them."""
    rule_known: ClassVar[bool] = True
    """Whether `check` knows the rule; False if demonstrations alone show what is right, as in ARC."""

    @abstractmethod
    def parse(self, text: str) -> np.ndarray:
        """Return the board in a user's text; raises `HRMDataError`, which says what is wrong and where."""

    @abstractmethod
    def text(self, board: np.ndarray) -> str:
        """Return a board as one line of text that `parse` reads."""

    @abstractmethod
    def encode(self, board: np.ndarray) -> np.ndarray:
        """Return the tokens `[seq_len]` int32 of a board; raises `HRMDataError` if it is no board of this task."""

    @abstractmethod
    def decode(self, tokens: np.ndarray) -> np.ndarray:
        """Return the board of any tokens `[seq_len]` in the vocabulary, wrong answers of a model included."""

    @abstractmethod
    def check(self, puzzle: np.ndarray, answer: np.ndarray) -> bool:
        """Return whether `answer` solves `puzzle`, as far as the two boards alone can tell."""

    @abstractmethod
    def render(self, board: np.ndarray) -> Picture:
        """Return a picture of a board in plain text; `draw_grid` draws one."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return the content of `task.json`: `task`, the family's name, and what the family needs to make this task."""

    def augment(self, *args: Any, **options: Any) -> Augment | None:
        """Return what `TrainLoader` does to every batch; `options` are the fields of the family's `augmentation`."""
        return None

    def geometry(self) -> Geometry | None:
        """Return where the tokens stand and which are interchangeable; None for puzzles without a board."""
        return None

    def other_sizes(self) -> Iterator[Task]:
        """Yield the task with boards of other sizes, for models whose weights fit every size."""
        return iter(())

    def find_puzzles(self, lines: Iterable[str]) -> Iterator[tuple[int, str]]:
        """Yield the puzzles in lines of text: the number of the first line, from 1, and the text for `parse`.

        Lines are drawn one by one, so that a text may be endless. Comments and blank lines are left out; malformed
        lines are kept, so that `parse` can explain the error. By default every line is a puzzle.
        """
        return one_a_line(lines)

    def symmetries(self, rng: np.random.Generator) -> Iterator[Symmetry]:
        """Yield symmetries other than the identity in random order, for votes; endless, or all there are."""
        return iter(())

    def originals(self, identifiers: Sequence[str]) -> Callable[[str], Original] | None:
        """Return what finds the puzzle of which the example with an identifier is a copy; None if copies do not vote.

        Where copies vote, their answers are turned back, equal boards are counted and ranked, and a puzzle has as many
        tries as the benchmark allows.

        Args:
            identifiers: All identifiers of the dataset.
        """
        return None

    def check_puzzle(self, puzzle: np.ndarray) -> None:
        """Raise `HRMDataError` if a user's board cannot be solved for a reason that can be named."""
        return None

    def explain(self, puzzle: np.ndarray, answer: np.ndarray) -> dict[str, np.ndarray]:
        """Return why `check` fails: each fault, such as `breaks the rules`, with its tokens, `[seq_len]` bool."""
        return {} if self.check(puzzle, answer) else {"is not valid": np.zeros(self.seq_len, bool)}

    def check_all(self, inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return `check` of many examples, tokens `[B, seq_len]` int32, as `[B]` bool. Override it to be faster."""
        pairs = zip(inputs, labels, strict=True)
        return np.array([self.check(self.decode(puzzle), self.decode(answer)) for puzzle, answer in pairs], bool)

    def measure(self, puzzle: np.ndarray) -> tuple[str, int] | None:
        """Return a name and a value by which scores are grouped, such as `("clues", 17)`."""
        return None

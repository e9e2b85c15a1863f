"""What a kind of puzzle is to the loader, to `hrm-data` and to applications."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from hrm_data._lines import one_a_line
from hrm_data._loader import Augment
from hrm_data._picture import Picture
from hrm_data._symmetry import Original, Symmetry


@runtime_checkable
class Task(Protocol):
    """A kind of puzzle of one size. Subclass it: what has a body here may be left out.

    A board is an integer array in the values that are natural to the puzzle, such as `[n, n]` digits with 0 for a
    blank. Tokens are what the model sees and answers, `[seq_len]` int32 in `0..vocab_size - 1`, 0 for padding.
    Puzzles and answers are boards alike.
    """

    name: str
    """Names the puzzle and its size, for people and for run directories: letters, digits, `-`, such as `sudoku-2x3`."""
    seq_len: int
    """Tokens in an example."""
    vocab_size: int
    """Number of tokens."""
    colours: ClassVar[Mapping[str, str]] = {}
    """Colours, `#rrggbb`, in which a screen fills the cells of `render`'s symbols; a symbol without one is written."""

    def parse(self, text: str) -> np.ndarray:
        """A board from text that a user wrote; raises `HRMDataError`, naming what is wrong and where."""
        ...

    def text(self, board: np.ndarray) -> str:
        """A board as one line of text that `parse` reads."""
        ...

    def encode(self, board: np.ndarray) -> np.ndarray:
        """Tokens `[seq_len]` int32 of a board; raises `HRMDataError` if it is no board of this task."""
        ...

    def decode(self, tokens: np.ndarray) -> np.ndarray:
        """The board of any tokens `[seq_len]` in the vocabulary, also of those that a model got wrong."""
        ...

    def check(self, puzzle: np.ndarray, answer: np.ndarray) -> bool:
        """Whether `answer` is a solution of `puzzle`, as far as the two boards alone can tell."""
        ...

    def render(self, board: np.ndarray) -> Picture:
        """A picture of a board in plain text; `draw_grid` draws one."""
        ...

    def to_json(self) -> dict[str, Any]:
        """What `task.json` holds: `task`, the family's name, and what the family needs to make this task again."""
        ...

    def augment(self, *args: Any, **options: Any) -> Augment | None:
        """What `TrainLoader` does to every batch; `options` are the fields of the family's `augmentation`."""
        return None

    def find_puzzles(self, lines: Iterable[str]) -> Iterator[tuple[int, str]]:
        """The puzzles in the lines of a text: the number of its first line, from 1, and what `parse` shall read.

        Lines are drawn one by one, so that a text may be endless. Comments and blank lines are left out; what is no
        puzzle is not, so that `parse` can say why. Here every line is a puzzle; override it where it may take several.
        """
        return one_a_line(lines)

    def symmetries(self, rng: np.random.Generator) -> Iterator[Symmetry]:
        """Symmetries of the task other than the identity, at random, for votes; without end or all there are."""
        return iter(())

    def original(self, identifier: str) -> Original | None:
        """What the example of a puzzle of this name is a copy of; None for a task whose copies do not vote.

        Where copies vote, the equal boards that their answers turn into are counted together and ranked, and a puzzle
        has several tries.
        """
        return None

    def check_puzzle(self, puzzle: np.ndarray) -> None:
        """Raise `HRMDataError` if a board that a user wrote cannot be solved for a reason that can be named."""
        return None

    def explain(self, puzzle: np.ndarray, answer: np.ndarray) -> dict[str, np.ndarray]:
        """Why `check` fails: what the answer does, such as `breaks the rules`, and which tokens, `[seq_len]` bool."""
        return {} if self.check(puzzle, answer) else {"is not valid": np.zeros(self.seq_len, bool)}

    def check_all(self, inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """`check` for many examples, tokens `[B, seq_len]` int32 each: `[B]` bool. Override it where that is faster."""
        pairs = zip(inputs, labels, strict=True)
        return np.array([self.check(self.decode(puzzle), self.decode(answer)) for puzzle, answer in pairs], bool)

    def measure(self, puzzle: np.ndarray) -> tuple[str, int] | None:
        """Something to count scores by, as its name and its value for this puzzle: `("clues", 17)`."""
        return None

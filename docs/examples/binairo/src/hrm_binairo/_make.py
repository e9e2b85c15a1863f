"""Binairo puzzles with exactly one solution."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice, product

import numpy as np

from hrm_binairo._task import BLANK, is_right


def make_binairo(size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A puzzle and its only solution, both `[n, n]`.

    Digits are taken away in random order until a third is left, if the others can still be found one after the other,
    each from one line.
    """
    [solution] = islice(_solutions(np.full((size, size), BLANK), rng), 1)
    puzzle = solution.copy()
    for at in rng.permutation(size * size):
        if (puzzle != BLANK).sum() <= puzzle.size // 3:
            break
        puzzle.flat[at] = BLANK
        cells = puzzle.ravel().tolist()
        if not _follow(cells, _places(size)) or BLANK in cells:
            puzzle.flat[at] = solution.flat[at]
    return puzzle, solution


def count_solutions(puzzle: np.ndarray, most: int = 2) -> int:
    """How many ways there are to fill a puzzle in; counting stops at `most`."""
    return len(list(islice(_solutions(puzzle, np.random.default_rng(0)), most)))


def smallest_copy(puzzle: np.ndarray) -> bytes:
    """The same for all turned and mirrored copies of a puzzle, with digits exchanged or not, and for no other."""
    exchanged = np.where(puzzle == BLANK, BLANK, 1 - puzzle)
    turned = (np.rot90(board, turns) for board in (puzzle, exchanged) for turns in range(4))
    return min((one + 1).astype(np.uint8).tobytes() for board in turned for one in (board, board.T))


def _solutions(puzzle: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield all solutions of a puzzle, in random order."""
    size = len(puzzle)
    lines = _places(size)

    def search(cells: list[int]) -> Iterator[np.ndarray]:
        if not _follow(cells, lines):
            return
        open_lines = [line for line in lines if any(cells[at] == BLANK for at in line)]
        if not open_lines:
            board = np.array(cells).reshape(size, size)
            if is_right(board):
                yield board
            return
        line = min(open_lines, key=lambda line: sum(cells[at] == BLANK for at in line))
        at = next(at for at in line if cells[at] == BLANK)
        for digit in rng.permutation(2).tolist():
            yield from search([*cells[:at], digit, *cells[at + 1 :]])

    yield from search(puzzle.ravel().tolist())


def _follow(cells: list[int], lines: Sequence[Sequence[int]]) -> bool:
    """Fill in what follows from single lines; return whether every line can still be filled in."""
    is_changed = True
    while is_changed:
        is_changed = False
        for line in lines:
            known = tuple(cells[at] for at in line)
            forced = _forced(known)
            if forced is None:
                return False
            if forced != known:
                is_changed = True
                for at, cell in zip(line, forced, strict=True):
                    cells[at] = cell
    return True


@cache
def _places(size: int) -> list[list[int]]:
    """The numbers of the cells in each row and column."""
    numbers = np.arange(size * size).reshape(size, size)
    return [*numbers.tolist(), *numbers.T.tolist()]


@cache
def _forced(line: tuple[int, ...]) -> tuple[int, ...] | None:
    """A line with the cells that all ways to fill it in have in common; None if there is no way."""
    fitting = [
        other
        for other in _lines(len(line))
        if all(cell in (BLANK, digit) for cell, digit in zip(line, other, strict=True))
    ]
    if not fitting:
        return None
    return tuple(cells[0] if len(set(cells)) == 1 else BLANK for cells in zip(*fitting, strict=True))


@cache
def _lines(size: int) -> list[tuple[int, ...]]:
    """All rows that obey the rules."""
    return [
        line
        for line in product((0, 1), repeat=size)
        if sum(line) == size // 2 and not any(a == b == c for a, b, c in zip(line, line[1:], line[2:], strict=False))
    ]

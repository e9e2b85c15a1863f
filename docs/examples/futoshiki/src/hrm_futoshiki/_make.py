"""Futoshiki puzzles with exactly one solution."""

import numpy as np

from hrm_futoshiki._rules import BLANK, NOTHING, between, is_cell

Cell = tuple[int, int]
"""Row and column of a cell on the board."""


def make_futoshiki(size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A puzzle and its only solution, both `[2n - 1, 2n - 1]`; the solution has the puzzle's signs.

    Signs and digits are shown in random order, signs rather than digits, until one solution is left; then digits that
    are not needed are taken away.
    """
    empty = np.where(is_cell(size), BLANK, NOTHING)
    whole = empty.copy()
    whole[::2, ::2] = _latin_square(size, rng)
    for sign in between(size):
        whole[sign.at] = sign.less if whole[sign.first] < whole[sign.second] else sign.greater
    hints = [(sign.at, rng.random()) for sign in between(size)]
    hints += [((row, column), 0.7 + rng.random()) for row, column in np.argwhere(is_cell(size)).tolist()]
    order = [at for at, _ in sorted(hints, key=lambda hint: hint[1])]

    def shown(count: int) -> np.ndarray:
        puzzle = empty.copy()
        for at in order[:count]:
            puzzle[at] = whole[at]
        return puzzle

    few, enough = 0, len(order)
    while enough - few > 1:
        middle = (few + enough) // 2
        if count_solutions(shown(middle)) == 1:
            enough = middle
        else:
            few = middle
    puzzle = shown(enough)
    for at in order[:enough]:
        if is_cell(size)[at]:
            puzzle[at] = BLANK
            if count_solutions(puzzle) > 1:
                puzzle[at] = whole[at]
    return puzzle, np.where(is_cell(size), whole, puzzle)


def count_solutions(puzzle: np.ndarray, most: int = 2) -> int:
    """How many ways there are to fill a puzzle in; counting stops at `most`."""
    size = (len(puzzle) + 1) // 2
    everything = frozenset(range(1, size + 1))
    signs: dict[Cell, list[tuple[Cell, bool]]] = {}
    for sign in between(size):
        if puzzle[sign.at] != NOTHING:
            is_less = puzzle[sign.at] == sign.less
            signs.setdefault(sign.first, []).append((sign.second, is_less))
            signs.setdefault(sign.second, []).append((sign.first, not is_less))
    cells = {
        (row, column): frozenset({int(puzzle[row, column])}) if puzzle[row, column] != BLANK else everything
        for row, column in np.argwhere(is_cell(size)).tolist()
    }
    return _count(cells, signs, most)


def _count(cells: dict[Cell, frozenset[int]], signs: dict[Cell, list[tuple[Cell, bool]]], most: int) -> int:
    cells = dict(cells)
    is_changed = True
    while is_changed:
        is_changed = False
        for at, digits in cells.items():
            left = digits
            for other, is_less in signs.get(at, ()):
                bound = (max if is_less else min)(cells[other])
                left = frozenset(digit for digit in left if (digit < bound if is_less else digit > bound))
            for other, others in cells.items():
                if len(others) == 1 and other != at and (other[0] == at[0] or other[1] == at[1]):
                    left -= others
            if not left:
                return 0
            if left != digits:
                cells[at], is_changed = left, True
    open_cells = [at for at in cells if len(cells[at]) > 1]
    if not open_cells:
        return 1
    at = min(open_cells, key=lambda at: len(cells[at]))
    found = 0
    for digit in sorted(cells[at]):
        found += _count({**cells, at: frozenset({digit})}, signs, most - found)
        if found >= most:
            break
    return found


def _latin_square(size: int, rng: np.random.Generator) -> np.ndarray:
    square = (np.arange(size)[:, None] + np.arange(size)) % size
    digits, rows, columns = (rng.permutation(size) for _ in range(3))
    return digits[square[rows][:, columns]] + 1

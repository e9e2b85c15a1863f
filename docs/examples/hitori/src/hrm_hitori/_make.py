"""Hitori puzzles with exactly one solution."""

import numpy as np

from hrm_hitori._task import SHADED, beside, reached, repeated


def make_hitori(size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A puzzle and its only solution, both `[n, n]`."""
    while True:
        solution = _shaded(_latin_square(size, rng), rng)
        puzzle = _hidden(solution, rng)
        if count_solutions(puzzle) == 1:
            return puzzle, solution


def count_solutions(puzzle: np.ndarray, most: int = 2) -> int:
    """How many ways there are to shade a puzzle; counting stops at `most`."""
    size, found = len(puzzle), 0
    answer = puzzle.copy()

    def go_on(at: int) -> None:
        nonlocal found
        if found >= most:
            return
        if at == size * size:
            found += bool(reached(answer != SHADED)[answer != SHADED].all())
            return
        row, column = divmod(at, size)
        digit = puzzle[row, column]
        if digit not in answer[row, :column] and digit not in answer[:row, column]:
            go_on(at + 1)
        above = row > 0 and answer[row - 1, column] == SHADED
        before = column > 0 and answer[row, column - 1] == SHADED
        if not above and not before:
            answer[row, column] = SHADED
            go_on(at + 1)
            answer[row, column] = digit

    go_on(0)
    return found


def smallest_copy(puzzle: np.ndarray) -> bytes:
    """The same for all turned, mirrored and relabelled copies of a puzzle, and for no other."""
    copies = []
    for turns in range(4):
        for grid in (np.rot90(puzzle, turns), np.rot90(puzzle, turns).T):
            digits: dict[int, int] = {}
            copies.append(bytes(digits.setdefault(digit, len(digits)) for digit in grid.ravel().tolist()))
    return min(copies)


def _latin_square(size: int, rng: np.random.Generator) -> np.ndarray:
    square = (np.arange(size)[:, None] + np.arange(size)) % size
    digits, rows, columns = (rng.permutation(size) for _ in range(3))
    return digits[square[rows][:, columns]] + 1


def _shaded(square: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The square with as many random cells shaded as the rules allow: one more could be shaded at will."""
    solution = square.copy()
    for at in rng.permutation(square.size):
        shaded = solution == SHADED
        shaded.flat[at] = True
        if not (shaded & beside(shaded)).any() and reached(~shaded)[~shaded].all():
            solution.flat[at] = SHADED
    return solution


def _hidden(solution: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A puzzle with this solution: under each shaded cell a digit that stands in its row or column."""
    puzzle = solution.copy()
    for row, column in np.argwhere(solution == SHADED):
        seen = np.concatenate([solution[row], solution[:, column]])
        puzzle[row, column] = rng.choice(seen[seen != SHADED])
    assert repeated(puzzle)[solution == SHADED].all()
    return puzzle

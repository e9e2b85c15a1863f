"""Breeds Sudokus that need long searches from variations of hard ones, as published collections are made."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hrm_data.sudoku._augment import SudokuAugment
from hrm_data.sudoku._board import Board
from hrm_data.sudoku.generator._clues import dig
from hrm_data.sudoku.search._solve import solve

PARENTS = 512
"""Puzzles bred together."""
_CHILDREN = 2  # of each parent in a generation
_SHARE = 16  # at most one in this many puzzles may share a solution
SEEDS = 8
"""Minimal puzzles to start from for each puzzle that is bred."""
_PATIENCE = 60  # generations without a new height after which breeding ends


def breed(
    puzzles: np.ndarray,
    solutions: np.ndarray,
    board: Board,
    target: float,
    rng: np.random.Generator,
    tell: Callable[[float], None],
) -> tuple[np.ndarray, np.ndarray]:
    """Return puzzles with a mean rating of at least `target`, if breeding reaches it, and their solutions.

    A child gets one or two more clues of its solution than its parent, and then loses every clue that it can spare,
    old ones first: it is minimal and has one solution. The best of parents and children survive. A rating depends on
    the orientation and labels of a puzzle, so each is the mean over random symmetric copies; every generation rates
    one more copy, so that a lucky rating does not last.

    Args:
        puzzles: Minimal puzzles `[N, n * n]` to start from; an eighth as many come back.
        solutions: Their solutions.
        board: Geometry.
        target: Mean rating at which to end.
        rng: The only source of randomness.
        tell: Told the mean rating of every generation.
    """
    size = max(1, len(puzzles) // SEEDS)
    augment = SudokuAugment(board)
    kept = puzzles > 0

    def rate(kept: np.ndarray, solutions: np.ndarray) -> np.ndarray:
        copies, _ = augment((solutions * kept).astype(np.int32) + 1, solutions.astype(np.int32) + 1, rng)
        return solve(copies - 1, board).steps.astype(np.float64)

    line = np.arange(len(puzzles))
    ratings, draws = rate(kept, solutions), np.ones(len(puzzles))
    best, since = 0.0, 0
    first = _best(ratings, kept, line, size, size)
    kept, solutions, line, ratings, draws = kept[first], solutions[first], line[first], ratings[first], draws[first]
    while True:
        again = rate(kept, solutions)
        tell(mean := float(again.mean()))
        ratings, draws = (ratings * draws + again) / (draws + 1), draws + 1
        best, since = (mean, 0) if mean > best else (best, since + 1)
        if mean >= target or since >= _PATIENCE:
            break
        parent = np.repeat(np.arange(len(kept)), _CHILDREN)
        young = _children(kept[parent], solutions[parent], board, rng)
        values = rate(young, solutions[parent])
        hopeful = values >= np.quantile(ratings, 0.25)
        values[hopeful] = (values[hopeful] + rate(young[hopeful], solutions[parent[hopeful]])) / 2
        kept, solutions = np.concatenate([kept, young]), np.concatenate([solutions, solutions[parent]])
        line, ratings = np.concatenate([line, line[parent]]), np.concatenate([ratings, values])
        draws = np.concatenate([draws, 1.0 + hopeful])
        chosen = _best(ratings, kept, line, size, max(1, size // _SHARE))
        kept, solutions, line, ratings, draws = (x[chosen] for x in (kept, solutions, line, ratings, draws))
    inputs, labels = augment((solutions * kept).astype(np.int32) + 1, solutions.astype(np.int32) + 1, rng)
    return (inputs - 1).astype(np.uint8), (labels - 1).astype(np.uint8)


def _children(kept: np.ndarray, solutions: np.ndarray, board: Board, rng: np.random.Generator) -> np.ndarray:
    """Clues of a minimal puzzle each that shares nearly all clues with its parent, `[N, n * n]` bool."""
    order = np.where(kept, 2.0, rng.random(kept.shape)).argsort(axis=1)
    more = kept.copy()
    rows = np.arange(len(kept))
    more[rows, order[:, 0]] = True
    two = rows[rng.random(len(kept)) < 0.5]
    more[two, order[two, 1]] = True
    trial = np.where(more, rng.random(kept.shape) + (more & ~kept), 3.0).argsort(axis=1)
    return dig(solutions, trial, np.zeros(len(kept), np.int64), board, singles=False, kept=more)


def _best(ratings: np.ndarray, kept: np.ndarray, line: np.ndarray, size: int, most: int) -> np.ndarray:
    """Numbers of the best `size` puzzles, no two equal, and at most `most` of one line."""
    chosen: list[int] = []
    seen: set[tuple[int, bytes]] = set()
    used: dict[int, int] = {}
    for i in np.argsort(-ratings, kind="stable").tolist():
        key = (int(line[i]), kept[i].tobytes())
        if key in seen or used.get(key[0], 0) >= most:
            continue
        seen.add(key)
        used[key[0]] = used.get(key[0], 0) + 1
        chosen.append(i)
        if len(chosen) == size:
            break
    return np.array(chosen, np.int64)

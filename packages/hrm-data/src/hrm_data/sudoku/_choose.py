"""Chooses the puzzles of a Sudoku dataset from CSV files of any length."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data._progress import Progress
from hrm_data._random import in_test, item_keys, mix
from hrm_data.sources._spool import Spool
from hrm_data.sudoku._board import Board
from hrm_data.sudoku._csv import prove_unique, read_rows
from hrm_data.sudoku._options import PROVE_AT_MOST
from hrm_data.sudoku._orbit import split_keys

Wanted = dict[str, int | None]
"""Number of puzzles wanted in each split, None for all."""

_BLOCK = 1 << 13


class CsvRows(NamedTuple):
    """The rows of a file with an admitted rating: boards on disk, 24 bytes each in memory."""

    path: Path
    boards: Spool
    """`[N, 2 * n * n]` uint8: digits of the puzzle, 0 for a blank, and of its solution."""
    lines: np.ndarray
    ratings: np.ndarray | None
    """None if the file has no ratings."""
    clues: np.ndarray
    first: np.ndarray
    """Numbers of the rows whose puzzle no earlier row has, rising."""


class Choice(NamedTuple):
    """Rows of a file, by their numbers."""

    rows: CsvRows
    numbers: np.ndarray

    @property
    def ratings(self) -> np.ndarray | None:
        """Ratings of the rows, None if the file has none."""
        return None if self.rows.ratings is None else self.rows.ratings[self.numbers]


def spool_csv(
    path: Path, board: Board, boards: Spool, min_rating: int, max_rating: int | None, progress: Progress
) -> CsvRows:
    """Read a file once: check every row, and put the boards of those with an admitted rating into `boards`."""
    kept = [_Kept(*(np.zeros(0, kind) for kind in (np.int32, np.int32, np.uint8, np.uint64)))]
    weights = mix(np.arange(1, board.cells + 1, dtype=np.uint64))
    limits = min_rating > 0 or max_rating is not None
    is_rated = False
    read = 0
    for rows in read_rows(path, board, needs_ratings=limits):
        is_rated = rows.ratings is not None
        ratings = np.zeros(len(rows.lines), np.int64) if rows.ratings is None else rows.ratings
        ok = ratings >= min_rating
        if max_rating is not None:
            ok &= ratings <= max_rating
        puzzles, solutions = rows.puzzles[ok], rows.solutions[ok]
        boards.append(np.concatenate([puzzles, solutions], axis=1))
        clues = np.count_nonzero(puzzles, axis=1).astype(np.uint8)
        hashes = (puzzles * weights).sum(axis=1, dtype=np.uint64)
        kept.append(_Kept(rows.lines[ok].astype(np.int32), ratings[ok].astype(np.int32), clues, hashes))
        read += len(rows.lines)
        progress(read, 0, f"rows of {path.name}")
    lines, ratings, clues, hashes = (np.concatenate(field) for field in zip(*kept, strict=True))
    first = np.sort(np.unique(hashes, return_index=True)[1])
    return CsvRows(path, boards, lines, ratings if is_rated else None, clues, first)


class _Kept(NamedTuple):
    """What stays in memory of some rows."""

    lines: np.ndarray
    ratings: np.ndarray
    clues: np.ndarray
    hashes: np.ndarray


def divide(
    rows: CsvRows, board: Board, wanted: Wanted, side: Callable[[np.ndarray], np.ndarray], seed: int, progress: Progress
) -> dict[str, Choice]:
    """Divide the rows of one file among splits, in random order until each has enough, or all of them.

    `side` maps orbit keys `[k]` to bool: True goes to the last split of `wanted`, False to the first. With one split,
    True is left out.
    """
    sampled = all(count is not None for count in wanted.values())
    order = rows.first
    if sampled:
        order = order[np.argsort(item_keys(seed, order), kind="stable")]
    names = list(wanted)
    chosen: dict[str, list[np.ndarray]] = {name: [order[:0]] for name in names}
    found = dict.fromkeys(names, 0)
    for start in range(0, len(order), _BLOCK):
        if sampled and all(found[name] >= (count or 0) for name, count in wanted.items()):
            break
        block = order[start : start + _BLOCK]
        rising = np.argsort(block)
        boards = np.empty((len(block), 2 * board.cells), np.uint8)
        boards[rising] = rows.boards[block[rising]]
        aside = side(split_keys(boards[:, : board.cells], boards[:, board.cells :], board))
        picks = {names[0]: block[~aside]} | ({names[1]: block[aside]} if len(names) == 2 else {})
        for name, numbers in picks.items():
            chosen[name].append(numbers)
            found[name] += len(numbers)
        progress(min(start + _BLOCK, len(order)), 0 if sampled else len(order), "orbits of puzzles")
    result = {}
    for name, count in wanted.items():
        numbers = np.concatenate(chosen[name])
        if count is not None:
            if len(numbers) < count:
                raise HRMDataError(
                    f"{rows.path}: only {len(numbers)} different puzzles are available for {name}, "
                    f"{count} are wanted; ask for fewer or widen min_rating and max_rating"
                )
            numbers = _sample(numbers, count, seed)
        result[name] = Choice(rows, np.sort(numbers))
    return result


def choose_given(rows: CsvRows, count: int | None, seed: int) -> Choice:
    """All different rows of a file, or `count` of them at random."""
    if count is None:
        return Choice(rows, rows.first)
    if len(rows.first) < count:
        raise HRMDataError(
            f"{rows.path}: only {len(rows.first)} different puzzles are available for test, "
            f"{count} are wanted; ask for fewer or widen min_rating and max_rating"
        )
    return Choice(rows, np.sort(_sample(rows.first, count, seed)))


def orbits(choice: Choice, board: Board, progress: Progress) -> np.ndarray:
    """Orbit keys of the chosen rows, `[k]` uint64, sorted."""
    keys = [np.zeros(0, np.uint64)]
    for start in range(0, len(choice.numbers), _BLOCK):
        boards = choice.rows.boards[choice.numbers[start : start + _BLOCK]]
        keys.append(split_keys(boards[:, : board.cells], boards[:, board.cells :], board))
        progress(min(start + _BLOCK, len(choice.numbers)), len(choice.numbers), "orbits of test puzzles")
    return np.sort(np.concatenate(keys))


def by_orbit(share: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return a `side` for `divide` that assigns orbits to the test split by their keys."""
    return lambda keys: in_test(keys, share)


def not_in(reserved: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return a `side` for `divide` that leaves out these orbits, which are sorted."""
    return lambda keys: np.searchsorted(reserved, keys, "right") > np.searchsorted(reserved, keys, "left")


def prove(choice: Choice, board: Board, wanted: bool | None, progress: Progress) -> None:
    """Prove that the chosen puzzles have one solution each; by default only if they are few enough."""
    count = len(choice.numbers)
    if wanted is False or (wanted is None and count > PROVE_AT_MOST):
        return
    for start in range(0, count, _BLOCK):
        numbers = choice.numbers[start : start + _BLOCK]
        puzzles = choice.rows.boards[numbers][:, : board.cells]
        prove_unique(choice.rows.path, choice.rows.lines[numbers], puzzles, board)
        progress(min(start + _BLOCK, count), count, "puzzles solved")


def _sample(numbers: np.ndarray, count: int, seed: int) -> np.ndarray:
    chosen: np.ndarray = numbers[np.argsort(item_keys(seed, numbers), kind="stable")[:count]]
    return chosen

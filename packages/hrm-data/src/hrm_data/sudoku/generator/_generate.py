"""The Sudoku generator: puzzles of a chosen difficulty, each with exactly one solution."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data._progress import Progress, no_progress
from hrm_data._random import draw, in_test, item_keys, mix, permutations
from hrm_data._split import TEST_SHARE, Split
from hrm_data.sudoku._board import Board, Box, as_board
from hrm_data.sudoku._options import HARD_RATING, Kind
from hrm_data.sudoku._orbit import by_puzzle, orbit_invariant, split_of
from hrm_data.sudoku.generator._clues import dig, restore
from hrm_data.sudoku.generator._grids import random_grids
from hrm_data.sudoku.generator._hard import PARENTS, SEEDS, breed
from hrm_data.sudoku.search._solve import solve

Range = int | tuple[int, int] | None

KINDS = ("any", "minimal", "singles", "search", "hard")
_HARD_PATIENCE = 3  # batches without a new puzzle
_PATIENCE = 1 << 14  # candidates without a new puzzle before a request is called impossible
_MOST = 8192  # candidates made at a time
_FEWEST_CLUES = {(2, 2): 4, (2, 3): 8, (3, 2): 8, (2, 4): 14, (4, 2): 14, (3, 3): 17}  # known minima


class Puzzles(NamedTuple):
    """Puzzles with their solutions, one row each."""

    puzzles: np.ndarray
    """`[N, n * n]` uint8, 0 for a blank."""
    solutions: np.ndarray
    """`[N, n * n]` uint8."""
    ratings: np.ndarray
    """`[N]` int64: search steps of `solve`, or the rating that came with the puzzles."""


def generate_sudoku(
    count: int,
    box: Box | Board = (3, 3),
    *,
    kind: Kind = "minimal",
    clues: Range = None,
    rating: Range = None,
    mean_rating: float = HARD_RATING,
    seed: int = 0,
    split: Split | None = None,
    test_share: float = TEST_SHARE,
    progress: Progress = no_progress,
) -> Puzzles:
    """Generate `count` different puzzles with one solution each; the result depends on the arguments alone.

    A random completed grid is dug out in random order. Kinds: `minimal`, no clue can be spared; `singles`,
    naked and hidden singles alone solve it; `search`, they do not; `any`, no condition;
    `hard`, bred from minimal puzzles, up to 512 at a time, until their mean rating is `mean_rating`. Without
    `clues` digging goes as far as the kind allows.

    Args:
        count: Number of puzzles.
        box: Rows and columns of a box.
        kind: Difficulty, see above.
        clues: Number of clues, or (least, most).
        rating: Search steps that `solve` takes, or (least, most).
        mean_rating: Mean rating of puzzles of kind `hard`, before `clues` and `rating` choose among them.
        seed: Any non-negative integer.
        split: Only puzzles whose orbit falls to this split, see `split_of`.
        test_share: Share of the orbits that falls to `test`.
        progress: Told how many puzzles are made.

    Raises:
        HRMDataError: An argument is out of range, or no such puzzles are found.
    """
    board = as_board(box)
    if kind not in KINDS:
        raise HRMDataError(f"kind is {kind!r}; it must be one of {', '.join(KINDS)}")
    if split not in (None, "train", "test"):
        raise HRMDataError(f"split is {split!r}; it must be train, test or None")
    if count < 0 or seed < 0:
        raise HRMDataError(f"count is {count} and seed {seed}; neither may be negative")
    low, high = _range(clues, "clues", 0, board.cells)
    least = _FEWEST_CLUES[board.rows, board.cols]
    if high < least:
        raise HRMDataError(
            f"clues is {clues}, but no Sudoku with boxes of {board.rows}x{board.cols} and fewer than {least} "
            f"clues has one solution; ask for {least} or more"
        )
    if kind == "hard":
        limits = (low, high), _range(rating, "rating", 0, 2**31)
        return _hard(count, board, limits, mean_rating, seed, split, test_share, progress)
    wish = _Wish(board, kind, clues is not None, low, high, *_range(rating, "rating", 0, 2**31), split, test_share)
    blank = np.zeros((0, board.cells), np.uint8)
    kept = Puzzles(blank, blank, np.zeros(0, np.int64))
    done, fruitless = 0, 0
    rate = {None: 1.0, "train": 1.0 - test_share, "test": test_share}[split]  # puzzles for each candidate
    seen: set[int] = set()
    while len(kept.puzzles) < count:
        if fruitless >= _PATIENCE:
            raise HRMDataError(_refusal(wish, count, len(kept.puzzles), done, seen))
        size = int(min(_MOST, max(256, 1.1 * (count - len(kept.puzzles)) / max(rate, 1e-6))))
        new, found = _candidates(wish, item_keys(seed, np.arange(done, done + size)))
        seen.update(found)
        done += size
        merged = Puzzles(*(np.concatenate(pair) for pair in zip(kept, new, strict=True)))
        first = first_of_each(merged.puzzles)
        fruitless = 0 if len(first) > len(kept.puzzles) else fruitless + size
        kept = Puzzles(*(field[first] for field in merged))
        rate = max(len(kept.puzzles), 0.5) / done
        progress(min(len(kept.puzzles), count), count, f"{split} puzzles" if split else "puzzles")
    return Puzzles(*(field[:count] for field in kept))


def _hard(
    count: int,
    board: Board,
    limits: tuple[tuple[int, int], tuple[int, int]],
    mean_rating: float,
    seed: int,
    split: Split | None,
    test_share: float,
    progress: Progress,
) -> Puzzles:
    """As `generate_sudoku` for the kind `hard`: batches of minimal puzzles are bred one after another."""
    clues, rating = limits
    if not mean_rating > 0:
        raise HRMDataError(f"mean_rating is {mean_rating}; it must be above 0")
    if board.n != 9:
        raise HRMDataError(
            f"kind is 'hard' with boxes of {board.rows}x{board.cols}; singles solve nearly all puzzles that small, "
            "choose boxes of 3x3 or another kind"
        )
    blank = np.zeros((0, board.cells), np.uint8)
    kept = Puzzles(blank, blank, np.zeros(0, np.int64))
    batch = fruitless = 0
    while len(kept.puzzles) < count:
        if fruitless >= _HARD_PATIENCE:
            raise HRMDataError(
                f"only {len(kept.puzzles)} of {count} different puzzles of kind 'hard' with {clues[0]} to {clues[1]} "
                f"clues, rating {rating[0]} to {rating[1]}, were bred; ask for fewer, or admit more clues or ratings"
            )
        parents = generate_sudoku(
            SEEDS * min(PARENTS, max(64, count - len(kept.puzzles))),
            board,
            seed=int(np.random.SeedSequence([seed, 5, batch]).generate_state(1, np.uint64)[0]),
            split=split,
            test_share=test_share,
        )
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 6, batch])))

        def tell(mean: float, done: int = len(kept.puzzles)) -> None:
            progress(done, count, f"hard puzzles, mean rating {mean:.1f} of {mean_rating:g}")

        puzzles, solutions = breed(parents.puzzles, parents.solutions, board, mean_rating, rng, tell)
        steps = solve(puzzles, board).steps
        clue_counts = np.count_nonzero(puzzles, axis=1)
        ok = (clue_counts >= clues[0]) & (clue_counts <= clues[1]) & (steps >= rating[0]) & (steps <= rating[1])
        new = Puzzles(puzzles[ok], solutions[ok], steps[ok])
        merged = Puzzles(*(np.concatenate(pair) for pair in zip(kept, new, strict=True)))
        first = first_of_each(merged.puzzles)
        fruitless = 0 if len(first) > len(kept.puzzles) else fruitless + 1
        kept, batch = Puzzles(*(field[first] for field in merged)), batch + 1
    return Puzzles(*(field[:count] for field in kept))


def first_of_each(rows: np.ndarray) -> np.ndarray:
    """Numbers of the rows that equal no earlier row, rising; `rows` is `[N, width]` uint8.

    Rows are compared by a 64-bit hash: no two equal rows are kept, and a collision is very unlikely.
    """
    width = np.arange(1, rows.shape[1] + 1, dtype=np.uint64)
    hashes = (rows * mix(width)).sum(axis=1, dtype=np.uint64)
    return np.sort(np.unique(hashes, return_index=True)[1])


class _Wish(NamedTuple):
    board: Board
    kind: Kind
    clues_given: bool
    low: int
    high: int
    rating_low: int
    rating_high: int
    split: Split | None
    test_share: float


def _candidates(wish: _Wish, keys: np.ndarray) -> tuple[Puzzles, list[int]]:
    """Return the puzzles of these keys that the wish admits, and the numbers of clues of all candidates."""
    board = wish.board
    grids = random_grids(keys, board)
    if wish.split and not by_puzzle(board):
        mine = in_test(orbit_invariant(grids, board), wish.test_share) == (wish.split == "test")
        grids, keys = grids[mine], keys[mine]
    target = np.zeros(len(keys), np.int64)
    if wish.clues_given:
        target += wish.low + (draw(keys, 1, 2)[:, 0] % np.uint64(wish.high - wish.low + 1)).astype(np.int64)
    order = permutations(keys, board.cells, salt=1)
    deep = wish.kind in ("minimal", "search")
    kept = dig(grids, order, target * (not deep), board, singles=wish.kind == "singles")
    solved = solve(grids * kept, board)
    ok = np.ones(len(keys), bool)
    if wish.kind == "search":
        ok = solved.steps > 0
        if wish.clues_given:
            grids, keys, kept, order, target = (x[ok] for x in (grids, keys, kept, order, target))
            kept = restore(grids, kept, order[:, ::-1], target, board)
            solved = solve(grids * kept, board)
            ok = solved.steps > 0
    counts = kept.sum(axis=1)
    ok &= (counts >= wish.low) & (counts <= wish.high)
    ok &= (solved.steps >= wish.rating_low) & (solved.steps <= wish.rating_high)
    puzzles = grids * kept
    if wish.split and by_puzzle(board):
        ok[ok] = split_of(puzzles[ok], grids[ok], board, test_share=wish.test_share) == (wish.split == "test")
    return Puzzles(puzzles[ok], grids[ok], solved.steps[ok]), np.unique(counts).tolist()


def _range(value: Range, name: str, least: int, most: int) -> tuple[int, int]:
    if value is None:
        return least, most
    try:
        low, high = (value, value) if isinstance(value, int | np.integer) else value
    except (TypeError, ValueError):
        raise HRMDataError(f"{name} is {value!r}; give a number or a pair (least, most)") from None
    if not least <= low <= high <= most:
        raise HRMDataError(f"{name} is {value}; it must be a number or a pair (least, most) within {least}..{most}")
    return int(low), int(high)


def _refusal(wish: _Wish, count: int, got: int, tried: int, seen: set[int]) -> str:
    board = wish.board
    clues = f" with {wish.low} to {wish.high} clues" if wish.clues_given else ""
    ranges = f"; numbers of clues that came up: {min(seen)} to {max(seen)}" if seen else ""
    return (
        f"only {got} of {count} different puzzles of kind {wish.kind!r}{clues}, "
        f"boxes {board.rows}x{board.cols}, rating {wish.rating_low} to {wish.rating_high}, "
        f"were found in {tried} candidates{ranges}; ask for fewer, another number of clues or another kind"
    )

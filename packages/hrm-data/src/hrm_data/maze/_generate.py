"""The maze generator: random walls, start and goal far apart."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data._progress import Progress, no_progress
from hrm_data._random import mix
from hrm_data.maze._options import HARD_SIZE
from hrm_data.maze._rules import GOAL, PATH, SPACE, START, WALL
from hrm_data.maze._search import UNREACHED, distances, farthest, pack, trace, unpack
from hrm_data.symmetry._dihedral import TRANSFORMS, dihedral

HARD_LENGTH = 111
WALLS = (0.3, 0.5)
_BATCH = 2048  # candidates made at a time; part of what a seed means
_PATIENCE = 1 << 16  # candidates without a new maze before a request is called impossible


class Mazes(NamedTuple):
    """Mazes with one shortest path each, as codes: 1 wall, 2 free, 3 start, 4 goal, 5 path."""

    puzzles: np.ndarray
    """`[N, n, n]` uint8."""
    answers: np.ndarray
    """`[N, n, n]` uint8, the puzzles with the free cells of a shortest path marked."""
    lengths: np.ndarray
    """`[N]` int64, moves from start to goal, or the rating that came with the mazes."""


def least_length(size: int) -> int:
    """The usual least path length: over 110 for the published 30x30 mazes, else the length of a side."""
    return HARD_LENGTH if size == HARD_SIZE else size


def generate_mazes(
    count: int,
    size: int = HARD_SIZE,
    *,
    min_length: int | None = None,
    unique: bool = False,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Mazes:
    """Generate `count` mazes of `size` x `size` cells, no two alike up to rotation and reflection of their walls.

    As for the published Maze-Hard (HRM paper, section 3.1, after Lehnert et al., arXiv 2402.14083): 30 to 50 percent
    of the cells are walls, and a maze is kept if a shortest path is long enough. Where no cell is that far from a
    random start, the cell farthest from it becomes the start. The path that is marked goes from the start up where
    a shortest path can, else left, else right, else down. The result depends on the arguments alone, and fewer mazes
    are the first of more.

    Args:
        count: Number of mazes.
        size: Cells in a side, 4 to 64.
        min_length: Least number of moves from start to goal; by default 111 for 30x30, else `size`.
        unique: Put walls on the free cells of other shortest paths, so that the one that is marked is the only one.
        seed: Any non-negative integer.
        progress: Told how many mazes are made.

    Raises:
        HRMDataError: An argument is out of range, or no such mazes are found.
    """
    if not 4 <= size <= 64:
        raise HRMDataError(f"size is {size}; mazes have 4 to 64 cells in a side")
    if count < 0 or seed < 0:
        raise HRMDataError(f"count is {count} and seed {seed}; neither may be negative")
    length = least_length(size) if min_length is None else min_length
    most = 3 * ((size + 1) // 2) ** 2 - 1  # of four cells in a square a shortest path has at most three
    if not 1 <= length <= most:
        raise HRMDataError(
            f"min_length is {length}, but shortest paths in mazes of {size}x{size} have 1 to at most {most} moves; "
            "ask for shorter paths or larger mazes"
        )
    parts: list[Mazes] = []
    seen: set[int] = set()
    tried = fruitless = longest = 0
    while len(seen) < count:
        if fruitless >= _PATIENCE:
            raise HRMDataError(
                f"only {len(seen)} of {count} different mazes of {size}x{size} with a shortest path of at least "
                f"{length} moves were found in {tried} candidates, where the longest had {longest}; "
                "ask for fewer mazes, shorter paths or another size"
            )
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, size, tried // _BATCH])))
        new, reached = _candidates(size, length, unique, rng)
        longest, tried = max(longest, reached), tried + _BATCH
        fresh = []
        for i, key in enumerate(wall_keys(new.puzzles).tolist()):
            if key not in seen:
                seen.add(key)
                fresh.append(i)
        fruitless = 0 if fresh else fruitless + _BATCH
        parts.append(Mazes(*(field[fresh] for field in new)))
        progress(min(len(seen), count), count, "mazes")
    blank = np.zeros((0, size, size), np.uint8)
    parts.append(Mazes(blank, blank, np.zeros(0, np.int64)))
    return Mazes(*(np.concatenate(field)[:count] for field in zip(*parts, strict=True)))


def wall_keys(puzzles: np.ndarray) -> np.ndarray:
    """A 64-bit number for each maze `[N, n, n]` that its walls alone decide, however it is turned or mirrored."""
    cells = puzzles.shape[1] * puzzles.shape[2]
    weights = mix(np.arange(1, cells + 1, dtype=np.uint64))
    moved = (dihedral(puzzles == WALL, k).reshape(len(puzzles), cells) for k in range(TRANSFORMS))
    hashes = [np.where(walls, weights, 0).sum(axis=1, dtype=np.uint64) for walls in moved]
    result: np.ndarray = np.minimum.reduce(hashes)
    return result


def _candidates(size: int, length: int, unique: bool, rng: np.random.Generator) -> tuple[Mazes, int]:
    """The mazes of one batch of candidates that are good enough, and the longest distance in any of them."""
    share = (rng.uniform(*WALLS, (_BATCH, 1)) * 2**16).astype(np.uint16)
    free = rng.integers(0, 2**16, (_BATCH, size * size), np.uint16) >= share
    start = np.zeros_like(free)
    start[np.arange(_BATCH), rng.integers(0, size * size, _BATCH)] = True
    free, start = (cells.reshape(_BATCH, size, size) for cells in (free | start, start))
    depth, far = farthest(pack(free), pack(start))
    worth = np.flatnonzero(2 * depth >= length)  # no two cells are farther apart than twice the distance from a third
    free, start, near = free[worth], start[worth], depth[worth] >= length
    start = np.where(near[:, None, None], start, _one_of(unpack(far[:, worth], size), rng))
    depth, _ = farthest(pack(free), pack(start))
    good = np.flatnonzero(depth >= length)
    free, start = free[good], start[good]
    goal = _one_of(distances(free, start) >= length, rng)
    swap = rng.random((len(good), 1, 1)) < 0.5
    mazes = _mazes(free, np.where(swap, goal, start), np.where(swap, start, goal), unique)
    return mazes, int(depth.max(initial=0))


def _one_of(cells: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One random cell of those set in each of `[N, n, n]` bool, as such an array; every maze has one."""
    flat = cells.reshape(len(cells), cells.shape[1] ** 2)
    nth = (rng.random(len(flat)) * flat.sum(axis=1)).astype(np.int64)
    result = flat & (np.cumsum(flat, axis=1) == nth[:, None] + 1)
    return result.reshape(cells.shape)


def _mazes(free: np.ndarray, start: np.ndarray, goal: np.ndarray, unique: bool) -> Mazes:
    to_goal = distances(free, goal)
    path = trace(to_goal, start.reshape(len(free), free.shape[1] ** 2).argmax(axis=1))
    lengths = path.sum(axis=(1, 2)) - 1
    if unique:
        from_start = distances(free, start)
        other = (from_start + to_goal == lengths[:, None, None]) & (to_goal != UNREACHED) & ~path
        free = free & ~other
    puzzles = np.where(free, np.uint8(SPACE), np.uint8(WALL))
    puzzles[start], puzzles[goal] = START, GOAL
    answers = np.where(path & ~start & ~goal, np.uint8(PATH), puzzles)
    return Mazes(puzzles, answers, lengths)

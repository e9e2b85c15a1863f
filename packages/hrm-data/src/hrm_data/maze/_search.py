"""Breadth-first search in many mazes at once.

The cells of a row are the bits of one word. One step of all searches is a dozen operations on an array `[n, mazes]` of
words: the frontier spreads to the four sides and loses walls and cells reached before.
"""

from __future__ import annotations

import numpy as np

UNREACHED = -1


def pack(cells: np.ndarray) -> np.ndarray:
    """Rows of cells `[N, n, n]` bool as bits, column `c` is bit `c`: `[n, N]` uint32, uint64 where `n` is over 32."""
    total, n = cells.shape[:2]
    word = np.dtype("<u4") if n <= 32 else np.dtype("<u8")
    padded = np.zeros((total, n, word.itemsize), np.uint8)
    packed = np.packbits(cells, axis=2, bitorder="little")
    padded[:, :, : packed.shape[2]] = packed
    return np.ascontiguousarray(padded.view(word)[:, :, 0].T)


def unpack(rows: np.ndarray, n: int) -> np.ndarray:
    """Cells `[N, n, n]` bool of packed rows `[n, N]`."""
    words = np.ascontiguousarray(rows.T)
    as_bytes = words.view(np.uint8).reshape(*words.shape, words.dtype.itemsize)
    return np.unpackbits(as_bytes, axis=-1, count=n, bitorder="little").view(bool)


def spread(at: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Cells of `left` beside cells of `at`, all packed."""
    one = at.dtype.type(1)
    step = at << one
    step |= at >> one
    step[1:] |= at[:-1]
    step[:-1] |= at[1:]
    step &= left
    return step


def farthest(free: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Greatest distance `[N]` from the start of each maze, and the cells there; all cells are packed `[n, N]`."""
    far = start.copy()
    depth = np.zeros(start.shape[1], np.int64)
    maze, at, left, moves = np.arange(start.shape[1]), start, free & ~start, 0
    while maze.size:
        step = spread(at, left)
        alive = np.bitwise_or.reduce(step, axis=0) != 0
        if not alive.all():
            over, on = np.flatnonzero(~alive), np.flatnonzero(alive)
            depth[maze[over]] = moves
            far[:, maze[over]] = at.take(over, axis=1)
            maze, step, left = maze[on], step.take(on, axis=1), left.take(on, axis=1)
        left ^= step
        at, moves = step, moves + 1
    return depth, far


def distances(free: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return the moves from the start to every cell, `[N, n, n]` int32, `UNREACHED` without a way; arguments bool."""
    n = free.shape[1]
    result = np.full(free.shape, UNREACHED, np.int32)
    at, left, moves = pack(start & free), pack(free & ~start), 0
    while at.any():
        result[unpack(at, n)] = moves
        at, moves = spread(at, left), moves + 1
        left ^= at
    return result


def trace(to_goal: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Cells of one shortest path each, from the start up to the goal, both included, `[N, n, n]` bool.

    The path goes up where a shortest path can, else left, else right, else down.

    Args:
        to_goal: `distances` from the goals; the starts are reached.
        start: Cell number of each start, `[N]`.
    """
    total, n = to_goal.shape[:2]
    padded = np.full((total, n + 2, n + 2), UNREACHED - 1, np.int32)
    padded[:, 1:-1, 1:-1] = to_goal
    flat = padded.reshape(total, (n + 2) ** 2)
    maze = np.arange(total)
    at = (start // n + 1) * (n + 2) + start % n + 1
    path = np.zeros(flat.shape, bool)
    path[maze, at] = True
    sides = np.array([-(n + 2), -1, 1, n + 2])
    while (walking := np.flatnonzero(flat[maze, at] > 0)).size:
        beside = at[walking, None] + sides
        nearer = flat[walking[:, None], beside] == flat[walking, at[walking]][:, None] - 1
        at[walking] = beside[np.arange(walking.size), nearer.argmax(axis=1)]
        path[walking, at[walking]] = True
    return path.reshape(padded.shape)[:, 1:-1, 1:-1]

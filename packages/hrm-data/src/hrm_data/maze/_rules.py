"""The rules of mazes: the codes of cells, and when an answer marks a shortest path."""

from __future__ import annotations

import numpy as np

from hrm_data.maze._search import distances

WALL, SPACE, START, GOAL, PATH = range(1, 6)
CHARS = "# SGo"
"""Characters of the codes 1..5, as in the published files."""


def route_lengths(puzzles: np.ndarray) -> np.ndarray:
    """Return the moves on a shortest path from start to goal, `[N]` int32, -1 without one; `puzzles` is `[N, n, n]`."""
    from_start = distances(puzzles != WALL, puzzles == START)
    goal = (puzzles == GOAL).reshape(len(puzzles), puzzles.shape[1] ** 2).argmax(axis=1)
    result: np.ndarray = from_start.reshape(len(puzzles), puzzles.shape[1] ** 2)[np.arange(len(puzzles)), goal]
    return result


def changed_cells(puzzles: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Cells of the answers that are neither as in the puzzle nor free cells marked as path, `[N, n, n]` bool."""
    result: np.ndarray = (puzzles != answers) & ~((puzzles == SPACE) & (answers == PATH))
    return result


def faults(puzzles: np.ndarray, answers: np.ndarray) -> list[str]:
    """Return what is wrong with each answer, as text; empty if it marks a shortest path.

    Every shortest path is accepted. Arguments are `[N, n, n]` codes.
    """
    total, n = puzzles.shape[:2]
    best = route_lengths(puzzles)
    changed = changed_cells(puzzles, answers)
    marked = (answers == PATH) & (puzzles == SPACE)
    walked = distances(marked | (puzzles == START) | (puzzles == GOAL), puzzles == START).reshape(total, n * n)
    goal = (puzzles == GOAL).reshape(total, n * n).argmax(axis=1)
    reach = walked[np.arange(total), goal]
    cells = marked.sum(axis=(1, 2))
    ends = [(puzzles == code).sum(axis=(1, 2)) for code in (START, GOAL)]
    result = []
    for i in range(total):
        if ends[0][i] != 1 or ends[1][i] != 1:
            result.append(f"the maze has {ends[0][i]} starts and {ends[1][i]} goals, it needs one of each")
        elif best[i] < 0:
            result.append("the maze has no way from start to goal")
        elif changed[i].any():
            row, col = np.argwhere(changed[i])[0]
            was, now = (_name(int(board[i, row, col])) for board in (puzzles, answers))
            result.append(f"row {row + 1}, column {col + 1} is {was} in the maze but {now} in the answer")
        elif reach[i] < 0:
            result.append("the marked path does not lead from start to goal")
        elif reach[i] > best[i]:
            result.append(f"the marked path takes {reach[i]} moves, a shortest path takes {best[i]}")
        elif cells[i] != best[i] - 1:
            result.append(f"{cells[i]} cells are marked, a shortest path has {best[i] - 1} between start and goal")
        else:
            result.append("")
    return result


def _name(code: int) -> str:
    names = {WALL: "a wall", SPACE: "free", START: "the start", GOAL: "the goal", PATH: "on the path"}
    return names.get(code, "nothing")

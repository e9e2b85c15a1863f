"""Cells for which nothing is asked: every answer has the puzzle's own token there."""

from __future__ import annotations

import numpy as np

from hrm_data.dataset._loader import IGNORE
from hrm_data.task._task import Task


def kept_cells(task: Task | None, puzzle: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
    """Return where an answer has the puzzle's own tokens, `[seq_len]` bool.

    These are the cells with one of the task's `kept_tokens`, and those whose label is ignored. Labels say nothing if
    all are ignored, as in a puzzle without a known solution, and nothing outside of the solution's picture, as on the
    canvas around a grid of ARC.

    Args:
        task: The task; None if it is unknown.
        puzzle: Tokens `[seq_len]`.
        labels: Tokens of the solution `[seq_len]`, -100 where nothing is asked for; None without a solution.
    """
    kept: np.ndarray = np.isin(puzzle, [] if task is None else list(task.kept_tokens))
    if labels is None:
        return kept
    ignored = labels == IGNORE
    if ignored.all() or not ignored.any():
        return kept
    if task is not None:
        shown = np.zeros(len(puzzle), bool)
        shown[list(task.render(task.decode(np.where(ignored, 0, labels))).spots)] = True
        ignored &= shown
    return kept | ignored


def whole_solution(task: Task | None, puzzle: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return a solution `[seq_len]` with the puzzle's tokens where nothing is asked for; the arguments are the same.

    Ignored labels elsewhere become 0, padding.
    """
    whole: np.ndarray = np.where(labels == IGNORE, 0, labels)
    return np.where(kept_cells(task, puzzle, labels), puzzle, whole)


def whole_solutions(task: Task, inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return `whole_solution` of many examples, `[B, seq_len]`; padded only if the task does not know the rule."""
    whole = np.where(labels == IGNORE, 0, labels)
    if not task.rule_known:
        return whole
    for row in np.flatnonzero((labels == IGNORE).any(axis=1)):
        whole[row] = whole_solution(task, inputs[row], labels[row])
    return whole

"""The search for a valid answer: what it tries, when it ends, and what it says."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hrm_data import get_task, open_dataset
from hrm_data.sudoku import generate_sudoku
from hrm_evaluator import Solver, UserError, load
from hrm_evaluator.answers._search import Searcher
from hrm_evaluator.answers._vote import checker
from hrm_evaluator.shipped._models import weights_of
from hrm_model import HRM, ContinuousPredictor, HaltingRule, Noise, load_model
from hrm_train import RunDirectory


@pytest.fixture
def model(run: RunDirectory) -> HRM:
    (*_, newest) = sorted(run.checkpoint_directory.iterdir())
    return load_model(newest / "model.safetensors")


@pytest.fixture(scope="module")
def trained() -> HRM:
    """A model that solves most 6x6 Sudokus, but none in a single step."""
    return load_model(weights_of("sudoku-6x6"))


def batch(puzzle: np.ndarray) -> dict[str, np.ndarray]:
    tokens = puzzle.reshape(1, -1).astype(np.int32) + 1
    return {"inputs": tokens, "puzzle_identifiers": np.zeros(1, np.int32)}


def test_a_search_ends_with_a_valid_answer_or_when_its_time_is_over(trained: HRM) -> None:
    task = get_task({"task": "sudoku", "box": [2, 3]})
    puzzle = batch(generate_sudoku(1, (2, 3), seed=5).puzzles[0])
    (first,) = ContinuousPredictor(trained, 1, max_steps=1)([puzzle])
    valid = checker(task, puzzle["inputs"][0])
    assert not valid(first)
    searcher = Searcher(trained, task, HaltingRule(), 1, Noise(2.0))
    answer, search = searcher(puzzle, first, 60.0)
    assert valid(answer)
    assert search.found in ("more steps", "trajectories")
    assert search.steps > first.steps
    before = time.monotonic()
    impossible = batch(np.ones((6, 6)))  # the same digit in every cell
    answer, search = searcher(impossible, first, 0.5)
    assert (answer, search.found) == (first, None)
    assert search.answers > 1
    assert 0.5 <= search.seconds <= time.monotonic() - before


def test_the_solver_searches_only_where_an_answer_is_not_valid(run: RunDirectory, dataset: Path) -> None:
    solver: Solver = load(run.path, max_steps=2)
    data = open_dataset(dataset, "test").sets["all"]
    task = solver.task
    filled = [task.decode(solution) for solution in data.labels[:2]]  # nothing is open, so a clue kept is an answer
    puzzles = [task.decode(puzzle) for puzzle in data.inputs[:2]]
    found = list(solver.solve_until_valid([*puzzles, *filled], time_limit=0.3))
    assert len(found) == 4
    for solution in found:
        assert solution.search is not None
        if solution.search.found == "first pass":
            assert solution.valid
            assert solution.search.answers == 1
        assert solution.valid == (solution.search.found is not None)
    plain = list(solver.solve_many([*puzzles, *filled]))
    for one, other in zip(plain, found, strict=True):
        assert one.search is None
        if other.search is not None and other.search.found in ("first pass", None):
            assert one.text == other.text


def test_there_is_nothing_to_search_for_where_the_rule_is_unknown(model: HRM) -> None:
    arc = get_task({"task": "arc1"})
    with pytest.raises(UserError, match="arc1 has no known rule"):
        next(Solver([model], arc, "model.safetensors").solve_until_valid([np.zeros((2, 2), np.uint8)]))

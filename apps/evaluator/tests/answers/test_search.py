"""The search for a valid answer: what it tries, when it ends, and what it says."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hrm_data import get_task, open_dataset
from hrm_evaluator import Solver, UserError, load
from hrm_evaluator.answers._search import Searcher
from hrm_evaluator.answers._vote import checker
from hrm_model import HRM, ContinuousPredictor, HaltingRule, Noise, load_model
from hrm_train import RunDirectory

ANY = {"task": "sudoku", "box": [2, 2]}


@pytest.fixture
def model(run: RunDirectory) -> HRM:
    (*_, newest) = sorted(run.checkpoint_directory.iterdir())
    return load_model(newest / "model.safetensors")


@pytest.fixture
def batch(dataset: Path) -> dict[str, np.ndarray]:
    """The test puzzle with the fewest open cells, so that even a model that has learnt nothing may find its answer."""
    data = open_dataset(dataset, "test").sets["all"]
    number = int((data.inputs == 1).sum(axis=1).argmin())
    return {"inputs": data.inputs[number : number + 1], "puzzle_identifiers": np.zeros(1, np.int32)}


def test_a_search_ends_with_a_valid_answer_or_when_its_time_is_over(
    model: HRM, batch: dict[str, np.ndarray], dataset: Path
) -> None:
    task = get_task(dataset)
    (first,) = ContinuousPredictor(model, 1)([batch])
    searcher = Searcher(model, task, HaltingRule(), 3, Noise(2.0))
    answer, search = searcher(batch, first, 60.0)
    if search.found is None:  # a model that never guesses right
        assert answer == first
        assert search.seconds >= 60.0
    else:
        assert checker(task, batch["inputs"][0])(answer)
        assert search.found in ("more steps", "trajectories")
        assert search.steps > first.steps
    before = time.monotonic()
    impossible = {**batch, "inputs": np.full_like(batch["inputs"], 2)}  # a digit in every cell
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

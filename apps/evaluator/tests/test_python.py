"""The solver as Python sees it: many threads, copies, a forked process, and words that name arguments."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from inspect import unwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hrm_data import Task, open_dataset
from hrm_evaluator import Solution, Solver, UserError, load
from hrm_model import HaltingRule
from hrm_train import RunDirectory

PUZZLE = "12..34..2.4..3.1"


@pytest.fixture(scope="module")
def solver(run: RunDirectory) -> Solver:
    return load(run.path, halting=HaltingRule("max"), votes=2, noise=0.1, trajectories=2)


@pytest.fixture(scope="module")
def boards(solver: Solver, dataset: Path) -> list[np.ndarray]:
    tokens = open_dataset(dataset, "test").sets["all"].inputs
    return [solver.task.decode(row) for row in tokens.astype(np.int32)]


def told(solution: Solution) -> tuple[Any, ...]:
    return solution.text, solution.steps, solution.confidence, solution.agreeing


def test_threads_get_the_answers_of_the_main_thread(solver: Solver, boards: list[np.ndarray]) -> None:
    expected = [told(solver.solve(board)) for board in boards]
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(lambda board=board: told(solver.solve(board))) for board in boards * 4]
        whole = pool.submit(lambda: [told(solution) for solution in solver.solve_many(boards)])
        assert [told(solution) for solution in solver.solve_many(boards)] == whole.result()
        assert [future.result() for future in futures] == expected * 4


def test_a_search_runs_in_a_thread(run: RunDirectory, boards: list[np.ndarray]) -> None:
    def search() -> list[Solution]:
        return list(load(run.path).solve_until_valid(boards[:2], time_limit=1.0))

    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(search).result()
    assert all(solution.search is not None for solution in found)


def test_a_solver_that_a_thread_loaded_is_as_good(run: RunDirectory, boards: list[np.ndarray]) -> None:
    with ThreadPoolExecutor(1) as pool:
        loaded = pool.submit(load, run.path).result()
    assert [told(one) for one in loaded.solve_many(boards)] == [told(one) for one in load(run.path).solve_many(boards)]


@pytest.mark.parametrize(
    "way", [copy.deepcopy, lambda solver: pickle.loads(pickle.dumps(solver))], ids=["deepcopy", "pickle"]
)
def test_a_copy_solves_the_same(way: Callable[[Solver], Solver], solver: Solver, boards: list[np.ndarray]) -> None:
    other = way(solver)
    assert repr(other) == repr(solver)
    assert other.knows("<blank>")
    assert [told(one) for one in other.solve_many(boards)] == [told(one) for one in solver.solve_many(boards)]


def test_a_pickle_is_opened_by_another_process(solver: Solver, tmp_path: Path) -> None:
    (tmp_path / "solver").write_bytes(pickle.dumps(solver))
    code = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).solve(sys.argv[2]).text)"
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "solver", PUZZLE], capture_output=True, text=True, timeout=300
    )
    assert done.stdout.strip() == solver.solve(PUZZLE).text, done.stderr


FORK = """
import os, signal, sys
from hrm_evaluator import load
solver = load(sys.argv[1])
solver.solve(sys.argv[2])
child = os.fork()
if child == 0:
    signal.alarm(120)  # a hang ends here
    for call in (lambda: solver.solve(sys.argv[2]), lambda: load(sys.argv[1])):
        try:
            call()
        except ValueError as error:
            print(error, flush=True)
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork") or not hasattr(signal, "alarm"), reason="this system has no fork")
def test_a_forked_process_is_told_what_to_do(run: RunDirectory) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, run.path, PUZZLE], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("was forked after MLX had been used") == done.stdout.count("spawn") == 2


WRONG: list[tuple[Any, str]] = [
    (PUZZLE[:15], "the puzzle is wrong: the puzzle has 15 characters"),
    ("11" + PUZZLE[2:], "the puzzle is wrong: the clues contradict"),
    ([[1, 2], [3, 4]], "the puzzle is wrong: it is of type list"),
    (None, "the puzzle is wrong: it is of type NoneType"),
    (np.zeros((4, 4)), "the puzzle is wrong: .*float64"),
    (np.zeros((2, 4, 4), int), "the puzzle is wrong: board holds 2 boards"),
    (np.full((4, 4), 9), "the puzzle is wrong: "),
]


@pytest.mark.parametrize(("puzzle", "says"), WRONG)
def test_a_mistake_is_one_error_of_one_line(puzzle: Any, says: str, solver: Solver) -> None:
    with pytest.raises(UserError, match=f"^{says}") as caught:
        solver.solve(puzzle)
    text = "".join(traceback.format_exception(caught.value))
    assert text.count("Traceback") == 1
    assert "\n" not in str(caught.value)
    assert caught.value._render_traceback_() == [f"UserError: {caught.value}"]  # what IPython prints instead
    assert solver.solve(PUZZLE).text  # and goes on


MISTAKES: list[dict[str, Any]] = [
    {"checkpoint": "nope"},
    {"runs": "nowhere"},
    {"trajectories": 3},
    {"task": "sudoku-2x3"},
    {"checkpoints": 9},
    {"data_path": "nowhere"},
    {"max_steps": 10**11},
    {"batch_size": 0},
    {"halting": HaltingRule("soon")},  # type: ignore[arg-type]
    {"commit": 2.0},
    {"noise": -1.0},
]


@pytest.mark.parametrize("arguments", MISTAKES, ids=str)
def test_load_speaks_of_arguments_and_the_command_of_flags(arguments: dict[str, Any], run: RunDirectory) -> None:
    arguments = {"checkpoint": None if "runs" in arguments else run.path, **arguments}
    with pytest.raises(UserError) as caught:
        load(**arguments)
    assert "--" not in str(caught.value)
    assert "".join(traceback.format_exception(caught.value)).count("Traceback") == 1
    with pytest.raises(UserError) as caught_by_command:
        unwrap(load)(**arguments)
    assert str(caught_by_command.value).replace("--", "").replace("-", "_") == str(caught.value).replace("-", "_")


def test_a_flag_in_a_name_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^checkpoint .*/a--votes: does not exist"):
        load(tmp_path / "a--votes")


def test_a_solver_says_what_it_is(solver: Solver, run: RunDirectory) -> None:
    for text in (repr(solver), solver._repr_html_()):
        assert "sudoku-2x2" in text
        assert str(run.newest_checkpoint()) in text
        assert str(solver.max_steps) in text
    assert "\n" not in repr(solver)


def test_text_from_files_is_escaped(solver: Solver, tmp_path: Path) -> None:
    class Named(type(solver.task)):  # type: ignore[misc]
        name = "<img src=x onerror=alert(1)>"

    task: Task = Named((2, 2))
    task.name = "<img src=x onerror=alert(1)>"
    other = Solver(solver.models, task, tmp_path / "<script>&.safetensors")
    for html in (other._repr_html_(), other.solve(PUZZLE)._repr_html_()):
        assert "<img" not in html
        assert "<script>&" not in html

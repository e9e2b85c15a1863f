"""Solving ARC tasks: nothing is called valid unless the file says what is right."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hrm_data.arc import ArcOptions, ArcTask, build_arc
from hrm_evaluator import Solution, load
from hrm_evaluator.answers._records import Record
from hrm_model import Answer
from hrm_train import RunDirectory
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

Call = Callable[..., tuple[int, str, str]]
PAIR = {"input": [[1, 0], [0, 2]], "output": [[0, 1], [2, 0]]}


@pytest.fixture(scope="module")
def arc_run(tmp_path_factory: pytest.TempPathFactory, make_run: Callable[..., RunDirectory]) -> RunDirectory:
    root = tmp_path_factory.mktemp("arc")
    for split in ("training", "evaluation"):
        (root / "tasks" / split).mkdir(parents=True)
        task = {"train": [PAIR, {"input": [[3]], "output": [[len(split) % 10]]}], "test": [PAIR]}
        (root / "tasks" / split / f"{split}.json").write_text(json.dumps(task))
    dataset = build_arc(root / "data", ArcOptions(source=(root / "tasks",), augmentations=2))
    return make_run(root, dataset, halt_max_steps=2)


def task_file(folder: Path, answer: list[list[int]] | None) -> Path:
    path = folder / "task.json"
    pair = {"input": [[1, 2], [3, 4]]} | ({} if answer is None else {"output": answer})
    path.write_text(json.dumps({"train": [{"input": [[1]], "output": [[2]]}], "test": [pair]}))
    return path


def solution(grid: list[list[int]]) -> Solution:
    task = ArcTask()
    tokens = task.encode(np.array(grid, np.uint8))
    return Solution(task, np.array([[1]]), Record(tokens, None, 0, Answer(tokens.tolist(), 1, 0.0, 0.0)))


@settings(max_examples=50, deadline=None)
@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=30), elements=st.integers(0, 9)))
def test_a_grid_is_neither_valid_nor_wrong_until_the_right_one_is_known(grid: np.ndarray) -> None:
    unknown, right, wrong = (solution(grid.tolist()) for _ in range(3))
    right.compare(grid)
    wrong.compare((grid + 1) % 10)
    assert (unknown.valid, unknown.verdict, unknown.faults) == (None, "rule unknown", ())
    assert (right.valid, right.verdict, right.faults) == (True, "valid", ())
    assert (wrong.valid, wrong.verdict) == (False, "not valid: differs from the right one")


def test_no_answer_of_a_model_is_called_valid_where_nothing_tells(
    arc_run: RunDirectory, evaluator: Call, tmp_path: Path
) -> None:
    grid = load(arc_run.path).solve("12/34")
    for options in (("12/34",), ("--file", task_file(tmp_path, None))):
        words = (*options, "--checkpoint", arc_run.path)
        code, out, _ = evaluator("solve", *words)
        assert code == 1
        assert "solves the puzzle" not in out
        assert ("rule unknown" if grid.valid is None else "is no grid") in out
        told = json.loads(evaluator("solve", *words, "--json")[1])
        assert told["valid"] is grid.valid is not True


def test_a_damaged_answer_is_named(arc_run: RunDirectory, evaluator: Call, tmp_path: Path) -> None:
    code, _, err = evaluator("solve", "--file", task_file(tmp_path, [[1], [2, 3]]), "--checkpoint", arc_run.path)
    assert code != 0
    assert "task.json, line 1, test 1" in err
    assert "Traceback" not in err


def test_nothing_can_be_searched_for(arc_run: RunDirectory, evaluator: Call) -> None:
    code, _, err = evaluator("solve", "12/34", "--checkpoint", arc_run.path, "--until-valid")
    assert code == 2
    assert "has no known rule" in err

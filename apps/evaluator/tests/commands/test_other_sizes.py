"""Boards of another size than the model was trained on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hrm_data import SudokuTask
from hrm_evaluator import UserError, load
from hrm_model import GeometryConfig
from hrm_train import RunDirectory

Call = Callable[..., tuple[int, str, str]]
SMALL, LARGE = "12..34..2.4..3.1", "4.......3.2.....1....6...4.1.2......"


@pytest.fixture(scope="module")
def sizeless(
    make_run: Callable[..., RunDirectory], dataset: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunDirectory:
    """A run on 4x4 boards whose weights fit every size."""
    geometry = GeometryConfig(**SudokuTask((2, 2)).geometry().model_dump())
    arch = {"symbol_equivariant": True, "mixer": "groups", "pos_encodings": "none", "halt_loss": "none"}
    root = tmp_path_factory.mktemp("sizeless") / "runs"
    return make_run(root, dataset, puzzle_emb_ndim=0, geometry=geometry, **arch)


def test_the_command_says_that_it_answers_another_size(sizeless: RunDirectory, evaluator: Call) -> None:
    code, out, err = evaluator("solve", LARGE, "--checkpoint", sizeless.path, "--json")
    assert code in (0, 1)
    assert "was trained on sudoku-2x2; its weights fit boards of every size, so it answers sudoku-2x3" in err
    assert len(json.loads(out)["answer"]) == 36
    code, out, err = evaluator("solve", SMALL, "--checkpoint", sizeless.path, "--json")
    assert "trained on" not in err


def test_a_file_of_another_size_is_answered(sizeless: RunDirectory, evaluator: Call, tmp_path: Path) -> None:
    file = tmp_path / "puzzles.txt"
    file.write_text(f"# 6x6\n{LARGE}\n{LARGE}\n")
    code, out, err = evaluator("solve", "--file", file, "--checkpoint", sizeless.path)
    assert code in (0, 1)
    assert "answers sudoku-2x3" in err
    assert len(out.splitlines()) == 2


def test_renamed_digits_rename_the_answer(sizeless: RunDirectory) -> None:
    solver = load(sizeless.path)
    names = np.array([0, 3, 1, 4, 2], np.uint8)
    board = solver.read(SMALL)
    np.testing.assert_array_equal(names[solver.solve(board).answer], solver.solve(names[board]).answer)


def test_a_model_with_positions_of_its_own_refuses_other_sizes(run: RunDirectory, evaluator: Call) -> None:
    code, _, err = evaluator("solve", LARGE, "--checkpoint", run.path)
    assert code == 2
    assert "the puzzle has 36 characters, but a puzzle has 16" in err
    with pytest.raises(UserError, match="another size"):
        load(run.path).resized(SudokuTask((2, 3)))

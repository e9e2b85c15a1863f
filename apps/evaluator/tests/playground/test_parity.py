"""The page's answers are those of Python, after as many steps, for models of every kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hrm_data import Task, open_dataset
from hrm_data.maze import MazeOptions, MazeTask, build_maze
from hrm_data.sudoku import SudokuTask
from hrm_evaluator import load
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

SUDOKU, MAZE = SudokuTask((2, 2)), MazeTask(5)

KINDS: dict[str, dict[str, Any]] = {
    "hrm, rope, prefix": {"puzzle_emb_ndim": 32},
    "hrm, learned, bce": {"pos_encodings": "learned", "halt_loss": "bce"},
    "trm, rope2d, long prefix": {
        "variant": "trm",
        "pos_encodings": "rope2d",
        "puzzle_emb_ndim": 32,
        "puzzle_emb_len": 3,
    },
    "trm, mlp, prefix": {"variant": "trm", "mixer": "mlp", "pos_encodings": "none", "puzzle_emb_ndim": 40},
    "transformer, grid, none": {"variant": "transformer", "pos_encodings": "grid", "halt_loss": "none"},
    "transformer, mlp, learned": {"variant": "transformer", "mixer": "mlp", "pos_encodings": "learned"},
    "equivariant, groups": {
        "variant": "transformer",
        "symbol_equivariant": True,
        "mixer": "groups",
        "pos_encodings": "none",
        "halt_loss": "none",
    },
    "equivariant, attention, rope2d": {"symbol_equivariant": True, "pos_encodings": "rope2d", "halt_loss": "bce"},
    "equivariant, groups, puzzle vector": {
        "variant": "trm",
        "symbol_equivariant": True,
        "mixer": "groups",
        "pos_encodings": "grid",
        "halt_loss": "bce",
        "puzzle_emb_ndim": 32,
    },
    "equivariant, neighbours, learned": {
        "variant": "transformer",
        "symbol_equivariant": True,
        "mixer": "neighbours",
        "pos_encodings": "learned",
        "halt_loss": "none",
    },
    "groups, puzzle vector": {"mixer": "groups", "pos_encodings": "none", "halt_loss": "bce", "puzzle_emb_ndim": 32},
    "neighbours": {"variant": "trm", "mixer": "neighbours", "pos_encodings": "none", "halt_loss": "none"},
}


@pytest.fixture(scope="session")
def mazes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_maze(tmp_path_factory.mktemp("data") / "maze-5x5", MazeOptions(size=5, train=1, test=11, min_length=3))


def check(pages: Any, page: Path, task: Task, dataset: Path) -> list[dict[str, Any]]:
    """Compare all answers of a page with Python's, and return them."""
    answers = pages.answers(page)
    inputs = [np.array(tokens, np.int32) for tokens in open_dataset(dataset, "test").sets["all"].inputs[: len(answers)]]
    expected = list(load(page.with_name("model.safetensors")).solve_many(map(task.decode, inputs)))
    assert len(answers) == len(expected) > 0
    for answer, right in zip(answers, expected, strict=True):
        assert (answer["step"], answer["tokens"]) == (right.steps, right.record.answer.tokens)
        assert answer["confidence"] == pytest.approx(right.confidence, abs=1e-3)
        assert all(1 / task.vocab_size <= sure <= 1 for sure in answer["sureness"])
    return answers


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_answers_as_in_python(
    pages: Any, dataset: Path, mazes: Path, tmp_path: Path, kind: str
) -> None:
    found = []
    for bits, task, puzzles in ((32, SUDOKU, dataset), (32, MAZE, mazes), (8, SUDOKU, dataset), (4, MAZE, mazes)):
        page = pages.write(tmp_path, task, "--examples", puzzles, seed=bits, bits=bits, **KINDS[kind])
        found += check(pages, page, task, puzzles)
    assert len({tuple(answer["tokens"]) for answer in found}) > 4
    assert len({answer["step"] for answer in found}) > 1  # puzzles halt at different steps


@st.composite
def architectures(draw: st.DrawFn) -> dict[str, Any]:
    """Any settings that a model can have."""
    mixer = draw(st.sampled_from(["attention", "mlp", "groups", "neighbours"]))
    equivariant = mixer != "mlp" and draw(st.booleans())
    on_board = equivariant or mixer in ("groups", "neighbours")
    heads = draw(st.sampled_from([1, 2, 4]))
    arch = {
        "variant": draw(st.sampled_from(["hrm", "trm", "transformer"])),
        "mixer": mixer,
        "symbol_equivariant": equivariant,
        "pos_encodings": draw(st.sampled_from(["rope", "rope2d", "learned", "grid", "none"])),
        "halt_loss": draw(st.sampled_from(["bce", "none"] if on_board else ["q_learning", "bce", "none"])),
        "puzzle_emb_ndim": draw(st.sampled_from([0, 32] if on_board else [0, 20, 32, 70])),
        "num_heads": heads,
        "hidden_size": draw(st.sampled_from([32, 64] if on_board else [16, 32, 48])),
        "expansion": draw(st.sampled_from([1.0, 2.3, 4.0])),
        "rms_norm_eps": draw(st.sampled_from([1e-5, 1e-3])),
        "rope_theta": draw(st.sampled_from([100.0, 10000.0])),
        "halt_max_steps": 2,  # rounding grows from step to step where weights are drawn
        **{name: draw(st.integers(1, 2)) for name in ("H_layers", "L_layers", "H_cycles", "L_cycles")},
    }
    if on_board and arch["puzzle_emb_ndim"]:
        arch["puzzle_emb_ndim"] = arch["hidden_size"]
    return arch


@pytest.mark.slow
@settings(max_examples=8, database=None, phases=[Phase.generate])
@given(architectures(), st.integers(0, 2**31), st.sampled_from([32, 8, 4]))
def test_any_settings_answer_as_in_python(
    pages: Any, dataset: Path, tmp_path_factory: pytest.TempPathFactory, arch: dict[str, Any], seed: int, bits: int
) -> None:
    folder = tmp_path_factory.mktemp("any")
    page = pages.write(folder, SUDOKU, "--examples", dataset, "--puzzles", 4, seed=seed, bits=bits, **arch)
    check(pages, page, SUDOKU, dataset)


@pytest.mark.slow
def test_a_model_trained_in_bfloat16_runs_in_float32_and_the_page_says_so(
    pages: Any, dataset: Path, tmp_path: Path
) -> None:
    page = pages.write(tmp_path, SUDOKU, "--examples", dataset, seed=1, forward_dtype="bfloat16", halt_loss="bce")
    with pages.opened(page) as shown:
        assert "trained in bfloat16; this page computes in float32" in shown.locator("#about").inner_text()
    answers = pages.answers(page)
    pages.write(tmp_path, SUDOKU, "--examples", dataset, seed=1, forward_dtype="float32", halt_loss="bce")
    assert answers == check(pages, page, SUDOKU, dataset)

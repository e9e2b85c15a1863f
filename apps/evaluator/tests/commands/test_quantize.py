"""The command `evaluator quantize`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hrm_evaluator import load
from hrm_train import RunDirectory

Call = Callable[..., tuple[int, str, str]]
CallJson = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("bits", [8, 4])
def test_a_quantised_file_is_smaller_and_is_scored_like_a_checkpoint(
    bits: int, run: RunDirectory, dataset: Path, tmp_path: Path, evaluator: Call, evaluator_json: CallJson
) -> None:
    path = tmp_path / "small.safetensors"
    code, out, err = evaluator("quantize", "--checkpoint", run.path, "--bits", bits, "--output", path, "--json")
    assert code == 0, err
    said = json.loads(out)
    assert said["bytes"] == path.stat().st_size < said["bytes_before"] / 2
    found = evaluator_json("--checkpoint", path, "--data-path", dataset)
    assert found["puzzles"] == 11
    assert list(tmp_path.iterdir()) == [path]


def test_a_quantised_file_says_what_its_puzzles_are(run: RunDirectory, tmp_path: Path, evaluator: Call) -> None:
    path = tmp_path / "small.safetensors"
    assert evaluator("quantize", "--checkpoint", run.path, "--output", path)[0] == 0
    assert load(path).task.name == "sudoku-2x2"


def test_nothing_is_overwritten_and_nothing_quantised_twice(run: RunDirectory, tmp_path: Path, evaluator: Call) -> None:
    path = tmp_path / "small.safetensors"
    assert evaluator("quantize", "--checkpoint", run.path, "--output", path)[0] == 0
    before = path.read_bytes()
    for checkpoint, output, says in (
        (run.path, path, f"--output {path}: exists already"),
        (path, tmp_path / "again.safetensors", "weights of 8 bits already"),
        (run.path, tmp_path / "no" / "f", "does not exist"),
    ):
        code, out, err = evaluator("quantize", "--checkpoint", checkpoint, "--output", output)
        assert (code, out) == (2, "")
        assert says in err
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_other_numbers_of_bits_are_refused(run: RunDirectory, evaluator: Call) -> None:
    code, _, err = evaluator("quantize", "--checkpoint", run.path, "--bits", 3, "--output", "x")
    assert code == 2
    assert "--bits" in err

"""The command `evaluator compare`: one table of runs, scored on the same puzzles."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hrm_data.sudoku import SudokuOptions, build_sudoku
from hrm_evaluator.loading._training import training_seconds
from hrm_model import load_model
from hrm_train import RunDirectory
from mlx.utils import tree_flatten

Call = Callable[..., tuple[int, str, str]]
CallJson = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def runs(make_run: Callable[..., RunDirectory], dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("compared")
    kinds = ({}, {"variant": "trm"}, {"variant": "transformer", "puzzle_identifiers": "blank"})
    return [make_run(root, dataset, **kind).path for kind in kinds]


def test_the_table_is_markdown_with_a_row_for_each_run_in_their_order(runs: list[Path], evaluator: Call) -> None:
    code, out, err = evaluator("compare", *runs)
    assert code == 0, err
    heading, rule, *rows = out.splitlines()
    assert [cell.strip() for cell in heading.strip("|").split("|")] == [
        *("variant", "parameters", "steps", "minutes", "exact", "mean steps", "puzzles/s", "run")
    ]
    assert re.fullmatch(r"\|(-+:?\|)+", rule)
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert {len(row) for row in (*cells, rule.strip("|").split("|"))} == {8}
    assert [row[0] for row in cells] == ["hrm", "trm", "transformer, blank identifiers"]
    assert [row[-1] for row in cells] == [run.name for run in runs]
    assert {row[2] for row in cells} == {"4"}
    assert [int(row[1].replace(",", "")) for row in cells] == [parameters(run) for run in runs]


def parameters(run: Path) -> int:
    model = load_model(RunDirectory(run).newest_checkpoint() / "model.safetensors")
    return sum(array.size for _, array in tree_flatten(model.parameters()))


def test_its_scores_are_those_of_the_evaluator(runs: list[Path], evaluator: Call, evaluator_json: CallJson) -> None:
    code, out, err = evaluator("compare", *runs[:2], "--halting", "max", "--limit", "7", "--json")
    assert code == 0, err
    for run, row in zip(runs, json.loads(out), strict=False):
        alone = evaluator_json("--checkpoint", run, "--halting", "max", "--limit", "7")
        assert (row["puzzles"], row["exact_accuracy"], row["mean_steps"]) == (7, alone["exact_accuracy"], 3)


def test_minutes_are_those_of_the_training_reports(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "rates", {})
    assert training_seconds(run, 100) is None
    for step, rate in ((50, 5.0), (100, 10.0), (120, None)):
        run.append_metrics({"kind": "train", "step": step, **({} if rate is None else {"steps_per_second": rate})})
        run.append_metrics({"kind": "eval", "step": step, "steps_per_second": 1e9})
    assert training_seconds(run, 100) == pytest.approx(50 / 5 + 50 / 10)
    assert training_seconds(run, 50) == pytest.approx(10)
    assert training_seconds(run, 120) == pytest.approx(15 * 1.2)


def test_mistakes_are_named_with_what_to_do(runs: list[Path], evaluator: Call, tmp_path: Path) -> None:
    weights = tmp_path / "alone.safetensors"
    shutil.copy(RunDirectory(runs[0]).newest_checkpoint() / "model.safetensors", weights)
    for arguments, message in (
        ((runs[0],), "compare needs two runs or more, but got 1; write evaluator compare RUN RUN"),
        ((runs[0], weights), "belongs to no run, so its training is not known; name a run directory"),
        ((runs[0], tmp_path / "nowhere"), "does not exist"),
        ((*runs, "--limt", "3"), "--limt"),
        ((*runs, "--threshold", "0.5"), "--threshold needs --halting confidence"),
    ):
        code, out, err = evaluator("compare", *arguments)
        assert (code, out) == (2, ""), err
        assert message in err
        assert "Traceback" not in err


def test_runs_of_different_puzzles_are_compared_on_one_dataset_only(
    runs: list[Path], make_run: Callable[..., RunDirectory], dataset: Path, tmp_path: Path, evaluator: Call
) -> None:
    options = SudokuOptions(box=(2, 2), train=40, test=11, kind="any", clues=(5, 9), seed=2)
    other = make_run(tmp_path, build_sudoku(tmp_path / "other", options)).path
    code, _, err = evaluator("compare", runs[0], other)
    assert code == 2
    assert "name one dataset for all with --data-path" in err
    copied = shutil.copytree(dataset, tmp_path / "copied")
    assert evaluator("compare", runs[0], make_run(tmp_path, copied).path)[0] == 0  # equal puzzles in another place
    assert evaluator("compare", runs[0], other, "--data-path", dataset)[0] == 0


@pytest.mark.parametrize("command", [(), ("compare",)])
def test_blank_identifiers_are_one_embedding_for_all_puzzles(
    command: tuple[str, ...], runs: list[Path], make_run: Callable[..., RunDirectory], dataset: Path, evaluator: Call
) -> None:
    named = ("--checkpoint", runs[0]) if not command else (runs[0], runs[1])
    code, out, err = evaluator(*command, *named, "--identifiers", "blank")
    assert code == 0, err
    assert "blank" in out
    without = make_run(runs[0].parent, dataset, puzzle_emb_ndim=0).path
    code, _, err = evaluator("--checkpoint", without, "--identifiers", "blank")
    assert (code, "--identifiers blank: the model has no puzzle table" in err) == (2, True)

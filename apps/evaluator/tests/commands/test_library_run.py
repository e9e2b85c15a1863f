"""Runs that were made in Python, by `hrm_train.train`: their config.json holds whatever their maker put there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hrm_evaluator
import mlx.core as mx
import pytest
from hrm_data import TrainLoader, open_dataset
from hrm_model import HRM, HRMConfig
from hrm_train import RunDirectory, TrainConfig, train

Call = Callable[..., tuple[int, str, str]]
CallJson = Callable[..., dict[str, Any]]

CONFIGS: dict[str, dict[str, Any]] = {
    "empty": {},
    "settings alone": {"train": {"steps": 2}, "notes": "first try"},
    "the trainer's names with other meanings": {"task": "sudoku", "data_path": {"train": 5}, "arch": None, "data": []},
}


@pytest.fixture(scope="module")
def make_library_run(tmp_path_factory: pytest.TempPathFactory, dataset: Path) -> Callable[..., RunDirectory]:
    def make(content: dict[str, Any], **arch: Any) -> RunDirectory:
        data = open_dataset(str(dataset), "train")
        shape = data.metadata.model_dump(include={"seq_len", "vocab_size", "num_puzzle_identifiers"})
        small = {"hidden_size": 32, "num_heads": 2, "H_layers": 1, "L_layers": 1, "puzzle_emb_ndim": 32}
        mx.random.seed(0)
        model = HRM(HRMConfig(**{**shape, **small, "halt_max_steps": 2, **arch}))
        config = TrainConfig(steps=2, global_batch_size=8, lr_warmup_steps=0, log_interval=1, checkpoint_interval=2)
        run = RunDirectory.create(str(tmp_path_factory.mktemp("library")), "mine", content)
        train(model, config, TrainLoader(data, 8), lambda model: {}, run)
        return run

    return make


@pytest.mark.parametrize("content", CONFIGS.values(), ids=CONFIGS.keys())
def test_the_evaluator_scores_a_run_of_the_library(
    content: dict[str, Any],
    make_library_run: Callable[..., RunDirectory],
    dataset: Path,
    evaluator: Call,
    evaluator_json: CallJson,
    tmp_path: Path,
) -> None:
    run = make_library_run(content)
    for named in (run.path, run.newest_checkpoint()):
        found = evaluator_json("--checkpoint", named, "--data-path", dataset)
        assert found["puzzles"] == 11
        assert found["max_steps"] == 2
    newest = evaluator_json("--runs", run.path.parent, "--data-path", dataset, "--report", tmp_path / "page")
    assert newest["checkpoint"].startswith(str(run.path))
    assert (tmp_path / "page" / "index.html").is_file()
    puzzle = ".234341221434321"
    code, out, err = evaluator("solve", puzzle, "--checkpoint", run.path, "--task", "sudoku-2x2")
    assert code in (0, 1), err
    assert "halted after" in out or "steps" in out
    solver = hrm_evaluator.load(str(run.path), task="sudoku-2x2")
    assert len(solver.solve(puzzle).text) == 16


def test_without_a_dataset_it_says_how_to_name_one(
    make_library_run: Callable[..., RunDirectory], evaluator: Call
) -> None:
    code, _, err = evaluator("--checkpoint", make_library_run({}).path)
    assert code == 2
    assert "no run names its dataset; name one with --data-path" in err


def test_a_data_path_in_its_configuration_is_used(
    make_library_run: Callable[..., RunDirectory], dataset: Path, evaluator_json: CallJson
) -> None:
    run = make_library_run({"data_path": str(dataset)})
    assert evaluator_json("--checkpoint", run.path)["puzzles"] == 11

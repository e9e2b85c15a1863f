"""The benchmark of time to accuracy reads records right, and trains ours; how fast anything learns, no test decides."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hrm_data.sudoku import SudokuOptions, build_sudoku

BENCHMARKS = Path(__file__).parent / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("time_to_accuracy")


def run(*options: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / "time_to_accuracy.py"), *map(str, options)]
    environment = os.environ | {"MLX_DISABLE_COMPILE": "1"}  # compiling takes longer than the rest
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)


def test_the_time_of_an_evaluation_is_that_of_the_steps_before_it(benchmark: ModuleType) -> None:
    records = [
        {"kind": "train", "step": 10, "steps_per_second": 2.0},
        {"kind": "eval", "step": 10, "exact_accuracy": 0.25},
        {"kind": "train", "step": 20, "steps_per_second": 4.0},
        {"kind": "eval", "step": 20, "exact_accuracy": 0.5},
    ]
    assert benchmark.our_evaluations(records) == [(10, 5.0, 0.25), (20, 7.5, 0.5)]


def test_a_line_that_is_still_being_written_is_left_for_later(benchmark: ModuleType, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    assert list(benchmark.lines_of([config])) == []
    config.with_name("metrics.jsonl").write_text('{"kind": "train"}\n{"kin')
    assert list(benchmark.lines_of([config])) == [{"kind": "train"}]


def test_an_accuracy_is_reached_by_the_first_evaluation_at_or_above_it(benchmark: ModuleType) -> None:
    evaluations = [
        benchmark.Evaluation(step, 10.0 * step, accuracy) for step, accuracy in enumerate((0.4, 0.5, 0.85, 0.7), 1)
    ]
    times = [benchmark.reached(evaluations, threshold) for threshold in benchmark.THRESHOLDS]
    assert times == [20.0, 30.0, None, None]
    assert not benchmark.is_over(evaluations, cap=50)
    assert benchmark.is_over(evaluations, cap=40)
    assert benchmark.is_over([benchmark.Evaluation(1, 1.0, 0.95)], cap=40)


def test_the_table_has_a_row_for_each_run(benchmark: ModuleType) -> None:
    evaluations = [benchmark.Evaluation(30, 20.0, 0.6), benchmark.Evaluation(80, 40.0, 0.55)]
    head, line, *rows = benchmark.table(
        [
            benchmark.Run("ours", "hidden 64, 0.10 M parameters", 32, evaluations, 70.4),
            benchmark.Run("theirs", "hidden 512, 7.00 M parameters", 768, [], 71.0, "no memory"),
        ]
    )
    assert {text.count("|") for text in (head, line, *rows)} == {12}
    ours = "| ours | hidden 64, 0.10 M parameters | 32 | 2.00 | 20.0 | - | - | - | 60.0 % at 20 s | 40 s | 70 |"
    assert rows[0] == ours
    assert "ended early: no memory" in rows[1]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--only", "hrm"), "--only"),
        (("--only", "trm", "--trm", "nowhere"), "nowhere"),
        (("--only", "ours", "--data", "nowhere"), "nowhere"),
        (("--cap", "0"), "--cap"),
    ],
)
def test_a_mistake_takes_one_line(options: tuple[str, ...], named: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    build_sudoku(data, SudokuOptions(box=(2, 2), train=8, test=2))
    finished = run("--data", data, "--output", tmp_path / "out", *options)
    assert finished.returncode == 2
    assert named in finished.stderr.splitlines()[-1]


@pytest.mark.slow
def test_ours_is_trained_by_the_command_line(tmp_path: Path) -> None:
    data = tmp_path / "data"
    build_sudoku(data, SudokuOptions(box=(2, 2), train=8, test=2))
    arch = ("--arch.hidden_size", "16", "--arch.num_heads", "2", "--arch.puzzle_emb_ndim", "16")
    train = ("--train.global_batch_size", "4", "--train.steps", "4")
    asked = ("--eval-interval", "2", "--preset", "paper", "--", *arch, *train)
    finished = run("--data", data, "--output", tmp_path, *asked)
    assert finished.returncode == 0, finished.stderr
    assert [int(step) for step in re.findall(r"step (\d+),", finished.stderr)] == [2, 4]
    assert "4x4 Sudoku: 8 training puzzles, 0 % of examples with clues restored, 2 held-out puzzles" in finished.stdout
    assert "| ours, preset paper | hidden 16, " in (tmp_path / "table.md").read_text()

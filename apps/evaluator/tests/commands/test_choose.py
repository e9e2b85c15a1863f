"""Which model answers where none is named."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mlx.core as mx
import pytest
from hrm_train import RunDirectory

Call = Callable[..., tuple[int, str, str]]
NINE = "..25.7.8...3.............6..17.38..4.9..54.....67....9.5..2.9.172..4.5.6.3.....4."
SIX = "4.......3.2.....1....6...4.1.2......"
FOUR = "12..34..2.4..3.1"
MAZE = "\n".join(["S #        ", *[" " * 11] * 9, "          G"])


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory without runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("puzzle", "name", "cells"), [(NINE, "sudoku-9x9", 81), (SIX, "sudoku-6x6", 36)])
def test_without_a_run_a_model_of_the_puzzles_size_answers(puzzle: str, name: str, cells: int, evaluator: Call) -> None:
    code, out, err = evaluator("solve", puzzle, "--json")
    assert code in (0, 1)
    assert f"runs holds no run, so {name} answers, a model that comes along" in err
    assert len(json.loads(out)["answer"]) == cells


def test_a_size_without_a_model_is_answered_by_one_whose_weights_fit(evaluator: Call) -> None:
    code, out, err = evaluator("solve", FOUR, "--json")
    assert code in (0, 1)
    assert "so it answers sudoku-2x2 without having seen any" in err
    assert len(json.loads(out)["answer"]) == 16


def test_a_file_decides_by_its_first_puzzles(nowhere: Path, evaluator: Call) -> None:
    (nowhere / "mazes.txt").write_text(f"{MAZE}\n\n{MAZE}\n")
    code, out, err = evaluator("solve", "--file", "mazes.txt")
    assert code in (0, 1)
    assert "maze-11x11 answers" in err
    assert len(out.splitlines()) == 2


@pytest.mark.parametrize(
    "text", [f"{SIX}\n{SIX}\n", f"# two\n\n{SIX}\n{SIX}", "\n".join(SIX[i : i + 6] for i in range(0, 36, 6))]
)
def test_stdin_decides_by_its_first_puzzle_and_loses_none(text: str, nowhere: Path) -> None:
    command = [str(Path(sys.executable).with_name("evaluator")), "solve", "--json"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, cwd=nowhere, timeout=300)
    assert done.returncode in (0, 1), done.stderr
    assert "sudoku-6x6 answers" in done.stderr
    answers = [json.loads(line)["puzzle"] for line in done.stdout.splitlines()]
    assert answers == [SIX] * (text.count(SIX) or 1)


def test_a_run_of_the_users_own_comes_first(run: RunDirectory, nowhere: Path, evaluator: Call) -> None:
    (nowhere / "runs").symlink_to(run.path.parent)
    code, out, err = evaluator("solve", FOUR, "--json")
    assert code in (0, 1)
    assert "comes along" not in err
    assert json.loads(out)["checkpoint"].startswith("runs/")
    code, out, err = evaluator("solve", FOUR, "--json", "--model", "sudoku-9x9")
    assert "sudoku-9x9" in json.loads(out)["checkpoint"]


def test_a_directory_of_runs_that_is_named_must_hold_one(nowhere: Path, evaluator: Call) -> None:
    code, _, err = evaluator("solve", NINE, "--runs", "elsewhere")
    assert code == 2
    assert "elsewhere: holds no run yet" in err


def test_a_mistyped_puzzle_is_judged_as_the_kind_that_it_resembles(evaluator: Call) -> None:
    code, _, err = evaluator("solve", NINE.replace("7", "x", 1))
    assert code == 2
    assert "character 'x' at position 6 (row 1, column 6) is not allowed" in err
    code, _, err = evaluator("solve", SIX[:-1])
    assert code == 2
    assert "the puzzle has 35 characters" in err


def test_two_names_are_one_too_many(evaluator: Call) -> None:
    code, _, err = evaluator("solve", NINE, "--model", "sudoku-9x9", "--checkpoint", "runs/x")
    assert code == 2
    assert "--model sudoku-9x9 and --checkpoint runs/x name two models; give one" in err


@pytest.mark.skipif(
    mx.default_device().type == mx.DeviceType.gpu or shutil.which("g++") is None or sys.platform != "linux",
    reason="for g++, which MLX calls on a Linux CPU",
)
def test_one_puzzle_is_answered_without_waiting_for_a_compiler(nowhere: Path) -> None:
    # Without the compiler that this process, which has imported hrm_ops, would call first.
    path = os.pathsep.join(folder for folder in os.environ["PATH"].split(os.pathsep) if "hrm_ops" not in folder)
    log, compiler = nowhere / "calls", nowhere / "bin" / "g++"
    compiler.parent.mkdir()
    fails = 'case "$*" in *-fPIC*) exit 1 ;; esac'  # compiling all kernels takes long, and is tested elsewhere
    compiler.write_text(f'#!/bin/sh\necho "$*" >>{log}\n{fails}\nexec {shutil.which("g++", path=path)} "$@"\n')
    compiler.chmod(0o755)
    (nowhere / "tmp").mkdir()
    environment = {
        **os.environ,
        "PATH": f"{compiler.parent}{os.pathsep}{path}",
        "TMPDIR": str(nowhere / "tmp"),
        "XDG_CACHE_HOME": str(nowhere / "cache"),
    }
    command = [str(Path(sys.executable).with_name("evaluator")), "solve"]
    done = subprocess.run([*command, NINE], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1), done.stderr
    assert not log.exists()
    done = subprocess.run(command, input=f"{NINE}\n" * 3, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1), done.stderr
    assert "-fPIC" in log.read_text()

"""The benchmarks of training and inference run to their end on a tiny model; how fast it is, no test decides."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import mlx.core as mx
import pytest
from hrm_train.run._meter import train_flops

BENCHMARKS = Path(__file__).parent / "benchmarks"
TINY = ("--sizes", "16,2,2", "--rounds", "1")


def run(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / name), *TINY, *options]
    environment = os.environ | {"MLX_DISABLE_COMPILE": "1"}  # compiling takes longer than the rest
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.parametrize(
    ("command", "contenders", "passes"),
    [
        (("train_step.py",), ["MLX"], 16),
        (("inference.py", "--steps", "3"), ["Predictor", "ContinuousPredictor"], 18),
    ],
)
def test_a_benchmark_reports_time_over_that_of_the_products(
    command: tuple[str, ...], contenders: list[str], passes: int
) -> None:
    finished = run(*command)
    assert finished.returncode == 0, finished.stderr
    gflop = 2 * (4 * 16 * 16 + 3 * 16 * 256) * 4 * 2 * 82 * passes / 1e9  # four blocks, two puzzles of 82 positions
    assert f"{gflop:.1f} GFLOP" in finished.stdout
    rows = re.findall(r"^\| (\w+), \w+ \| ([\d.]+) \(.*?\) \| (\d+) \(.*?\) \| ([\d.]+) \(", finished.stdout, re.M)
    assert [row[0] for row in rows] == contenders
    for _, seconds, rate, ratio in rows:
        assert float(seconds) * float(rate) / gflop == pytest.approx(float(ratio), rel=0.1)


def test_a_step_of_the_sizes_that_figures_are_given_for_has_so_many_flops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    measure = importlib.import_module("measure")
    of_hrm = [size for size in measure.SIZES if size.form == "hrm"]
    counts = [measure.gflop(measure.config_of(size, 16), size.batch, training=True) for size in of_hrm]
    assert counts == pytest.approx([88, 286], abs=0.5)


def test_the_products_of_every_form_are_those_of_the_meter_without_scores_means_and_heads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    measure = importlib.import_module("measure")
    for size in measure.SIZES:
        config = measure.config_of(size, 16)
        whole = size.batch * train_flops(config) / 1e9
        assert 0.8 * whole < measure.gflop(config, size.batch, training=True) < whole, size


@pytest.mark.parametrize("form", ["symbols", "trm-mlp"])
def test_the_other_forms_have_a_row(form: str) -> None:
    finished = run("train_step.py", "--sizes", f"16,2,2,{form}")
    assert finished.returncode == 0, finished.stderr
    assert f"{form}, hidden 16, 2 heads, batch 2: " in finished.stdout
    assert re.search(r"^\| MLX, \w+ \| [\d.]+ ", finished.stdout, re.M)


def test_a_block_more_launches_its_kernels_as_often_as_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    graph = importlib.import_module("graph")
    with graph.on_a_gpu():
        few, more = (graph.kernels_of(graph.of(graph.Size(32, 2, 2), H_layers=layers), 2)[0] for layers in (1, 2))
    runs = 2 + 2  # the slow module's in the step and in the bootstrap pass
    assert more["Matmul"] - few["Matmul"] == 3 * runs + 2 * 5  # a product's gradient is two products
    assert more["AddMM"] - few["AddMM"] == 2 * runs
    assert more["mx.fast"] - few["mx.fast"] == 3 * runs + 2 + 3  # attention's gradient writes three arrays


def test_the_kernels_of_a_step_are_listed() -> None:
    command = [sys.executable, str(BENCHMARKS / "graph.py"), "--sizes", "16,2,2", "--kernels-only"]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert finished.returncode == 0, finished.stderr
    counts = [int(count) for count in re.findall(r"^\| [\w.]+ \| (\d+) \|$", finished.stdout, re.M)]
    assert f"kernels launched: {sum(counts)}; " in finished.stdout


def test_the_memory_of_a_step_grows_with_its_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    graph = importlib.import_module("graph")
    settings = {"L_layers": 1, "H_cycles": 1, "L_cycles": 1}
    mx.disable_compile()  # compiling takes longer than the rest
    try:
        with graph.on_a_gpu():
            configs = [graph.of(graph.Size(32, 2, 2), H_layers=layers, **settings) for layers in (1, 2)]
            few, more = map(graph.states_of, configs)
    finally:
        mx.enable_compile()
    assert 0 < few < more


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--reference", "nowhere"), "nowhere"),
        (("--reference", "checkout", "--python", "no-python"), "no-python"),
        (("--reference", "checkout"), "does not run"),  # it has the file, but nothing in it
    ],
)
def test_a_reference_that_is_not_there_takes_one_line(
    options: tuple[str, ...], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = tmp_path / "checkout" / "models" / "hrm" / "hrm_act_v1.py"
    code.parent.mkdir(parents=True)
    code.touch()
    finished = run("train_step.py", *options)
    assert finished.returncode == 2
    [line] = finished.stderr.splitlines()
    assert named in line


@pytest.mark.parametrize("option", [("--sizes", "15,2,2"), ("--sizes", "16,2,2,nope"), ("--rounds", "0")])
def test_a_size_that_makes_no_model_is_refused(option: tuple[str, str]) -> None:
    finished = run("train_step.py", *option)
    assert finished.returncode == 2
    assert repr(option[1]) in finished.stderr

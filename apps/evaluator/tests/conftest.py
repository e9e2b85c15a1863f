"""A dataset of 4x4 boards and a run that learnt from it for a moment."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from hrm_data import TrainLoader, open_dataset
from hrm_data.sudoku import SudokuOptions, build_sudoku
from hrm_evaluator.cli import main
from hrm_model import HRM, HRMConfig
from hrm_train import RunDirectory, TrainConfig, train
from hypothesis import HealthCheck, settings

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")

settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_works() -> None:
    """Undo what a shell does to jobs in the background, whose children would ignore SIGINT too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 boards to train, 11 to test."""
    options = SudokuOptions(box=(2, 2), train=40, test=11, kind="any", clues=(5, 9), seed=1)
    return build_sudoku(tmp_path_factory.mktemp("data") / "sudoku-4x4", options)


def _make_run(root: Path, dataset: Path, **arch: Any) -> RunDirectory:
    data = open_dataset(dataset, "train")
    config = HRMConfig(
        seq_len=data.metadata.seq_len,
        vocab_size=data.metadata.vocab_size,
        num_puzzle_identifiers=data.metadata.num_puzzle_identifiers,
        **{
            "hidden_size": 32,
            "num_heads": 2,
            "H_layers": 1,
            "L_layers": 1,
            "H_cycles": 1,
            "L_cycles": 1,
            "puzzle_emb_ndim": 32,
            "halt_max_steps": 3,
            "forward_dtype": "float32",
        }
        | arch,
    )
    training = TrainConfig(steps=4, global_batch_size=8, lr_warmup_steps=0, lr=1e-3, checkpoint_interval=2)
    content = {
        "format": 1,
        "dataset": "sudoku",
        "preset": "tiny",
        "data_path": str(dataset),
        "task": data.task,
        "arch": config.model_dump(mode="json"),
        "train": training.model_dump(mode="json"),
    }
    run = RunDirectory.create(root, "tiny", content)
    mx.random.seed(0)
    train(HRM(config), training, TrainLoader(data, 8), lambda _: {}, run)
    return run


@pytest.fixture(scope="session")
def make_run() -> Callable[..., RunDirectory]:
    """Train a tiny model under a root, on a dataset, with other settings of the architecture."""
    return _make_run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, dataset: Path) -> RunDirectory:
    return _make_run(tmp_path_factory.mktemp("trained") / "runs", dataset)


@pytest.fixture
def evaluator(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process: exit code, stdout, stderr."""

    def call(*args: object) -> tuple[int, str, str]:
        code = main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def evaluator_json(evaluator: Callable[..., tuple[int, str, str]]) -> Callable[..., dict[str, Any]]:
    """Run the command line with --json and return what it printed."""

    def call(*args: object) -> dict[str, Any]:
        code, out, err = evaluator(*args, "--json")
        assert code in (0, 1), err
        found: dict[str, Any] = json.loads(out)
        return found

    return call


@pytest.fixture(scope="module")  # ends with its module: a process has room for one, and other rooms' tests open theirs
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs chromium (Debian: apt-get install chromium)")
    pytest.importorskip("playwright", reason="needs the dependency group dev")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=300_000)
        yield running
        running.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that open a browser, which is a tool of contributors."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.dev)

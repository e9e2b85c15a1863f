"""The installed command: signals, pipes, exit codes."""

import json
import signal
import time
from pathlib import Path

import pytest


def wait_for_step(process, run_root: Path) -> None:
    """Wait until a first checkpoint shows that training is under way."""
    deadline = time.monotonic() + 300
    while not list(run_root.glob("*/checkpoints/step-*/state.json")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def final_files(run: Path, steps: int) -> list[bytes]:
    return [(run / f"checkpoints/step-{steps:08}/{n}.safetensors").read_bytes() for n in ("model", "training")]


LONGER = {"steps": 150, "log_interval": 10, "eval_interval": 60, "checkpoint_interval": 10}


@pytest.fixture(scope="module")
def whole() -> list[list[bytes]]:
    """What a run of these steps ends with; the first test that needs it trains it."""
    return []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_and_resumed_run_ends_with_the_weights_of_one_that_was_not_stopped(
    number, whole, start, trainer, small
):
    config = small(**LONGER)
    process = start("--config", config, "--runs", "stopped")
    wait_for_step(process, Path("stopped"))
    for _ in range(2):  # as `timeout` and uv do
        process.send_signal(number)
        time.sleep(0.5)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.count("\n") == 1
    assert "saved in" in err
    (run,) = Path("stopped").iterdir()
    assert f"; trainer --resume {run} goes on" in err

    assert trainer("--runs", "stopped", "--resume").code == 0
    if not whole:
        assert trainer("--config", config, "--runs", "whole").code == 0
        whole.append(final_files(next(Path("whole").iterdir()), 150))
    assert final_files(run, 150) == whole[0]


def test_a_second_stop_says_how_to_go_on(trainer, small, monkeypatch):
    def stopped_twice(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hrm_trainer._run.train", stopped_twice)
    result = trainer("--config", small())
    (run,) = Path("runs").iterdir()
    lost = "what came after the last checkpoint will be done again"
    assert (result.code, result.err) == (
        130,
        f"trainer: stopped at once in {run}; {lost}; trainer --resume {run} goes on\n",
    )


def test_a_temporary_directory_that_is_not_there_is_named_before_anything_is_made(trainer, small, monkeypatch):
    monkeypatch.setenv("TMPDIR", "nowhere")
    result = trainer("--config", small())
    assert result.code == 2
    assert "TMPDIR is nowhere, which is no directory, and MLX compiles there; make it, or unset TMPDIR" in result.err
    assert not Path("runs").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_while_puzzles_are_made_takes_one_line_and_leaves_no_dataset(number, start, cache: Path):
    datasets = cache / "hrm" / "datasets"
    before = set(datasets.glob("sudoku-*"))
    process = start("--preset", "small", "--data.train", 500_000)
    assert "Making the dataset" in process.stdout.readline()
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "trainer: interrupted\n")
    assert set(datasets.glob("sudoku-*")) == before
    assert not Path("runs").exists()


def test_a_closed_pipe_ends_the_command_without_a_traceback(start, small):
    process = start("--config", small(steps=100_000))
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(timeout=60) == 1
    assert err == ""
    process.stderr.close()


def test_the_doctor_reports(start):
    process = start("doctor", "--json")
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    report = json.loads(out)
    assert report["verdict"] in ("fast", "slow", "busy")
    assert report["device"]["cores"] >= 1
    process = start("doctor", "--jsom")
    assert "trainer doctor" in process.communicate(timeout=60)[1]
    assert process.returncode == 2


def test_help_names_the_other_commands(start):
    out, _ = start("--help").communicate(timeout=60)
    assert "trainer plot" in out
    assert "trainer doctor" in out


def test_a_mistake_exits_with_2(start):
    process = start("--train.steps", "0")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert err.startswith("trainer: --train.steps 0: ")

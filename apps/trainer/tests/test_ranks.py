"""Several processes through the command line."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from hrm_train import RunDirectory, step_of

TOLERANCE = 1e-4  # of weights: sums over slots are rounded in another order


def only(directory: str) -> Path:
    (run,) = Path(directory).iterdir()
    return run


def newest_of(runs: str) -> Path:
    return sorted((only(runs) / "checkpoints").absolute().glob("step-*"))[-1]


def weights(run: Path, step: int = 12) -> dict[str, np.ndarray]:
    loaded = mx.load(str(run / f"checkpoints/step-{step:08}/model.safetensors"))
    return {name: np.array(array) for name, array in loaded.items()}


def metrics(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def children_of(process: subprocess.Popen) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def wait_for_checkpoint(process: subprocess.Popen, runs: str) -> None:
    deadline = time.monotonic() + 300
    while not list(Path(runs).glob("*/checkpoints/step-*/state.json")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return min(free.getsockname()[1], 65000)


def assert_same_run(one: Path, other: Path) -> None:
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        np.testing.assert_allclose(array, theirs[name], rtol=TOLERANCE, atol=TOLERANCE, err_msg=name)
    for line, reference in zip(metrics(one), metrics(other), strict=True):
        assert (line["kind"], line["step"]) == (reference["kind"], reference["step"])
        if line["kind"] == "eval":
            assert line["count"] == reference["count"]
        else:
            assert line["halting_steps"] == reference["halting_steps"]


def test_two_ranks_leave_one_run_with_the_weights_of_one_process_and_resume(start, trainer, run_of_two, small_run):
    two, out = run_of_two
    assert out.count("Finished") == 1
    shutil.copytree(two, Path("two") / two.name)
    assert_same_run(only("two"), small_run)

    # What is gone since the checkpoint in the middle is done again, by two processes and by one.
    def resumed(ranks: int) -> tuple[int, str]:
        for path in only("two").glob("checkpoints/step-00000012/*"):
            path.unlink()
        if ranks == 1:
            result = trainer("--resume", only("two"), "--ranks", 1)
            return result.code, result.err
        process = start("--resume", only("two"), "--ranks", ranks, "--oversubscribe")
        _, err = process.communicate(timeout=300)
        return process.returncode, err

    for ranks in (2, 1):
        code, err = resumed(ranks)
        assert code == 0, err
        assert_same_run(only("two"), small_run)


def test_mlx_launch_starts_the_ranks_too(small, small_run, port):
    config = small()
    launch, command = (str(Path(sys.executable).with_name(name)) for name in ("mlx.launch", "trainer"))
    words = [launch, "-n", "2", "--hosts", "127.0.0.1", "-p", str(port), "--env", f"PATH={os.environ['PATH']}"]
    words += ["--env", f"XDG_CACHE_HOME={os.environ['XDG_CACHE_HOME']}"]
    words += [sys.executable, command, "--config", str(config), "--runs", "two"]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
    assert "Finished" in done.stdout, done.stderr
    assert_same_run(only("two"), small_run)


def test_ctrl_c_stops_all_ranks_at_one_step_and_the_run_goes_on_as_if_it_had_not(start, small):
    config = small(steps=40, log_interval=10, eval_interval=100, checkpoint_interval=10)
    process = start("--config", config, "--runs", "stopped", "--ranks", 2, "--oversubscribe")
    wait_for_checkpoint(process, "stopped")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert "saved in" in err
    for argv in (["--resume", only("stopped")], ["--config", config, "--runs", "whole"]):
        process = start(*argv, "--ranks", 2, "--oversubscribe")
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    for name in ("model", "training"):
        files = [only(runs) / f"checkpoints/step-00000040/{name}.safetensors" for runs in ("stopped", "whole")]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_when_a_rank_is_killed_the_others_end_with_a_message(start, small):
    config = small(steps=100_000, log_interval=10, eval_interval=100_000, checkpoint_interval=10)
    process = start("--config", config, "--runs", "killed", "--ranks", 2, "--oversubscribe")
    wait_for_checkpoint(process, "killed")
    os.kill(children_of(process)[1], signal.SIGKILL)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 1
    goes_on = f"trainer --resume {only('killed')} --ranks 2 --oversubscribe goes on"
    assert f"trainer, rank 0: another rank has ended; the last checkpoint is intact, {goes_on}" in err
    assert f"trainer: rank 1 was ended by SIGKILL, and the others with it; {goes_on}" in err
    assert "Traceback" not in err


def test_ranks_of_different_settings_are_refused_with_both_values(small):
    with socket.socket() as one, socket.socket() as two:
        for item in (one, two):
            item.bind(("127.0.0.1", 0))
        hosts = [[f"127.0.0.1:{item.getsockname()[1]}"] for item in (one, two)]
    Path("hosts.json").write_text(json.dumps(hosts))
    command = [sys.executable, "-m", "hrm_trainer", "--config", str(small())]
    processes = [
        subprocess.Popen(
            [*command, "--train.lr", lr],
            env=os.environ | {"MLX_HOSTFILE": "hosts.json", "MLX_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank, lr in enumerate(("0.001", "0.002"))
    ]
    for rank, process in enumerate(processes):
        _, err = process.communicate(timeout=300)
        assert process.returncode == 1
        assert f"trainer, rank {rank}: the ranks differ: settings.train.lr is 0.001 on rank 0" in err
        assert "0.002 on rank 1" in err
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--ranks", "3"], "global_batch_size is 8, but must be a multiple of 3 ranks"),
        (["--ranks", "2", "--train.micro_batch_size", "8"], "must divide the 4 slots of each of 2 ranks"),
        (["--ranks", "0"], "--ranks 0: should be greater than or equal to 1"),
        (["--ranks", "2", "--train.micro_batch_size", "3"], "micro_batch_size 3 must divide global_batch_size 8"),
        (["--ranks", "1024", "--train.global_batch_size", "1024"], "cores here; ask for at most"),
    ],
)
def test_what_no_number_of_ranks_can_do_is_refused_before_any_is_started(argv, said, trainer, small, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    result = trainer("--config", small(), *argv)
    assert result.code == 2
    assert said in result.err
    assert not Path("runs").exists()


def test_ranks_of_a_run_that_its_batch_does_not_fit_are_refused_before_any_is_started(trainer, trained, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    result = trainer("--resume", "--ranks", 3)
    assert result.code == 2
    assert "global_batch_size is 8, but must be a multiple of 3 ranks" in result.err


@pytest.fixture
def training(start, run_of_two) -> Iterator[tuple[subprocess.Popen, list[int]]]:
    """Two ranks that train on for long, with the numbers of their processes; they end with the test."""
    run = Path("runs") / run_of_two[0].name  # it has ended: no compiler will delay a step
    shutil.copytree(run_of_two[0], run)
    file = run / "config.json"
    content = json.loads(file.read_text())
    content["train"] |= {"log_interval": 10, "eval_interval": 100_000, "checkpoint_interval": 10}
    content["train"] |= {"steps": 100_000, "rank_timeout": 15}
    file.write_text(json.dumps(content))
    process = start("--resume", run, "--ranks", 2, "--oversubscribe")
    deadline = time.monotonic() + 300
    while step_of(newest_of("runs")) <= 20:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = children_of(process)
    yield process, children
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.slow
def test_ranks_whose_launcher_is_killed_save_and_end(training):
    process, ranks = training
    process.kill()
    process.wait()
    deadline = time.monotonic() + 120
    while any(map(is_alive, ranks)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    saved = RunDirectory(only("runs")).newest_checkpoint()
    assert max(line["step"] for line in metrics(only("runs"))) <= step_of(saved)


@pytest.mark.slow
def test_a_rank_that_hangs_ends_the_others_in_time_with_the_last_checkpoint_named(training):
    process, ranks = training
    os.kill(ranks[1], signal.SIGSTOP)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "rank 0: no step for 15 s, another rank hangs or cannot be reached; the last checkpoint is " in err
    assert err.partition("the last checkpoint is ")[2].split()[0] == str(newest_of("runs"))
    assert not any(map(is_alive, ranks))

"""Compilers, other users and other processes: what they do does not break a command, nor does it break theirs."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import mlx.core as mx
import pytest
import yaml
from hrm_data.sudoku import SudokuOptions, build_sudoku
from hrm_model import HRM, HRMConfig, reference_config, save_reference_weights

PATIENCE = 300  # seconds; a machine may be busy
on_a_linux_cpu = pytest.mark.skipif(
    sys.platform != "linux" or mx.default_device().type == mx.DeviceType.gpu, reason="MLX calls g++ on a Linux CPU"
)


def moments(process: subprocess.Popen) -> Iterator[None]:
    """Moments until the process ends."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None:
        assert time.monotonic() < deadline
        yield
        time.sleep(0.005)


@on_a_linux_cpu
def test_ctrl_c_of_a_terminal_reaches_the_compilers_too_and_they_finish_their_kernel(
    start, small, kernels_of, tmp_path
):
    config = small(steps=100_000, log_interval=1, checkpoint_interval=1, eval_interval=100_000)
    process = start("--config", config, "--runs", "first")
    for _ in moments(process):
        if list(Path("first").glob("*/checkpoints/step-*")):
            break
    kernels = sorted(kernels_of(process), key=lambda kernel: not kernel.name.startswith("libhrm-ops"))  # MLX's last
    process.kill()
    folder = tmp_path / "kernels" / "mlx" / mx.__version__ / "cpu"
    for part in reversed(folder.relative_to(tmp_path).parents):
        (tmp_path / part).mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700)
    for kernel in kernels[:-1]:
        (folder / kernel.name).write_bytes(kernel.read_bytes())
    missing = folder / kernels[-1].name

    environment = os.environ | {"TMPDIR": str(tmp_path / "kernels")}
    process = start("--config", config, "--runs", "second", env=environment)
    for _ in moments(process):
        if any(folder.glob("*.part")):
            break
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err.count("\n")) == (130, 1), err
    assert "saved in" in err or "starts again at step 0" in err  # if the step took more than two seconds
    deadline = time.monotonic() + PATIENCE
    while not missing.exists() or list(folder.glob("*.part")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


SLOW_COMPILER = """#!/bin/sh
case "$*" in
  *-shared*) [ ! -e slow ] || {{ touch compiling; sleep 900; }} ;;
esac
exec {compiler} "$@"
"""


@on_a_linux_cpu
@pytest.mark.parametrize(("send", "number"), [(os.killpg, signal.SIGINT), (os.kill, signal.SIGTERM)])
def test_a_stop_during_the_first_compilation_does_not_wait_for_it(send, number, start, small, tmp_path):
    (tmp_path / "bin").mkdir()
    compiler = tmp_path / "bin" / "g++"
    compiler.write_text(SLOW_COMPILER.format(compiler=shutil.which("g++")))
    compiler.chmod(0o755)
    (tmp_path / "kernels").mkdir(mode=0o700)
    path = f"{compiler.parent}{os.pathsep}{os.environ['PATH']}"
    process = start("--config", small(steps=2), env=os.environ | {"TMPDIR": str(tmp_path / "kernels"), "PATH": path})
    for line in process.stdout:
        if "the first step" in line:
            break
    Path("slow").touch()
    for _ in moments(process):
        if Path("compiling").exists():
            break
    send(process.pid, number)
    assert process.wait(timeout=PATIENCE) == 130
    os.killpg(process.pid, signal.SIGKILL)  # the compiler, which would finish its kernel
    _, err = process.communicate(timeout=PATIENCE)
    (run,) = Path("runs").iterdir()
    assert err == f"stopped after step 0 of 2; {run} starts again at step 0\n"
    again = start("--resume", run)
    assert (again.communicate(timeout=PATIENCE)[1], again.returncode) == ("", 0)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint of the reference."""
    folder = tmp_path / "reference"
    folder.mkdir()
    arch = {"H_layers": 1, "L_layers": 1, "hidden_size": 16, "num_heads": 2, "puzzle_emb_ndim": 16}
    mx.random.seed(3)
    model = HRM(HRMConfig(**arch, seq_len=16, vocab_size=6, num_puzzle_identifiers=1, forward_dtype="float32"))
    save_reference_weights(model, folder / "step_7.safetensors")
    arch = {**reference_config(model.config), "loss": {"name": "losses@ACTLossHead"}}
    (folder / "all_config.yaml").write_text(yaml.safe_dump({"arch": arch, "global_batch_size": 8}))
    return folder / "step_7.safetensors"


@pytest.mark.parametrize("command", ["import-checkpoint", "export-checkpoint"])
def test_of_processes_that_make_one_directory_at_once_one_does_and_the_others_say_who_has_it(
    command, start, trainer, checkpoint, tmp_path
):
    words = [checkpoint, "--seq-len", 16]
    assert trainer("import-checkpoint", *words, "--output", "alone").code == 0
    whole = Path("alone")
    if command == "export-checkpoint":
        words = ["alone"]
        assert trainer(command, *words, "--output", "exported").code == 0
        whole = Path("exported")
    mine = Path(".together.tmp")
    mine.mkdir()
    (mine / "kept").touch()

    processes = [start(command, *words, "--output", "together") for _ in range(3)]
    errors = [process.communicate(timeout=PATIENCE)[1] for process in processes]
    codes = [process.returncode for process in processes]
    assert sorted(codes) == [0, 2, 2], errors
    winner = processes[codes.index(0)]
    for code, error in zip(codes, errors, strict=True):
        assert code == 0 or f"is being made by process {winner.pid}" in error or "exists already" in error

    def names(folder: Path) -> list[str]:
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))

    assert names(Path("together")) == names(whole)
    assert [path.name for path in tmp_path.glob(".together*")] == [mine.name]
    assert (mine / "kept").exists()


def test_a_cache_that_cannot_be_written_is_named_with_the_remedy(trainer, small, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    result = trainer("--config", small())
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "the dataset cannot be made in /proc/none/hrm/datasets" in result.err
    assert "XDG_CACHE_HOME" in result.err
    assert "--data-path" in result.err
    assert not Path("runs").exists()


def test_with_a_dataset_no_cache_is_needed(trainer, small, monkeypatch, tmp_path):
    build_sudoku(tmp_path / "mine", SudokuOptions(box=(2, 2), train=20, test=8))
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    small_run = ("--train.steps", 1, "--train.global-batch-size", 8, "--arch.hidden_size", 16, "--arch.num_heads", 2)
    result = trainer("--data-path", tmp_path / "mine", *small_run)
    assert (result.code, result.err) == (0, "")


def test_a_link_in_the_place_of_a_datasets_lock_is_not_followed(trainer, cache, tmp_path):
    treasure = tmp_path / "treasure"
    treasure.write_text("precious")
    words = ("--data.train", 21, "--data.test", 8, "--data.box", "2,2", "--train.steps", 1)
    words += ("--train.global-batch-size", 8, "--arch.hidden_size", 16, "--arch.num_heads", 2)
    before = set((cache / "hrm" / "datasets").glob(".*.lock"))
    assert trainer(*words).code == 0
    (lock,) = set((cache / "hrm" / "datasets").glob(".*.lock")) - before
    dataset = lock.with_name(lock.name.removeprefix(".").removesuffix(".lock"))
    dataset.rename(tmp_path / "aside")
    lock.unlink()
    lock.symlink_to(treasure)
    result = trainer(*words)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert f"{lock}: cannot be locked" in result.err
    assert treasure.read_text() == "precious"
    lock.unlink()

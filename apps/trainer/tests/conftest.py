import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hrm_trainer.cli import main

SMALL = {
    "preset": "small-6x6",
    "data": {"box": [2, 2], "train": 60, "test": 24},
    "arch": {"hidden_size": 16, "num_heads": 2, "H_layers": 1, "L_layers": 1, "halt_max_steps": 3},
    "train": {
        "steps": 12,
        "global_batch_size": 8,
        "log_interval": 4,
        "eval_interval": 6,
        "checkpoint_interval": 5,
    },
}


WALL_CLOCK = ("steps_per_second", "puzzles_per_second", "model_flops_utilisation", "data_wait", "memory_gib")


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_works() -> None:
    """Undo what a shell does to jobs in the background, whose children would ignore SIGINT too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all tests build their datasets, each of them once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_directories(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., Path]:
    """Write a settings file of a run of seconds; arguments replace single settings of ``train``."""

    return partial(settings_in, tmp_path)


def settings_in(folder: Path, **train: Any) -> Path:
    """A settings file of a run of seconds; arguments replace single settings of ``train``."""
    file = folder / "small.json"
    file.write_text(json.dumps({**SMALL, "train": {**SMALL["train"], **train}}))
    return file


@pytest.fixture(scope="session")
def small_run(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the settings of `small`, for tests that begin where it has ended."""
    place = settings_in(tmp_path_factory.mktemp("small")).parent
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()):
        patch.setenv("XDG_CACHE_HOME", str(cache))
        patch.chdir(place)
        assert main(["--config", "small.json"]) == 0
    (run,) = (place / "runs").iterdir()
    return run


@pytest.fixture(scope="session")
def run_of_two(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The same of two ranks, and what they printed."""
    place = settings_in(tmp_path_factory.mktemp("two")).parent
    words = ["--config", "small.json", "--ranks", "2", "--oversubscribe"]
    done = subprocess.run(
        [str(Path(sys.executable).with_name("trainer")), *words],
        cwd=place,
        env=os.environ | {"XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    (run,) = (place / "runs").iterdir()
    return run, done.stdout


@pytest.fixture
def trained(small_run: Path, tmp_path: Path) -> Path:
    """A copy of the finished run in `runs`."""
    run = Path("runs") / small_run.name
    shutil.copytree(small_run, tmp_path / run)
    return run


@pytest.fixture
def trainer(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run the command line in this process."""

    def call(*argv: object) -> Result:
        code = main([str(word) for word in argv])
        return Result(code, *capsys.readouterr())

    return call


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the installed command in a process group of its own, with both streams as pipes; end it after the test."""
    started: list[subprocess.Popen[str]] = []

    def popen(*argv: object, **options: Any) -> subprocess.Popen[str]:
        command = [str(Path(sys.executable).parent / "trainer"), *(str(word) for word in argv)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(command, **pipes, start_new_session=True, **options)
        started.append(process)
        return process

    yield popen
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdout, process.stderr):
            stream.close()


@pytest.fixture
def kernels_of() -> Callable[[subprocess.Popen[str]], list[Path]]:
    """Name the kernels that a process has loaded, on Linux."""

    def read(process: subprocess.Popen[str]) -> list[Path]:
        lines = Path(f"/proc/{process.pid}/maps").read_text().splitlines()
        paths = {Path(line.split(maxsplit=5)[5]) for line in lines if line.endswith(".so") and "/mlx/" in line}
        return sorted(path for path in paths if path.parent.name == "cpu")

    return read


@pytest.fixture
def metrics_of() -> Callable[[Path], list[dict[str, Any]]]:
    """Read the metrics of a run, without what the clock and the machine's load decide."""

    def read(run: Path) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        return [{k: v for k, v in line.items() if k not in WALL_CLOCK} for line in lines]

    return read

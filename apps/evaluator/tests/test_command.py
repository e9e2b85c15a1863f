"""The installed command, as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hrm_train import RunDirectory

COMMAND = str(Path(sys.executable).parent / "evaluator")


def command(*args: object, cwd: Path, **options: str) -> subprocess.CompletedProcess[str]:
    words = [COMMAND, *map(str, args)]
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=300, env=os.environ | options)


def test_without_arguments_it_reports_on_the_newest_run(run: RunDirectory) -> None:
    done = command(cwd=run.path.parent.parent)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "11 of 11 puzzles\n"
    assert "exact accuracy" in done.stdout
    assert "\x1b" not in done.stdout
    assert done.stdout.count("prediction") == 3


def test_json_alone_is_on_stdout(run: RunDirectory) -> None:
    done = command("--json", "--limit", 5, cwd=run.path.parent.parent)
    assert json.loads(done.stdout)["puzzles"] == 5


def test_solve_answers_one_puzzle(run: RunDirectory) -> None:
    done = command("solve", "1..............2", cwd=run.path.parent.parent)
    assert done.returncode in (0, 1), done.stderr
    assert len(done.stdout.split("\n\n")[1].strip()) == 16


def test_a_mistake_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    done = command("--checkpoint", "missing", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("evaluator: --checkpoint missing: does not exist; name a run, a checkpoint")
    assert done.stderr.count("\n") == 1


def test_it_writes_where_only_ascii_is_known(run: RunDirectory) -> None:
    done = command(cwd=run.path.parent.parent, PYTHONIOENCODING="ascii", LC_ALL="C")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()


def test_a_closed_pipe_is_no_crash(run: RunDirectory) -> None:
    words = [COMMAND, "--show", "11"]
    with subprocess.Popen(
        words, cwd=run.path.parent.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert "Traceback" not in running.stderr.read()
        running.wait(300)
    assert running.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a Linux device")
def test_a_full_disk_is_a_failure_in_one_line(run: RunDirectory) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [COMMAND, "--json", "--runs", str(run.path.parent)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": ""},
        )
    assert done.returncode == 1
    assert done.stderr.splitlines()[1:] == ["evaluator: [Errno 28] No space left on device"]


def test_ctrl_c_stops_it_with_130(run: RunDirectory) -> None:
    words = [COMMAND, "solve", "-", "--runs", str(run.path.parent)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write("1..............2\n")
        running.stdin.flush()
        assert "stdin, line 1" in running.stdout.readline()  # now it waits for the next puzzle
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=300)
    assert running.returncode == 130
    assert err == "evaluator: interrupted\n"


def test_help_does_not_wait_for_mlx() -> None:
    code = "import sys, hrm_evaluator.cli; sys.exit(any(m in sys.modules for m in ('mlx', 'rich', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", code], timeout=300).returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("library", ["_heapq", "_multiarray_umath", "libmlx.so"])
def test_ctrl_c_in_the_first_seconds_takes_one_line(library: str, run: RunDirectory) -> None:
    """The moments are those at which a library has just been loaded, in the middle of other imports."""
    words = [COMMAND, "--checkpoint", str(run.path)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        while library not in Path(f"/proc/{process.pid}/maps").read_text():
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=300)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, err) == (130, "evaluator: interrupted\n")

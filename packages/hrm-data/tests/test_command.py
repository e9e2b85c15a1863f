"""The command `hrm-data`, in this process and as it is installed."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hrm_data import open_dataset, task_names
from hrm_data.cli import main

COMMAND = str(Path(sys.executable).parent / "hrm-data")


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    def call(*words: object) -> Result:
        code = main([str(word) for word in words])
        return Result(code, *capsys.readouterr())

    return call


@pytest.fixture
def copy(sudoku: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sudoku, tmp_path / "copy"))


def edit(path: Path, change: Callable[[np.ndarray], None]) -> None:
    array = np.load(path)
    change(array)
    np.save(path, array)


def test_a_build_says_what_it_made_and_overwrites_nothing(command, tmp_path: Path) -> None:
    root = tmp_path / "made"
    words = ["build", "sudoku", "--output", root, "--box", "2,2", "--train", 20, "--test", 5, "--test_kind=any"]
    made = command(*words)
    assert (made.code, made.err) == (0, "")
    assert "20" in made.out
    assert "task         sudoku" in made.out
    assert [open_dataset(root, split).examples for split in ("train", "test")] == [20, 5]
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    again = command(*words)
    assert again.code == 2
    assert f"--output {root}: exists already" in again.err
    assert before == {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert command("info", root).out == made.out
    assert command("verify", root).code == 0


def test_an_example_is_drawn_beside_its_answer(command, sudoku: Path) -> None:
    item = open_dataset(sudoku, "test").sets["all"]
    shown = command("show", sudoku, "--split", "test", "--index", 10)
    assert shown.code == 0
    assert "test example 10, in set all: group 10, puzzle 10, identifier 0 <blank>; 16 of 16" in shown.out
    digits = [char for line in shown.out.splitlines() if line.startswith("|") for char in line if char in ".1234"]
    rows = np.array(digits).reshape(4, 2, 4)
    for side, tokens in ((0, item.inputs[10]), (1, item.labels[10])):
        assert "".join(rows[:, side].ravel()) == "".join("." if t == 1 else str(t - 1) for t in tokens.tolist())


def test_what_no_task_describes_is_drawn_as_numbers(command, copy: Path) -> None:
    (copy / "task.json").unlink()
    (copy / "identifiers.json").unlink()
    first = open_dataset(copy, "train").sets["all"].inputs[0].reshape(4, 4).tolist()
    lines = command("show", copy).out.splitlines()[2:]
    assert [line.split("    ")[0] for line in lines] == [" ".join(map(str, row)) for row in first]
    assert "task         not said" in command("info", copy).out
    assert "no task says how to check its solutions" in command("verify", copy).out
    code, _, err = command("verify", copy, "--task", "sudoku")
    assert code == 2
    assert "field seq_len is 16, but 81 in puzzles of sudoku-3x3" in err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("", ["no command"]),
        ("bulid sudoku", ["'bulid' is no command", "build, info, show, verify"]),
        ("build", []),
        ("build sudoku", ["--output is missing"]),
        ("build chess --output x", ["task 'chess' is unknown", "sudoku"]),
        ("build --output x", ["--output", "name of a task"]),
        ("build sudoku --output x --train 0", ["--train 0", "greater than or equal to 1"]),
        ("build sudoku --output x --box 2", ["--box 2", "as in 2,3"]),
        ("build sudoku --output x --box 1,1", ["1x1 is not supported"]),
        ("build sudoku --output x --clues many", ["--clues many", "as in 4,6"]),
        ("build sudoku --output x --test-clues 5", ["test_clues is given without test_kind"]),
        ("build sudoku --output x --tran 5", ["--tran", "did you mean --train?"]),
        ("build sudoku --output x --train-csv nowhere.csv", ["nowhere.csv does not exist"]),
        ("info", ["DIRECTORY"]),
        ("info nowhere", ["nowhere is no directory"]),
        ("info .", ["has no split"]),
        ("show {} --index 99", ["--index 99", "0..49"]),
        ("show {} --index=-1", ["--index -1", "greater than or equal to 0"]),
        ("show {} --split valid", ["no split 'valid'", "test, train"]),
        ("show {} {}", ["one argument too many"]),
        ("show {} --task chess", ["not 'chess'"]),
        ("verify nowhere", ["nowhere is no directory"]),
    ],
)
def test_a_mistake_is_one_line_that_names_it(
    words: str, named: list[str], command, sudoku: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = command(*words.format(sudoku, sudoku).split())
    if not named or not words:
        assert (code, err) == (0, "")  # the help
        return
    assert code == 2
    assert err.count("\n") == 1
    assert all(part in err for part in ["hrm-data: ", *named]), err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("words", [["--help"], ["build", "--help"], ["build", "sudoku", "--help"], ["show", "--help"]])
def test_help_fits_a_screen_of_100_columns(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        sys.exit(main(words))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Usage: hrm-data")
    assert len(lines) <= 40
    assert all(len(line) <= 100 for line in lines)
    if words == ["build", "--help"]:
        assert all(any(line.split()[:1] == [name] for line in lines) for name in task_names())


def wrong_digit(array: np.ndarray) -> None:
    array[7, 3] = array[7, 4] if array[7, 4] != array[7, 3] else array[7, 3] % 4 + 2


@pytest.mark.parametrize(
    ("file", "change", "named"),
    [
        ("train/all__labels.npy", wrong_digit, ["train set 'all', example 7: the label breaks the rules"]),
        ("test/all__labels.npy", lambda a: a.__setitem__((3, 0), 0), ["example 3: the label leaves cells empty"]),
        ("test/all__inputs.npy", lambda a: a.__setitem__((2, 5), 9), ["all__inputs.npy", "token 9 at example 2, pos"]),
        (
            "test/all__puzzle_indices.npy",
            lambda a: a.__setitem__(4, 2),
            ["_indices.npy does not rise at entry 4"],
        ),
        ("train/all__group_indices.npy", lambda a: a.__setitem__(0, 1), ["group_indices.npy runs over 1..50"]),
        ("train/all__puzzle_identifiers.npy", lambda a: a.__setitem__(9, 5), ["puzzle_identifiers.npy holds 0..5"]),
    ],
)
def test_every_fault_of_an_array_is_found_and_placed(
    file: str, change: Callable[[np.ndarray], None], named: list[str], command, copy: Path
) -> None:
    edit(copy / file, change)
    code, out, err = command("verify", copy)
    assert (code, out) == (1, "")
    assert all(part in err for part in named), err
    assert "1 faults found" in err


def test_faults_between_files_are_found(command, copy: Path) -> None:
    metadata = json.loads((copy / "test" / "dataset.json").read_text())
    (copy / "test" / "dataset.json").write_text(json.dumps({**metadata, "ignore_label_id": None}))
    (copy / "identifiers.json").write_text('["<blank>", "<blank>"]')
    code, _, err = command("verify", copy)
    assert code == 1
    assert "identifiers.json lists 2 names, but dataset.json has num_puzzle_identifiers 1" in err
    (copy / "identifiers.json").unlink()
    code, _, err = command("verify", copy)
    assert code == 1
    assert "test/dataset.json: ignore_label_id is None, but 0 in train/dataset.json" in err


def test_many_wrong_solutions_are_counted_and_a_few_are_named(command, copy: Path) -> None:
    edit(copy / "train" / "all__labels.npy", lambda labels: labels.fill(2))
    code, _, err = command("verify", copy)
    assert code == 1
    assert err.count("breaks the rules") == 5
    assert "45 more labels are no solutions, the last at example 49" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "import hrm_data.sudoku.generator._generate as g; from hrm_data.cli import main;"
        "inner = g._candidates;"
        "g._candidates = lambda *a: (print('at work', flush=True), inner(*a))[1];"
        "sys.exit(main(sys.argv[1:]))"
    )
    words = [sys.executable, "-c", code, "build", "sudoku", "--output", str(tmp_path / "x"), "--train", "500000"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (130, "hrm-data: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_the_installed_command_writes_what_the_function_prints(sudoku: Path, command) -> None:
    done = subprocess.run([COMMAND, "info", str(sudoku)], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == command("info", sudoku).out


def test_a_closed_pipe_is_no_crash(sudoku: Path) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([COMMAND, "info", str(sudoku)], stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(120) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a Linux device")
def test_a_full_disk_is_a_failure_in_one_line(sudoku: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([COMMAND, "info", str(sudoku)], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr == "hrm-data: [Errno 28] No space left on device\n"


def test_importing_the_package_loads_nothing_that_only_commands_need() -> None:
    code = (
        "import sys, hrm_data, hrm_data.cli;"
        "sys.exit(', '.join({'rich', 'cyclopts', 'mlx', 'argparse'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")

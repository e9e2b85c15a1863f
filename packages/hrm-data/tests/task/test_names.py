"""A task's name may say its size."""

from pathlib import Path

import pytest
from hrm_data import HRMDataError, describe_task, get_task, open_dataset, task_of
from hrm_data.cli import main
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(2, 4), st.integers(2, 4))
def test_every_sudoku_is_known_by_its_own_name(rows: int, columns: int) -> None:
    if rows * columns <= 9:
        task = get_task({"task": "sudoku", "box": [rows, columns]})
        assert get_task(task.name).to_json() == task.to_json()


@given(st.integers(4, 64))
def test_every_maze_is_known_by_its_own_name_and_by_one_side(size: int) -> None:
    task = get_task({"task": "maze", "size": size})
    assert get_task(task.name) == get_task(f"maze-{size}") == task


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("sudoku-2", "size '2' should be the rows and columns of a box, as in 2x3"),
        ("sudoku-2x3x4", "size '2x3x4'"),
        ("sudoku-ax3", "size 'ax3'"),
        ("sudoku-5x5", "5x5|25"),
        ("maze-10x12", "size '10x12' should be the cells in a side of a square maze"),
        ("maze-", "size ''"),
        ("maze-9999", "9999"),
        ("arc1-30x30", "has one size only"),
        ("chess-8x8", "'chess-8x8' is unknown"),
    ],
)
def test_what_is_no_size_is_named(name: str, says: str) -> None:
    with pytest.raises(HRMDataError, match=says):
        get_task(name)


def test_names_without_a_size_are_families() -> None:
    assert describe_task("sudoku") == {"task": "sudoku"}
    assert get_task("sudoku").name == "sudoku-3x3"


def test_a_sized_name_builds_and_checks_a_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "small"
    assert main(["build", "sudoku-2x2", "--output", str(root), "--train", "6", "--test", "2"]) == 0
    assert main(["verify", str(root), "--task", "sudoku-2x2"]) == 0
    assert main(["verify", str(root), "--task", "sudoku"]) == 0  # the dataset knows its size
    dataset = open_dataset(root, "train")
    with pytest.raises(HRMDataError, match="not 'sudoku-2x3'"):
        task_of(dataset, "sudoku-2x3")
    (root / "task.json").unlink()
    task = task_of(open_dataset(root, "train"), "sudoku-2x2")
    assert task is not None
    assert task.name == "sudoku-2x2"
    capsys.readouterr()
    assert main(["build", "sudoku-2x2", "--output", str(tmp_path / "other"), "--box", "3,3"]) == 2
    assert "--box: sudoku-2x2 names the size already" in capsys.readouterr().err

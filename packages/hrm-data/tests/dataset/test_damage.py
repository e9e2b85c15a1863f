"""Any damage to a dataset directory is named, in one line, and costs no more memory than the files have bytes."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hrm_data import HRMDataError, TestLoader, get_task, open_dataset
from hrm_data.dataset._verify import find_faults
from hrm_data.maze import build_maze
from hrm_data.maze._options import MazeOptions
from hrm_data.sudoku import SudokuOptions, build_sudoku
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_sudoku(
        tmp_path_factory.mktemp("small") / "data", SudokuOptions(box=(2, 2), train=6, test=3, kind="any")
    )


@pytest.fixture
def copy(small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small, tmp_path / "copy"))


def use(root: Path) -> None:
    """All that an application does with a dataset before it computes."""
    for split in ("train", "test"):
        dataset = open_dataset(root, split)
        for batch in TestLoader(dataset, 2):
            assert batch["inputs"].shape == (2, dataset.metadata.seq_len)
        get_task(root)


FILES = [
    *(f"{split}/all__{name}.npy" for split in ("train", "test") for name in ("inputs", "labels", "puzzle_identifiers")),
    *(f"{split}/all__{name}_indices.npy" for split in ("train", "test") for name in ("puzzle", "group")),
    *("train/dataset.json", "test/dataset.json", "identifiers.json", "task.json"),
]
edits = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), st.integers(0, 400), st.integers(1, 255)),
        st.tuples(st.just("cut"), st.integers(0, 400), st.just(0)),
        st.tuples(st.just("drop"), st.integers(0, 400), st.integers(1, 9)),
        st.tuples(st.just("insert"), st.integers(0, 400), st.integers(0, 255)),
        st.tuples(st.just("digit"), st.integers(0, 400), st.integers(ord("0"), ord("9"))),
    ),
    min_size=1,
    max_size=4,
)


def damaged(data: bytes, changes: list[tuple[str, int, int]]) -> bytes:
    for what, where, value in changes:
        at = where % (len(data) + 1)
        if what == "flip" and at < len(data):
            data = data[:at] + bytes([data[at] ^ value]) + data[at + 1 :]
        elif what == "cut":
            data = data[:at]
        elif what == "drop":
            data = data[:at] + data[at + value :]
        elif what in ("insert", "digit"):
            data = data[:at] + bytes([value]) + data[at:]
    return data


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(FILES), edits)
def test_damaged_bytes_give_no_other_exception(small: Path, tmp_path: Path, name: str, changes: list) -> None:
    root = tmp_path / "copy"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(small, root)
    (root / name).write_bytes(damaged((root / name).read_bytes(), changes))
    try:
        use(root)
    except HRMDataError as error:
        assert str(root) in str(error) or "task" in str(error) or "box" in str(error)  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
    try:
        find_faults(root)
    except HRMDataError as error:
        assert "\n" not in str(error)  # noqa: PT017


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["train/dataset.json", "identifiers.json", "task.json"]),
    st.sampled_from(
        ["vocab_size", "seq_len", "sets", "total_groups", "mean_puzzle_examples", "box", "task", "pad_id", ""]
    ),
    json_values,
)
def test_any_json_gives_no_other_exception(small: Path, tmp_path: Path, name: str, field: str, value: object) -> None:
    root = tmp_path / "copy"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(small, root)
    content = json.loads((root / name).read_text())
    if field and isinstance(content, dict):
        content[field] = value
    else:
        content = value
    (root / name).write_text(json.dumps(content))
    try:
        use(root)
        find_faults(root)
    except HRMDataError as error:
        assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize("name", FILES)
def test_every_cut_file_is_named(copy: Path, name: str) -> None:
    path = copy / name
    whole = path.read_bytes()
    for keep in {0, 1, 7, 9, len(whole) // 2, len(whole) - 3, len(whole) - 1}:
        path.write_bytes(whole[:keep])
        if name.endswith(".json") and whole[:keep].strip() == whole.strip():
            continue
        with pytest.raises(HRMDataError, match=path.name):
            use(copy)


@pytest.mark.parametrize("mapped", ["inputs", "group_indices"])
def test_a_header_that_declares_more_than_there_is_takes_no_memory(copy: Path, mapped: str) -> None:
    path = copy / "train" / f"all__{mapped}.npy"
    for shape in ((2**40, 16), (2**62, 2**62), (3, 16), (10**30,), (-1, 16), (2**40,)):
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
            file.write(bytes(96))
        with pytest.raises(HRMDataError, match=rf"{mapped}\.npy"):
            open_dataset(copy, "train")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"descr": "|O"}, "has dtype object; expected integers"),
        ({"descr": "<m8[s]"}, "has dtype timedelta64"),
        ({"descr": "<f4"}, "has dtype float32; expected integers"),
        ({"shape": (6, 16, 1)}, r"shape \(6, 16, 1\); expected \[examples, 16\]"),
        ({"shape": (5, 16)}, "80 bytes, but 96 follow"),
        ({"shape": (7, 16)}, "112 bytes, but 96 follow"),
    ],
)
def test_a_header_that_contradicts_the_data_is_named(copy: Path, change: dict, message: str) -> None:
    path = copy / "train" / "all__inputs.npy"
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (6, 16)} | change
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(96))
    with pytest.raises(HRMDataError, match=rf"inputs\.npy.*{message}"):
        open_dataset(copy, "train")


def test_a_pickle_in_a_file_is_not_run(copy: Path) -> None:
    class Touch:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(copy / "ran"),)

    np.save(copy / "train" / "all__labels.npy", np.array([Touch()], object), allow_pickle=True)
    with pytest.raises(HRMDataError, match="dtype object"):
        open_dataset(copy, "train")
    assert not (copy / "ran").exists()


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_split_that_nothing_describes_any_more_is_a_fault(copy: Path, split: str) -> None:
    (copy / split / "dataset.json").unlink()
    assert [fault for fault in find_faults(copy).faults if f"{split}/dataset.json does not exist" in fault]


@pytest.mark.parametrize(
    "content", [{"task": 5}, {"task": "nothing"}, {"task": "sudoku", "box": [9, 9]}, {"task": "maze", "size": "x"}]
)
def test_a_task_that_there_is_not_is_named_once_with_its_file(copy: Path, content: dict) -> None:
    (copy / "task.json").write_text(json.dumps(content))
    (fault,) = find_faults(copy).faults
    assert fault.startswith(f"{copy / 'task.json'}: ")


def test_what_cannot_be_read_is_named(copy: Path) -> None:
    (copy / "train" / "all__inputs.npy").unlink()
    (copy / "train" / "all__inputs.npy").mkdir()
    with pytest.raises(HRMDataError, match=r"inputs\.npy is not a readable \.npy file"):
        open_dataset(copy, "train")
    (copy / "test" / "dataset.json").unlink()
    (copy / "test" / "dataset.json").mkdir()
    with pytest.raises(HRMDataError, match=r"dataset\.json cannot be read"):
        open_dataset(copy, "test")


FILL = """
import sys
from pathlib import Path
from hrm_data import HRMDataError
from hrm_data._errors import HRMDataError
from hrm_data.maze import MazeOptions, build_maze
from hrm_data.sudoku import SudokuOptions, build_sudoku
root = Path(sys.argv[1])
try:
    if sys.argv[2] == "maze":
        build_maze(root / "data", MazeOptions(size=30, min_length=30, train=700, test=10))
    else:
        build_sudoku(root / "data", SudokuOptions(train_csv=Path(sys.argv[2])))
except HRMDataError as error:
    print(error)
    print(sorted(path.name for path in root.iterdir()))
"""


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Path:
    """A file system of one MiB."""
    where = tmp_path / "disk"
    where.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if not sys.platform.startswith("linux") or libc.mount(b"hrm", str(where).encode(), b"tmpfs", 0, b"size=1m") != 0:
        pytest.skip("a small file system can only be mounted by root on Linux")
    yield where
    libc.umount2(str(where).encode(), 2)


@pytest.mark.parametrize("source", ["maze", "csv"])
def test_a_full_disk_is_named_and_leaves_nothing(tiny_disk: Path, tmp_path: Path, source: str) -> None:
    if source == "csv":
        rows = ["source,question,answer,rating"]
        rng = np.random.default_rng(0)
        solution = np.array([[(3 * (r % 3) + r // 3 + c) % 9 + 1 for c in range(9)] for r in range(9)]).ravel()
        for _ in range(9000):
            shown = rng.random(81) < 0.8
            puzzle = "".join(str(d) if s else "." for d, s in zip(solution.tolist(), shown, strict=True))
            rows.append(f"x,{puzzle},{''.join(map(str, solution.tolist()))},0")
        (tmp_path / "all.csv").write_text("\n".join(rows))
        source = str(tmp_path / "all.csv")
    finished = subprocess.run(
        [sys.executable, "-c", FILL, str(tiny_disk), source], capture_output=True, text=True, timeout=300
    )
    message, left = finished.stdout.splitlines()
    assert message.endswith("/data cannot be written (No space left on device); nothing was kept, free some space")
    assert left == "[]"
    assert finished.stderr == ""


def test_existing_output_is_left_as_it_is(copy: Path) -> None:
    before = {path: path.read_bytes() for path in copy.rglob("*.*")}
    for build, options in ((build_sudoku, SudokuOptions()), (build_maze, MazeOptions())):
        with pytest.raises(HRMDataError, match="exists already; nothing is overwritten"):
            build(copy, options)
    assert {path: path.read_bytes() for path in copy.rglob("*.*")} == before

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hrm_data import DatasetMetadata, HRMDataError, PuzzleSet, TestLoader, one_example_each, open_dataset, write_dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

FIELDS = {
    "pad_id": 0,
    "ignore_label_id": 0,
    "blank_identifier_id": 0,
    "vocab_size": 6,
    "seq_len": 4,
    "num_puzzle_identifiers": 1,
    "total_groups": 2,
    "mean_puzzle_examples": 1.0,
    "sets": ["all"],
}


def write_like_the_reference(root: Path) -> None:
    """A directory as the reference's builders write it, with nothing of ours."""
    for split in ("train", "test"):
        folder = root / split
        folder.mkdir(parents=True)
        (folder / "dataset.json").write_text(json.dumps(FIELDS))
        np.save(folder / "all__inputs.npy", np.array([[1, 2, 3, 1], [4, 1, 1, 5]], np.uint8))
        np.save(folder / "all__labels.npy", np.array([[5, 2, 3, 2], [4, 3, 2, 5]], np.uint8))
        np.save(folder / "all__puzzle_identifiers.npy", np.zeros(2, np.int32))
        np.save(folder / "all__puzzle_indices.npy", np.arange(3, dtype=np.int32))
        np.save(folder / "all__group_indices.npy", np.arange(3, dtype=np.int32))
    (root / "identifiers.json").write_text('["<blank>"]')


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_like_the_reference(tmp_path / "ref")
    return tmp_path / "ref"


def test_a_directory_of_the_reference_opens(directory: Path) -> None:
    train = open_dataset(directory, "train")
    assert train.metadata.model_dump(mode="json") == FIELDS
    assert train.task is None
    assert train.identifiers == ("<blank>",)
    assert train.examples == train.sets["all"].groups == train.sets["all"].puzzles == 2
    assert isinstance(train.sets["all"].inputs, np.memmap)
    assert train.sets["all"].labels.tolist() == [[5, 2, 3, 2], [4, 3, 2, 5]]


def test_metadata_cannot_be_changed(directory: Path) -> None:
    metadata = open_dataset(directory, "test").metadata
    with pytest.raises(ValidationError, match="frozen"):
        metadata.vocab_size = 3


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_is_needed(directory: Path, field: str) -> None:
    rest = {key: value for key, value in FIELDS.items() if key != field}
    (directory / "train" / "dataset.json").write_text(json.dumps(rest))
    with pytest.raises(HRMDataError, match=rf"dataset\.json: field {field}: Field required"):
        open_dataset(directory, "train")


def test_ignore_label_id_may_be_null_and_then_no_label_is_ignored(directory: Path) -> None:
    (directory / "test" / "dataset.json").write_text(json.dumps({**FIELDS, "ignore_label_id": None}))
    np.save(directory / "test" / "all__labels.npy", np.zeros((2, 4), np.uint8))
    batch = next(iter(TestLoader(open_dataset(directory, "test"), 2)))
    assert (batch["labels"] == 0).all()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("pad_id", -1, "field pad_id: .*got -1"),
        ("pad_id", 6, "pad_id 6 is not below vocab_size 6"),
        ("ignore_label_id", 9, "ignore_label_id 9"),
        ("blank_identifier_id", 1, "blank_identifier_id 1"),
        ("vocab_size", 0, "field vocab_size"),
        ("vocab_size", 5, r"inputs\.npy holds token 5 at example 1, position 3.*vocab_size"),
        ("seq_len", "x", "field seq_len: .*got 'x'"),
        ("seq_len", 5, r"inputs\.npy has shape \(2, 4\); expected \[examples, 5\]"),
        ("num_puzzle_identifiers", 2, r"identifiers\.json lists 1 names"),
        ("total_groups", 3, "field total_groups is 3, but the sets hold 2"),
        ("mean_puzzle_examples", 2.0, "field mean_puzzle_examples is 2"),
        ("sets", [], "field sets"),
        ("sets", ["all", "all"], "names one set twice"),
        ("sets", ["../all"], "field sets"),
        ("sets", ["none"], r"none__inputs\.npy is missing"),
        ("vocab_size", "6", "field vocab_size: .*got '6'"),
    ],
)
def test_metadata_that_disagrees_is_refused(directory: Path, field: str, value: object, message: str) -> None:
    (directory / "train" / "dataset.json").write_text(json.dumps({**FIELDS, field: value}))
    with pytest.raises(HRMDataError, match=message):
        open_dataset(directory, "train")


def _save(name: str, array: np.ndarray) -> Callable[[Path], None]:
    return lambda folder: np.save(folder / f"all__{name}.npy", array)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_save("inputs", np.zeros((2, 4))), "inputs.npy has dtype float64"),
        (_save("inputs", np.zeros((3, 4), np.uint8)), "labels.npy has 2 examples, all__inputs.npy has 3"),
        (_save("inputs", np.full((2, 4), -1)), "inputs.npy holds token -1 at example 0, position 0"),
        (_save("labels", np.full((2, 4), 6)), "labels.npy holds token 6"),
        (_save("labels", np.zeros(8, np.uint8)), r"labels.npy has shape \(8,\)"),
        (_save("puzzle_identifiers", np.array([0, 1])), r"identifiers must be in 0\.\.0"),
        (_save("puzzle_identifiers", np.array([0, 0, 0])), "puzzle_indices.npy has 3 entries; expected 4"),
        (_save("puzzle_identifiers", np.zeros((2, 1), int)), "one dimension"),
        (_save("puzzle_indices", np.array([0, 2, 2])), "does not rise at entry 2: 2 is followed by 2"),
        (_save("puzzle_indices", np.array([0, 3, 2])), "does not rise at entry 2: 3 is followed by 2"),
        (_save("puzzle_indices", np.array([0, 1, 3])), r"puzzle_indices.npy runs over 0\.\.3; expected 0\.\.2"),
        (_save("group_indices", np.array([1, 2])), r"group_indices.npy runs over 1\.\.2; expected 0\.\.2"),
        (_save("group_indices", np.array([], int)), "runs over nothing"),
        (_save("group_indices", np.array([0, 2])), "field total_groups is 2, but the sets hold 1"),
        (_save("group_indices", np.array([0, {}, 2], object)), "group_indices.npy has dtype object; expected integers"),
        (lambda folder: (folder / "all__labels.npy").unlink(), "labels.npy is missing"),
        (lambda folder: (folder / "all__labels.npy").write_bytes(b"\x93NUMPY"), "labels.npy is not a readable"),
        (lambda folder: (folder / "all__labels.npy").write_bytes(b""), "labels.npy is not a readable"),
        (lambda folder: (folder / "dataset.json").write_text("{"), "dataset.json: .*JSON"),
        (lambda folder: (folder / "dataset.json").unlink(), "dataset.json does not exist"),
        (lambda folder: (folder.parent / "identifiers.json").write_text("[1]"), "identifiers.json must hold a list"),
        (lambda folder: (folder.parent / "task.json").write_text("[]"), "task.json holds list"),
        (lambda folder: (folder.parent / "task.json").write_text("no"), "task.json is not readable JSON"),
        (shutil.rmtree, "no split 'train': it has test"),
    ],
)
def test_damage_is_named(directory: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(directory / "train")
    with pytest.raises(HRMDataError, match=message):
        open_dataset(directory, "train")


def test_a_truncated_file_is_named(directory: Path) -> None:
    path = directory / "train" / "all__inputs.npy"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(HRMDataError, match=r"inputs\.npy is not a readable"):
        open_dataset(directory, "train")


def test_a_path_without_splits_is_named(tmp_path: Path) -> None:
    with pytest.raises(HRMDataError, match="no split was found there"):
        open_dataset(tmp_path / "nowhere", "train")


@st.composite
def _puzzle_sets(draw: st.DrawFn) -> PuzzleSet:
    sizes = draw(st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=3), min_size=1, max_size=4))
    puzzles = [size for group in sizes for size in group]
    total = sum(puzzles)
    tokens = draw(st.lists(st.integers(0, 299), min_size=10 * total, max_size=10 * total))
    both = np.array(tokens).reshape(2, total, 5)
    names = draw(st.lists(st.integers(0, 2), min_size=len(puzzles), max_size=len(puzzles)))
    groups = [len(group) for group in sizes]
    return PuzzleSet(both[0], both[1], np.array(names), np.cumsum([0, *puzzles]), np.cumsum([0, *groups]))


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "b c", "ä"]), _puzzle_sets(), min_size=1))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, sets: dict[str, PuzzleSet]) -> None:
    root = tmp_path_factory.mktemp("round") / "deep" / "trip"
    task = {"task": "sudoku", "box": [2, 3]}
    write_dataset(
        root,
        {"train": sets},
        vocab_size=300,
        seq_len=5,
        pad_id=2,
        ignore_label_id=None,
        blank_identifier_id=1,
        identifiers=["x", "<blank>", "y"],
        task=task,
    )
    back = open_dataset(root, "train")
    assert back.task == task
    assert back.identifiers == ("x", "<blank>", "y")
    assert list(back.sets) == list(sets)
    for name, item in sets.items():
        for field in ("inputs", "labels", "puzzle_identifiers", "puzzle_indices", "group_indices"):
            assert (getattr(back.sets[name], field) == getattr(item, field)).all()


def test_files_have_the_types_of_the_reference(sudoku: Path) -> None:
    assert np.load(sudoku / "train" / "all__inputs.npy").dtype == np.uint8
    assert np.load(sudoku / "train" / "all__group_indices.npy").dtype == np.int32
    assert json.loads((sudoku / "identifiers.json").read_text()) == ["<blank>"]
    assert set(json.loads((sudoku / "test" / "dataset.json").read_text())) == set(FIELDS)


def test_nothing_that_exists_is_overwritten(sudoku: Path, tmp_path: Path) -> None:
    item = one_example_each(np.ones((1, 4), int), np.ones((1, 4), int))
    before = sorted(path.name for path in sudoku.rglob("*"))
    with pytest.raises(HRMDataError, match="exists already"):
        write_dataset(sudoku, {"train": {"all": item}}, vocab_size=3, seq_len=4)
    assert sorted(path.name for path in sudoku.rglob("*")) == before
    (tmp_path / "empty").mkdir()
    with pytest.raises(HRMDataError, match="exists already"):
        write_dataset(tmp_path / "empty", {"train": {"all": item}}, vocab_size=3, seq_len=4)


@pytest.mark.parametrize(
    ("inputs", "task", "error"),
    [(np.full((1, 4), 7), {}, HRMDataError), (np.ones((1, 4), int), {"bad": object()}, TypeError)],
)
def test_a_failed_write_leaves_nothing(tmp_path: Path, inputs: np.ndarray, task: dict, error: type) -> None:
    item = one_example_each(inputs, np.ones((1, 4), int))
    with pytest.raises(error):
        write_dataset(tmp_path / "x", {"train": {"all": item}}, vocab_size=3, seq_len=4, task=task)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocab_size": 0}, "field vocab_size"),
        ({"pad_id": 3}, "pad_id 3 is not below vocab_size 3"),
        ({"blank_identifier_id": 1}, "blank_identifier_id 1"),
        ({"identifiers": []}, "field num_puzzle_identifiers"),
        ({"seq_len": 5}, r"train set 'all': inputs has shape \(1, 4\)"),
    ],
)
def test_wrong_arguments_of_a_write_are_named(tmp_path: Path, options: dict, message: str) -> None:
    item = one_example_each(np.ones((1, 4), int), np.ones((1, 4), int))
    with pytest.raises(HRMDataError, match=message):
        write_dataset(tmp_path / "x", {"train": {"all": item}}, **{"vocab_size": 3, "seq_len": 4, **options})
    with pytest.raises(HRMDataError, match="splits is empty"):
        write_dataset(tmp_path / "x", {}, vocab_size=3, seq_len=4)


def test_an_empty_set_can_be_written_and_opened(tmp_path: Path) -> None:
    item = one_example_each(np.zeros((0, 4), int), np.zeros((0, 4), int))
    write_dataset(tmp_path / "x", {"test": {"all": item}}, vocab_size=3, seq_len=4)
    assert open_dataset(tmp_path / "x", "test").examples == 0


def test_metadata_takes_the_reference_fields() -> None:
    assert set(DatasetMetadata.model_fields) == set(FIELDS)

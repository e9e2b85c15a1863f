"""The fingerprint of a dataset directory changes with every file that decides its batches, and with no other."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hrm_data import file_checksums, fingerprint
from hrm_data.arc import ArcOptions, build_arc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ARRAYS = ("inputs", "labels", "puzzle_identifiers", "puzzle_indices", "group_indices")
STORED = ("identifiers.json", "task.json", "train/dataset.json", *(f"train/all__{name}.npy" for name in ARRAYS))
COMPUTED = ("task.json", "train/dataset.json", "online/tasks.json")
COMPUTED += ("online/cells.npy", "online/shapes.npy", "online/codes.npy")


@pytest.fixture(scope="module")
def online(arc_tasks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_arc(tmp_path_factory.mktemp("built") / "online", ArcOptions(source=arc_tasks, augmentations=2))


def change(file: Path) -> None:
    """Changes one value in a file, and leaves it a valid file of its kind."""
    if file.suffix == ".npy":
        array = np.load(file)
        if file.name == "shapes.npy":
            (at, *_) = np.flatnonzero(array[:, 0] != array[:, 1])
            array[at] = array[at][::-1]
        else:
            array.flat[-1] = 1 + array.flat[-1] % 9
        np.save(file, array)
    else:
        file.write_text(file.read_text() + "\n")


@pytest.mark.parametrize("name", STORED)
def test_every_file_of_stored_examples_counts(sudoku: Path, tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(sudoku, tmp_path / "copy")
    before = fingerprint(copy)
    assert before == fingerprint(sudoku)
    change(copy / name)
    assert fingerprint(copy) != before


@pytest.mark.parametrize("name", COMPUTED)
def test_every_file_of_computed_examples_counts(online: Path, tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(online, tmp_path / "copy")
    before = fingerprint(copy)
    assert before == fingerprint(online) == fingerprint(file_checksums(online))
    change(copy / name)
    assert fingerprint(copy) != before
    assert dict(file_checksums(copy).items() ^ file_checksums(online).items()).keys() == {name}


def test_every_file_that_a_build_writes_is_among_those_above(sudoku: Path, online: Path) -> None:
    for root, names in ((sudoku, STORED), (online, COMPUTED)):
        written = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
        assert {name.replace("test/", "train/") for name in written} == set(names)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["note.txt", "train/note.md", "online/.DS_Store", ".tmp"]), st.binary(max_size=9))
def test_other_files_do_not_count(sudoku: Path, online: Path, tmp_path: Path, name: str, content: bytes) -> None:
    for root in (sudoku, online):
        copy = tmp_path / root.name
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(root, copy)
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_bytes(content)
        assert fingerprint(copy) == fingerprint(root)


def test_runs_of_before_know_the_stored_files_only(sudoku: Path, online: Path, tmp_path: Path) -> None:
    assert file_checksums(sudoku, stored_only=True) == file_checksums(sudoku)
    copy = shutil.copytree(online, tmp_path / "copy")
    change(copy / "online" / "cells.npy")
    before, after = (fingerprint(file_checksums(root, stored_only=True)) for root in (online, copy))
    assert before == after != fingerprint(online)

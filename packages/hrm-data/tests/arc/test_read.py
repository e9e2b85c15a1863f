"""ARC tasks from directories, archives and Kaggle's files, and what is said about files that hold none."""

from __future__ import annotations

import json
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hrm_data import HRMDataError
from hrm_data.arc import ArcItem, read_arc

PAIR = {"input": [[1]], "output": [[2]]}
GOOD = {"train": [PAIR], "test": [PAIR]}


def plain(items: list[ArcItem]) -> list[tuple[Any, ...]]:
    """Items without where they came from, comparable."""
    lists = [[tuple(g.tolist() for g in pair) for pair in (*i.demonstrations, *i.tests)] for i in items]
    return [(i.name, i.subset, len(i.demonstrations), pairs) for i, pairs in zip(items, lists, strict=True)]


def save(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def kaggle(root: Path, *, part: str, tasks: dict[str, Any], solutions: bool = True) -> Path:
    """Kaggle's two files of `part` with these tasks."""
    challenges = {n: {**t, "test": [{"input": p["input"]} for p in t["test"]]} for n, t in tasks.items()}
    if solutions:
        save(root / f"arc-agi_{part}_solutions.json", {n: [p["output"] for p in t["test"]] for n, t in tasks.items()})
    return save(root / f"arc-agi_{part}_challenges.json", challenges)


def test_a_directory_gives_its_tasks_by_subset_with_their_pairs(arc_tasks: Path) -> None:
    items = read_arc([arc_tasks])
    assert [(item.subset, item.name, item.held_out) for item in items] == [
        ("Above", "Above1", False),
        ("evaluation", "count", True),
        ("evaluation", "plain", True),
        ("training", "flip", False),
        ("training", "wide", False),
    ]
    for item in items:
        folder = f"corpus/{item.subset}" if item.subset == "Above" else item.subset
        task = json.loads((arc_tasks / folder / f"{item.name}.json").read_text())
        for part, pairs in (("train", item.demonstrations), ("test", item.tests)):
            assert [{"input": i.tolist(), "output": o.tolist()} for i, o in pairs] == task[part]
        assert all(grid.dtype == np.uint8 for pair in item.demonstrations for grid in pair)


@pytest.mark.parametrize("kind", ["gztar", "xztar", "zip"])
@pytest.mark.parametrize("prefix", ["", "ARC-AGI-0123abc/data"])
def test_an_archive_gives_what_its_directory_gives(arc_tasks: Path, tmp_path: Path, kind: str, prefix: str) -> None:
    inside = tmp_path / "inside"
    shutil.copytree(arc_tasks, inside / prefix)
    save(inside / "apps" / "package.json", {"name": "other"})  # a repository holds more than tasks
    made = shutil.make_archive(str(tmp_path / "made"), kind, inside)
    assert plain(read_arc([made])) == plain(read_arc([arc_tasks]))
    if kind == "zip":
        assert zipfile.is_zipfile(made)
    else:
        assert tarfile.is_tarfile(made)


def test_several_sources_are_put_together(arc_tasks: Path) -> None:
    parts = [arc_tasks / "training", arc_tasks / "corpus", arc_tasks / "evaluation"]
    assert plain(read_arc(parts)) == plain(read_arc([arc_tasks]))
    assert [item.name for item in read_arc([arc_tasks / "corpus" / "Above"])] == ["Above1"]
    assert [item.held_out for item in read_arc([arc_tasks / "evaluation" / "count.json"])] == [True]


def test_a_directory_of_ones_own_tasks_is_for_training(tmp_path: Path) -> None:
    save(tmp_path / "mine" / "a.json", GOOD)
    save(tmp_path / "mine" / "more" / "b.json", GOOD)
    assert [(item.name, item.held_out) for item in read_arc([tmp_path])] == [("a", False), ("b", False)]


def test_kaggle_s_combined_files_give_the_same_tasks(arc_tasks: Path, tmp_path: Path) -> None:
    expected = [item for item in plain(read_arc([arc_tasks])) if item[1] != "Above"]
    count = {"count": json.loads((arc_tasks / "evaluation" / "count.json").read_text())}
    for part in ("training", "evaluation"):
        files = (arc_tasks / part).glob("*.json")
        kaggle(tmp_path / "all", part=part, tasks={path.stem: json.loads(path.read_text()) for path in files})
    kaggle(tmp_path / "all", part="test", tasks=count, solutions=False)  # a copy of others, unsolved
    save(tmp_path / "all" / "sample_submission.json", {"count": []})
    assert plain(read_arc([tmp_path / "all"])) == expected
    named = [tmp_path / "all" / f"arc-agi_{part}_challenges.json" for part in ("evaluation", "training")]
    assert plain(read_arc(named)) == expected
    assert plain(read_arc([shutil.make_archive(str(tmp_path / "x"), "zip", tmp_path / "all")])) == expected


def test_test_tasks_of_kaggle_are_held_out_with_answers_or_without(tmp_path: Path) -> None:
    path = kaggle(tmp_path, part="test", tasks={"a": GOOD}, solutions=False)
    for source in (path, tmp_path):
        assert plain(read_arc([source])) == [("a", "test", 1, [([[1]], [[2]]), ([[1]], [])])]
    kaggle(tmp_path, part="test", tasks={"a": GOOD})
    for source in (path, tmp_path):
        (item,) = read_arc([source])
        assert plain([item]) == [("a", "test", 1, [([[1]], [[2]])] * 2)]
        assert item.held_out


def test_the_minimal_tasks_of_conceptarc_and_hidden_files_are_left_out(arc_tasks: Path, tmp_path: Path) -> None:
    shutil.copytree(arc_tasks, tmp_path, dirs_exist_ok=True)
    save(tmp_path / "corpus" / "Above" / "AboveMinimal.json", GOOD)
    save(tmp_path / "MinimalTasks" / "CopyMinimal.json", GOOD)
    save(tmp_path / "training" / "._flip.json", "binary")
    assert plain(read_arc([tmp_path])) == plain(read_arc([arc_tasks]))


def test_a_name_in_a_file_counts_as_in_the_reference(tmp_path: Path) -> None:
    save(tmp_path / "training" / "file.json", {**GOOD, "name": "inner"})
    save(tmp_path / "training" / "other.json", {**GOOD, "name": ""})
    assert [item.name for item in read_arc([tmp_path])] == ["inner", "other"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not readable JSON"),
        ("{", "is not readable JSON"),
        ("[" * 100_000, "is not readable JSON"),
        ("\x00\xff", "is not readable JSON"),
        ([1, 2], "holds no ARC task"),
        ("null", "holds no ARC task"),
        ({}, "holds no ARC task"),
        ([PAIR], "field train must be a list of pairs, and not empty"),
        ([PAIR, [[1]], PAIR], r"train\[1\] has no input"),
        ({"train": [PAIR]}, "field test must be a list of pairs"),
        ({"train": [], "test": [PAIR]}, "field train must be a list of pairs, and not empty"),
        ({"train": {"a": 1}, "test": [PAIR]}, "field train must be a list"),
        ({"train": [[[1]]], "test": [PAIR]}, r"train\[0\] has no input"),
        ({"train": [PAIR, {"output": [[1]]}], "test": [PAIR]}, r"train\[1\] has no input"),
        ({"train": [{"input": [[1]]}], "test": [PAIR]}, r"train\[0\] has no output, and a demonstration needs one"),
        ({"train": [PAIR], "test": [{"input": [[1]]}]}, r"test\[0\] has no output; .* or hold the task out"),
        ({"train": [PAIR], "test": [{"input": [[1]], "output": None}]}, r"test\[0\] has no output"),
        ({"train": [{"input": [], "output": [[1]]}], "test": [PAIR]}, r"train\[0\].input is \[\]; expected a list of"),
        ({"train": [{"input": [[1]], "output": [[]]}], "test": [PAIR]}, r"train\[0\].output has 0 cells in row 0"),
        (
            {"train": [{"input": [[1, 2], [3]], "output": [[1]]}], "test": [PAIR]},
            r"train\[0\].input has 1 cells in row",
        ),
        (
            {"train": [PAIR], "test": [{"input": [[1]], "output": [[10]]}]},
            r"test\[0\].output holds 10 in row 0, column",
        ),
        ({"train": [PAIR], "test": [{"input": [["1"]], "output": [[1]]}]}, r"test\[0\].input holds '1' in row 0"),
        ({"train": [PAIR], "test": [{"input": [[1.5]], "output": [[1]]}]}, r"test\[0\].input holds 1.5 in row 0"),
        ({"train": [PAIR], "test": [{"input": 3, "output": [[1]]}]}, r"test\[0\].input is 3; expected a list of rows"),
        (
            {"train": [{"input": [[0] * 31], "output": [[1]]}], "test": [PAIR]},
            r"train\[0\].input is 1x31; at most 30x30.*; too_large skip leaves",
        ),
        ({**GOOD, "name": 5}, "field name is 5; expected text"),
        ({**GOOD, "name": "a_t0_0123456789"}, "reads like that of an augmented task"),
    ],
)
def test_a_file_that_is_no_arc_task_is_named_with_the_place(tmp_path: Path, content: Any, message: str) -> None:
    path = save(tmp_path / "training" / "bad.json", content)
    with pytest.raises(HRMDataError, match=message) as caught:
        read_arc([tmp_path])
    assert str(path) in str(caught.value)
    made = shutil.make_archive(str(tmp_path / "made"), "zip", tmp_path, "training")
    with pytest.raises(HRMDataError, match=message) as caught:
        read_arc([made])
    assert f"{made}: training/bad.json" in str(caught.value)


@pytest.mark.parametrize(
    ("solutions", "message"),
    [
        ({"a": []}, "the solutions are not a list of 1"),
        ({"a": {"0": [[1]]}}, "the solutions are not a list of 1"),
        ({"a": [[[1, 11]]]}, r"test\[0\].output holds 11 in row 0, column 1"),
        ({}, r"test\[0\] has no output"),
        ([], r"test\[0\] has no output"),
        ({"b": [[[2]]]}, r"test\[0\] has no output"),
    ],
)
def test_solutions_that_do_not_fit_are_refused(tmp_path: Path, solutions: Any, message: str) -> None:
    kaggle(tmp_path, part="training", tasks={"a": GOOD})
    save(tmp_path / "arc-agi_training_solutions.json", solutions)
    with pytest.raises(HRMDataError, match=message):
        read_arc([tmp_path])


def test_a_place_without_tasks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HRMDataError, match=r"holds no ARC tasks; expected a file for each task"):
        read_arc([tmp_path])
    for name in ("no", "no.json", "no.tar.gz"):
        with pytest.raises(HRMDataError, match=rf"{name} does not exist"):
            read_arc([tmp_path / name])
    (tmp_path / "torn.tar.xz").write_bytes(b"\xfd7zXZ\x00 torn")
    with pytest.raises(HRMDataError, match=r"torn\.tar\.xz is no archive, damaged or cut short"):
        read_arc([tmp_path / "torn.tar.xz"])

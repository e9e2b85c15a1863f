"""Which ARC tasks are held out, what becomes of tasks that stand twice, and tests without answers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hrm_data import HRMDataError, get_family, open_dataset
from hrm_data.arc import ArcOptions, build_arc, read_arc
from hrm_data.arc.reading._select import read_tasks
from hrm_data.dataset._verify import find_faults
from hypothesis import given, settings
from hypothesis import strategies as st


def task(number: int, *, answered: bool = True) -> dict[str, Any]:
    """A task unlike those of other numbers, with two demonstrations and two tests."""
    pair = {"input": [[number // 10, number % 10]], "output": [[1]]}
    test = pair if answered else {"input": pair["input"]}
    return {"train": [pair, {"input": [[2]], "output": [[3]]}], "test": [test, {**test, "input": [[4, 4]]}]}


def save(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """Ten tasks in one folder."""
    for number in range(10):
        save(tmp_path / "mine" / f"t{number}.json", task(number))
    return tmp_path / "mine"


def held_out(source: Path, *entries: Any, **options: Any) -> list[str]:
    return sorted(item.name for item in read_arc([source], held_out=entries, **options) if item.held_out)


def test_tasks_are_held_out_by_name_pattern_or_path(flat: Path, tmp_path: Path) -> None:
    assert held_out(flat) == []
    assert held_out(flat, "t4", "t7") == ["t4", "t7"]
    assert held_out(flat, "t[12]") == ["t1", "t2"]
    assert held_out(flat, flat / "t3.json", "t9") == ["t3", "t9"]
    save(tmp_path / "others" / "u.json", task(50))
    assert held_out(flat, tmp_path / "others") == ["u"]
    assert len(read_arc([flat], held_out=[tmp_path / "others"])) == 11


@pytest.mark.parametrize("entry", ["t99", "x*", "0", "1", "1.5", "-0.1", "nan"])
def test_an_entry_that_names_nothing_is_refused(flat: Path, entry: str) -> None:
    with pytest.raises(
        HRMDataError, match=r"is no path, no share between 0 and 1 and no task's name; names are t0, t1"
    ):
        held_out(flat, entry)


@settings(max_examples=20)
@given(st.floats(0.001, 0.999), st.integers(0, 2**40))
def test_a_share_is_drawn_by_seed_and_name(arc_tasks: Path, share: float, seed: int) -> None:
    names = held_out(arc_tasks, share, seed=seed)
    assert len(names) == max(1, round(share * 5))
    assert names == held_out(arc_tasks, share, seed=seed)


def test_what_the_user_says_replaces_what_places_say(arc_tasks: Path) -> None:
    assert held_out(arc_tasks) == ["count", "plain"]
    assert held_out(arc_tasks, "flip") == ["flip"]


def test_options_take_every_form_of_held_out() -> None:
    for given_as in ("a,0.5", ["a", 0.5], ("a", "0.5")):
        assert ArcOptions(held_out=given_as).held_out == ("a", "0.5")
    assert ArcOptions(held_out=0.5).held_out == ("0.5",)
    assert ArcOptions(held_out=Path("x/y")).held_out == ("x/y",)
    assert ArcOptions(held_out="").held_out == ()


def test_files_that_are_held_out_are_files_of_the_dataset(flat: Path, tmp_path: Path) -> None:
    other = save(tmp_path / "u.json", task(50))
    files = get_family("arc1").files(ArcOptions(source=flat, held_out=f"t1,0.1,{other}"))
    assert files == [*sorted(flat.iterdir()), other]


@pytest.mark.parametrize("online", [True, False])
def test_a_strict_split_trains_on_nothing_of_what_is_held_out(arc_tasks: Path, tmp_path: Path, online: bool) -> None:
    options = ArcOptions(source=arc_tasks, augmentations=3, strict=True, online=online)
    root = build_arc(tmp_path / "x", options)
    train, test = (open_dataset(root, split) for split in ("train", "test"))
    assert (train.metadata.total_groups, test.metadata.total_groups) == (3, 2)
    assert not set(train.sets["all"].puzzle_identifiers) & set(test.sets["all"].puzzle_identifiers)
    loose = open_dataset(build_arc(tmp_path / "y", options.model_copy(update={"strict": False})), "train")
    (strict_rows, _), (rows, _) = (item.sets["all"].rows(np.arange(item.examples)) for item in (train, loose))
    assert {row.tobytes() for row in strict_rows} < {row.tobytes() for row in rows}
    assert not find_faults(root).faults


def test_a_strict_split_needs_something_to_train_on(arc_tasks: Path, tmp_path: Path) -> None:
    with pytest.raises(HRMDataError, match="leave no task to train on"):
        build_arc(tmp_path / "x", ArcOptions(source=arc_tasks / "evaluation", strict=True))


@pytest.mark.parametrize("online", [True, False])
def test_tests_without_answers_are_a_test_split_without_labels(tmp_path: Path, online: bool) -> None:
    save(tmp_path / "a" / "training" / "t.json", task(1))
    save(tmp_path / "a" / "test" / "u.json", task(2, answered=False))
    root = build_arc(tmp_path / "x", ArcOptions(source=tmp_path / "a", augmentations=4, online=online))
    train, test = (open_dataset(root, split) for split in ("train", "test"))
    assert (train.metadata.total_groups, test.metadata.total_groups) == (2, 1)
    inputs, labels = test.sets["all"].rows(np.arange(test.examples))
    assert test.examples == 10
    assert inputs.any(axis=1).all()
    assert not labels.any()
    found = find_faults(root)
    assert (found.faults, found.unanswered) == ([], 10)


def test_a_task_without_answers_is_held_out_whoever_says_what_else_is(flat: Path) -> None:
    save(flat / "test" / "u.json", task(50, answered=False))
    assert held_out(flat, "t1") == ["t1", "u"]
    save(flat / "v.json", task(51, answered=False))
    with pytest.raises(HRMDataError, match=r"v.json: test\[0\] has no output; .* or hold the task out"):
        held_out(flat, "t1")
    assert held_out(flat, "t1", "v") == ["t1", "u", "v"]


def test_a_damaged_answer_is_not_taken_for_an_unknown_one(arc_tasks: Path, tmp_path: Path) -> None:
    root = build_arc(tmp_path / "x", ArcOptions(source=arc_tasks, augmentations=0))
    shapes = np.load(root / "online" / "shapes.npy")
    shapes[1] = 0  # the output of a demonstration
    np.save(root / "online" / "shapes.npy", shapes)
    with pytest.raises(HRMDataError, match=r"shapes.npy holds 0..30; expected 1..30"):
        open_dataset(root, "train")


def unused(*sources: Path, entries: tuple[str, ...] = ()) -> dict[str, str]:
    reading = read_tasks(sources, entries, "refuse", 0)
    return {Path(what.split(" (")[0]).name: reason for what, reason in reading.unused}


def test_a_task_that_is_held_out_is_not_trained_on_under_another_name(tmp_path: Path) -> None:
    save(tmp_path / "training" / "other.json", {**task(1), "train": task(1)["train"][::-1]})
    save(tmp_path / "training" / "third.json", task(3))
    save(tmp_path / "evaluation" / "one.json", task(1))
    assert unused(tmp_path) == {"other.json": "the same task is held out under another name"}
    assert [item.name for item in read_arc([tmp_path])] == ["one", "third"]


def test_of_tasks_of_one_name_the_held_out_one_is_kept_else_the_one_with_answers_else_the_first(tmp_path: Path) -> None:
    train, held = (save(tmp_path / split / "a.json", task(1)) for split in ("training", "evaluation"))
    save(tmp_path / "test" / "a.json", task(1, answered=False))
    (item,) = read_arc([tmp_path])
    assert (item.file, item.held_out, item.unanswered) == (held.resolve(), True, 0)
    other = save(tmp_path / "more" / "a.json", task(2))
    assert [read_arc([first, second])[0].file for first, second in ((train, other), (other, train))] == [
        train.resolve(),
        other.resolve(),
    ]
    assert unused(train, other) == {"a.json": "a task of this name was read elsewhere"}


def test_different_tasks_of_one_name_in_one_source_are_refused(tmp_path: Path) -> None:
    for number in (1, 2):
        save(tmp_path / f"part{number}" / "a.json", task(number))
    with pytest.raises(HRMDataError, match=r"the name 'a' is also that of .*a.json, a different task; rename one"):
        read_arc([tmp_path])


def test_a_file_that_two_sources_hold_is_read_once(flat: Path) -> None:
    assert len(read_arc([flat, flat / "t1.json", flat])) == 10
    assert unused(flat, flat / "t1.json") == {}
    (flat / "notes.txt").write_text("")
    assert [what for what, _ in read_tasks([flat, flat], (), "refuse", 0).unused] == [str(flat / "notes.txt")]


def test_sources_without_a_task_that_can_be_used_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "a_solutions.json", {"a": [[[1]]]})
    with pytest.raises(
        HRMDataError, match=r"no ARC task is left \(.*a_solutions.json: solutions of no task that was read"
    ):
        read_arc([tmp_path])


def test_tasks_too_large_are_refused_or_left_out_with_a_count(flat: Path, tmp_path: Path) -> None:
    save(flat / "big.json", {**task(1), "test": [{"input": [[1]] * 31, "output": [[1]]}]})
    with pytest.raises(
        HRMDataError, match=r"big.json: test\[0\].input is 31x1; .*; too_large skip leaves such tasks out"
    ):
        read_arc([flat])
    options = ArcOptions(source=flat, held_out="t1", too_large="skip", augmentations=0)
    written = json.loads((build_arc(tmp_path / "x", options) / "task.json").read_text())
    assert written["not_used"] == {"a grid larger than 30x30": [str(flat / "big.json")]}
    assert written["tasks"] == {"training": 10}


def test_the_command_says_before_it_builds_what_is_used_for_what(flat: Path, tmp_path: Path) -> None:
    save(flat / "test" / "u.json", task(50, answered=False))
    (flat / "notes.txt").write_text("")
    command = [
        sys.executable,
        "-c",
        "from hrm_data.cli import entry_point; entry_point()",
        "build",
        "arc1",
        "--source",
        flat,
        "--output",
        tmp_path / "x",
    ]
    command += ["--held-out", "t1,t2", "--augmentations", "2", "--strict"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "test: 1 task, all held out with 2 tests, 2 without answer",
        "training: 10 tasks, 2 of them held out with 4 tests",
        "held out: as held_out says, t1, t2; their demonstrations are not trained on",
        f"not used, no JSON file: {flat / 'notes.txt'}",
    ]

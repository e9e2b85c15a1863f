"""The same ARC tasks in any layout make the same dataset, and every file is used or named with a reason."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hrm_data import HRMDataError
from hrm_data.arc import ArcOptions, build_arc, read_arc
from hrm_data.arc._build import content_digest
from hrm_data.arc.reading._select import read_tasks
from hrm_data.arc.reading._splits import split_of, words
from hypothesis import given, settings
from hypothesis import strategies as st

Task = dict[str, list[dict[str, list[list[int]]]]]
Splits = Mapping[str, Mapping[str, Task]]

grids = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**40)).map(
    lambda drawn: [[drawn[2] // 7 ** (3 * r + c) % 10 for c in range(drawn[1])] for r in range(drawn[0])]
)
pairs = st.fixed_dictionaries({"input": grids, "output": grids})
tasks = st.fixed_dictionaries(
    {"train": st.lists(pairs, min_size=1, max_size=3), "test": st.lists(pairs, min_size=1, max_size=2)}
)
names = st.text("abcdefgh0123", min_size=3, max_size=8)


@st.composite
def splits(draw: st.DrawFn) -> Splits:
    """Tasks by name and split, of which no two are equal."""
    found = draw(st.dictionaries(names, tasks, min_size=2, max_size=6))
    for number, task in enumerate(found.values()):
        task["train"][0]["input"] = [[number, 9, 9, 9]]
    held_out = draw(st.sets(st.sampled_from(sorted(found)), min_size=1, max_size=len(found) - 1))
    return {
        "training": {name: task for name, task in found.items() if name not in held_out},
        "evaluation": {name: task for name, task in found.items() if name in held_out},
    }


def save(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def halves(part: Mapping[str, Task]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Challenges and solutions."""
    challenges = {name: {**task, "test": [{"input": p["input"]} for p in task["test"]]} for name, task in part.items()}
    return challenges, {name: [pair["output"] for pair in task["test"]] for name, task in part.items()}


def one_file_a_task(root: Path, split: str, part: Mapping[str, Task]) -> None:
    for name, task in part.items():
        save(root / split / f"{name}.json", task)


def nested(root: Path, split: str, part: Mapping[str, Task]) -> None:
    for number, (name, task) in enumerate(part.items()):
        save(root / "data" / split / ["easy", "hard/more"][number % 2] / f"{name}.json", task)


def pairs_of(separator: str, suffix: str = "") -> Callable[[Path, str, Mapping[str, Task]], None]:
    def write(root: Path, split: str, part: Mapping[str, Task]) -> None:
        for kind, value in zip(("challenges", "solutions"), halves(part), strict=True):
            save(root / f"arc-agi{separator}{split}{suffix}{separator}{kind}.json", value)

    return write


def apart(root: Path, split: str, part: Mapping[str, Task]) -> None:
    for kind, value in zip(("challenges", "solutions"), halves(part), strict=True):
        save(root / kind / f"{split}.json", value)


def combined(root: Path, split: str, part: Mapping[str, Task]) -> None:
    save(root / f"{split}.json", part)


def listed(root: Path, split: str, part: Mapping[str, Task]) -> None:
    save(root / split / "tasks.json", [{"id": name, **task} for name, task in part.items()])


def _splits_in_one_file(root: Path, split: str, part: Mapping[str, Task]) -> None:
    path = root / "tasks.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    save(path, {**before, {"training": "train", "evaluation": "eval"}[split]: part})


LAYOUTS = [one_file_a_task, nested, pairs_of("_"), pairs_of("-"), pairs_of("_", "2"), pairs_of("."), apart, combined]
LAYOUTS += [listed, _splits_in_one_file]


@settings(max_examples=60)
@given(
    splits(), st.sampled_from(LAYOUTS), st.sampled_from(["", "zip", "gztar"]), st.sampled_from(["", "my test of arc"])
)
def test_the_same_tasks_in_any_layout_are_the_same_dataset(
    given_splits: Splits, layout: Callable[..., None], archive: str, folder: str
) -> None:
    with tempfile.TemporaryDirectory() as made:
        root = Path(made) / folder / "given"
        plain = Path(made) / "plain"
        for split, part in given_splits.items():
            one_file_a_task(plain, split, part)
            layout(root, split, part)
        (root / "README.md").write_text("No task.")
        save(root / "sample_submission.json", {name: [] for name in given_splits["evaluation"]})
        source = Path(shutil.make_archive(str(root.parent / "made"), archive, root)) if archive else root
        reading = read_tasks([source], (), "refuse", 0)
        assert content_digest(reading.items) == content_digest(read_arc([plain]))
        assert {item.name for item in reading.items if item.held_out} == set(given_splits["evaluation"])
        unused = sorted((Path(what.replace(": ", "/")).name, reason) for what, reason in reading.unused)
        assert unused == [("README.md", "no JSON file"), ("sample_submission.json", "holds no ARC task")]


@settings(max_examples=20)
@given(splits())
def test_lists_of_pairs_are_tasks_whose_last_pair_is_the_test(given_splits: Splits) -> None:
    with tempfile.TemporaryDirectory() as made:
        for split, part in given_splits.items():
            for name, task in part.items():
                single = {"train": task["train"], "test": task["test"][:1]}
                save(Path(made) / "plain" / split / f"{name}.json", single)
                save(Path(made) / "pairs" / split / f"{name}.json", single["train"] + single["test"])
        one, other = (read_arc([Path(made) / kind]) for kind in ("plain", "pairs"))
        assert content_digest(one) == content_digest(other)


@settings(max_examples=30)
@given(splits(), st.data())
def test_every_file_is_used_or_named_with_a_reason(given_splits: Splits, data: st.DataObject) -> None:
    others = {
        "notes.txt": "x",
        ".git/config.json": "{",
        "__MACOSX/training/._a.json": "x",
        "more.zip": "x",
        "training/package.json": '{"name": "other"}',
        "metadata.json": '{"a": {"n": 3}}',
        "corpus/Copy/CopyMinimal.json": "{}",
        "other_solutions.json": '{"nobody": [[[1]]]}',
    }
    chosen = data.draw(st.sets(st.sampled_from(sorted(others))))
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        for split, part in given_splits.items():
            one_file_a_task(root, split, part)
        for name in chosen:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(others[name])
        reading = read_tasks([root], (), "refuse", 0)
        used = {str(item.file.relative_to(root.resolve())) for item in reading.items}
        named = {str(Path(what).relative_to(root)) for what, reason in reading.unused if reason}
        assert named == chosen
        assert used | named == {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("arc-agi_evaluation2_challenges", "evaluation"),
        ("arc-agi_training-challenges", "training"),
        ("arcEvaluation", "evaluation"),
        ("ARC_EVAL", "evaluation"),
        ("validation set", "evaluation"),
        ("test2", "test"),
        ("training_test", "test"),
        ("latest", ""),
        ("retrain", ""),
        ("medieval", ""),
    ],
)
def test_a_split_is_a_word_in_a_name(name: str, split: str) -> None:
    assert split_of([name]) == split
    assert split_of(["easy", name, "evaluation"]) == (split or "evaluation")


@given(st.lists(st.from_regex(r"[a-z]{1,6}|[0-9]{1,3}", fullmatch=True), min_size=1), st.sampled_from("_-. "))
def test_words_do_not_depend_on_what_separates_them(parts: list[str], separator: str) -> None:
    assert words(separator.join(parts)) == tuple(parts)


def test_the_name_of_a_source_counts_only_if_it_is_that_of_a_split(tmp_path: Path) -> None:
    task = {"train": [{"input": [[1]], "output": [[2]]}], "test": [{"input": [[1]], "output": [[2]]}]}
    for folder, held_out in (("my test of arc", False), ("evaluation", True), ("Test2", True)):
        save(tmp_path / folder / "a.json", task)
        for source in (tmp_path / folder, tmp_path / folder / "a.json"):
            assert [item.held_out for item in read_arc([source])] == [held_out]


def test_solutions_that_disagree_are_refused(tmp_path: Path) -> None:
    save(
        tmp_path / "evaluation.json", {"a": {"train": [{"input": [[1]], "output": [[2]]}], "test": [{"input": [[1]]}]}}
    )
    save(tmp_path / "one_solutions.json", {"a": [[[3]]]})
    assert read_arc([tmp_path])[0].tests[0][1].tolist() == [[3]]
    save(tmp_path / "two_solutions.json", {"a": [[[4]]]})
    with pytest.raises(
        HRMDataError, match=r"one_solutions.json and .*two_solutions.json have different answers for .* a"
    ):
        read_arc([tmp_path])


def test_what_is_used_and_what_is_not_stands_in_the_dataset(tmp_path: Path, arc_tasks: Path) -> None:
    shutil.copytree(arc_tasks, tmp_path / "tasks")
    (tmp_path / "tasks" / "README.md").write_text("")
    options = ArcOptions(source=tmp_path / "tasks", augmentations=0)
    task = json.loads((build_arc(tmp_path / "x", options) / "task.json").read_text())
    assert task["held_out"] == {"tasks": 2, "tests": 3, "without_answer": 0}
    assert task["not_used"] == {"no JSON file": [str(tmp_path / "tasks" / "README.md")]}

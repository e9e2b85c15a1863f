"""ARC datasets: what they hold, and that online and offline are the same."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hrm_data import Dataset, HRMDataError, TestLoader, TrainLoader, get_family, get_task, open_dataset
from hrm_data.arc import ArcOptions, ArcTask, build_arc, crop, parse_identifier, read_arc
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

CORPORA = Path(os.environ.get("HRM_ARC_DATA", Path(__file__).parents[5] / "shared" / "data"))
PUBLISHED = {
    "arc1": (("arc-agi-1.tar.xz", "concept-arc.tar.xz"), 959, 400),
    "arc2": (("arc-agi-2.tar.xz",), 1120, 120),
}


def options(arc_tasks: Path, **fields: object) -> ArcOptions:
    return ArcOptions(**{"source": (arc_tasks,), "augmentations": 40, "seed": 3, **fields})


@pytest.fixture(scope="module")
def both(arc_tasks: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same dataset online and offline."""
    root = tmp_path_factory.mktemp("built")
    online = build_arc(root / "online", options(arc_tasks))
    return online, build_arc(root / "offline", options(arc_tasks, online=False))


def puzzles(
    dataset: Dataset, which: Iterable[int] | None = None
) -> list[tuple[int, str, list[tuple[np.ndarray, np.ndarray]]]]:
    """Group, identifier and canvases of puzzles, by default of all."""
    item = dataset.sets["all"]
    found = []
    for puzzle in range(item.puzzles) if which is None else which:
        group = int(np.searchsorted(item.group_indices, puzzle, side="right")) - 1
        inputs, labels = item.rows(np.arange(*item.puzzle_indices[puzzle : puzzle + 2]))
        pairs = [(a.reshape(30, 30), b.reshape(30, 30)) for a, b in zip(inputs, labels, strict=True)]
        found.append((group, dataset.identifiers[item.puzzle_identifiers[puzzle]], pairs))
    return found


def corner(canvas: np.ndarray) -> tuple[int, int]:
    """Where the grid on a canvas begins."""
    shown = canvas > 1
    return int(shown.any(axis=1).argmax()), int(shown.any(axis=0).argmax())


def grid_at(canvas: np.ndarray, row: int, column: int) -> np.ndarray:
    moved = np.zeros_like(canvas)
    moved[: 30 - row, : 30 - column] = canvas[row:, column:]
    return crop(moved)


def test_online_and_offline_are_the_same_dataset(both: tuple[Path, Path]) -> None:
    for split in ("train", "test"):
        online, offline = (open_dataset(root, split) for root in both)
        assert online.metadata == offline.metadata
        assert list(online.identifiers) == list(offline.identifiers)
        assert [online.identifiers[i] for i in range(len(online.identifiers))] == list(offline.identifiers)
        one, other = online.sets["all"], offline.sets["all"]
        for field in ("inputs", "labels", "puzzle_identifiers", "puzzle_indices", "group_indices"):
            assert np.array_equal(np.asarray(getattr(one, field)), getattr(other, field)), field


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**40), st.integers(0, 10**6), st.integers(1, 50))
def test_online_and_offline_give_the_same_batches(
    both: tuple[Path, Path], seed: int, position: int, batch_size: int
) -> None:
    online, offline = (
        TrainLoader(open_dataset(root, "train"), batch_size, seed=seed, position=position) for root in both
    )
    for _ in range(2):
        one, other = next(online), next(offline)
        assert all(np.array_equal(one[key], other[key]) for key in one)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_an_online_set_is_indexed_like_an_array(both: tuple[Path, Path], data: st.DataObject) -> None:
    online, offline = (open_dataset(root, "train").sets["all"] for root in both)
    count = offline.examples
    numbers = st.integers(-count, count - 1)
    index = data.draw(
        numbers
        | st.lists(numbers, max_size=5).map(lambda items: np.array(items, int))
        | st.slices(count)
        | st.lists(st.booleans(), min_size=count, max_size=count).map(np.array)
        | st.tuples(numbers, st.slices(900))
    )
    assert online.inputs.shape == offline.inputs.shape
    assert np.array_equal(online.inputs[index], offline.inputs[index])
    assert np.array_equal(online.labels[index], offline.labels[index])
    with pytest.raises(IndexError):
        online.inputs[count]


def test_test_batches_are_the_same_too(both: tuple[Path, Path]) -> None:
    online, offline = (list(TestLoader(open_dataset(root, "test"), 7)) for root in both)
    assert len(online) == len(offline) > 2
    for one, other in zip(online, offline, strict=True):
        assert all(np.array_equal(one[key], other[key]) for key in one)


def test_undoing_every_copy_gives_the_pairs_of_the_original_task(arc_tasks: Path, both: tuple[Path, Path]) -> None:
    items = {item.name: item for item in read_arc([arc_tasks])}
    for split in ("train", "test"):
        for _, identifier, pairs in puzzles(open_dataset(both[1], split)):
            name, augmentation = parse_identifier(identifier)
            item = items[name]
            expected = [*item.demonstrations, *(() if item.held_out else item.tests)]
            if split == "test":
                expected = list(item.tests)
            places = [corner(inputs) for inputs, _ in pairs]
            assert (0, 0) in places
            assert split == "train" or set(places) == {(0, 0)}
            for (inputs, labels), place, (before, after) in zip(pairs, places, expected, strict=True):
                for canvas, grid in ((inputs, before), (labels, after)):
                    found = grid_at(canvas, *place)
                    assert np.array_equal(augmentation.undo(found) if augmentation else found, grid)


def test_groups_are_tasks_and_copies_differ(arc_tasks: Path, both: tuple[Path, Path]) -> None:
    names = [item.name for item in read_arc([arc_tasks])]
    held_out = [item.name for item in read_arc([arc_tasks]) if item.held_out]
    for split, tasks in (("train", names), ("test", held_out)):
        dataset = open_dataset(both[0], split)
        seen: dict[str, set] = {}
        for group, identifier, pairs in puzzles(dataset):
            name = parse_identifier(identifier)[0]
            assert name == tasks[group]
            shown = frozenset(
                Counter((grid_at(a, *corner(a)).tobytes(), grid_at(b, *corner(a)).tobytes()) for a, b in pairs).items()
            )
            if split == "train" and name not in held_out:  # of a held-out task the tests tell copies apart too
                assert shown not in seen.setdefault(name, set())
                seen[name].add(shown)
    assert [g for g, _, _ in puzzles(open_dataset(both[0], "train"))].count(names.index("plain")) == 9
    assert [g for g, _, _ in puzzles(open_dataset(both[0], "train"))].count(names.index("flip")) == 41


def test_every_copy_has_an_identifier_of_its_own_that_train_and_test_share(both: tuple[Path, Path]) -> None:
    train, test = (open_dataset(both[0], split) for split in ("train", "test"))
    assert train.identifiers[0] == "<blank>"
    assert len(set(train.identifiers)) == len(train.identifiers) == train.metadata.num_puzzle_identifiers
    assert train.sets["all"].puzzle_identifiers.tolist() == list(range(1, len(train.identifiers)))
    assert set(test.sets["all"].puzzle_identifiers) < set(train.sets["all"].puzzle_identifiers)
    assert train.metadata.total_groups == 5
    assert test.metadata.total_groups == 2
    assert (train.metadata.vocab_size, train.metadata.seq_len, train.metadata.ignore_label_id) == (12, 900, 0)


def test_transforms_colours_and_offsets_are_drawn_evenly(arc_tasks: Path, tmp_path: Path) -> None:
    sources = (arc_tasks / "training" / "flip.json", arc_tasks / "evaluation" / "plain.json")
    root = build_arc(tmp_path / "x", options(arc_tasks, source=sources, augmentations=3000))
    transforms, colours, moved = Counter[int](), Counter[int](), Counter[int]()
    places = []
    for _, identifier, pairs in puzzles(open_dataset(root, "train")):
        name, augmentation = parse_identifier(identifier)
        if name == "flip" and augmentation is not None:
            transforms[augmentation.transform] += 1
            colours[augmentation.colours[1]] += 1
            if augmentation.transform == 0:
                found = [corner(inputs) for inputs, _ in pairs]
                moved[sum(place != (0, 0) for place in found)] += 1
                places.append(found[1])
    for counts, kinds in ((transforms, 8), (colours, 9)):
        assert counts.total() == 3000
        assert len(counts) == kinds
        assert max(counts.values()) < 1.3 * min(counts.values())
    assert set(moved) <= {0, 1, 2, 3}  # of four examples one stays, others come to stay by chance
    assert moved[3] > 0.9 * moved.total()
    assert 0.15 < places.count((0, 0)) / len(places) < 0.35
    assert {row for row, _ in places} == set(range(29))  # the pair is two rows high and three columns wide
    assert {column for _, column in places} == set(range(28))


def test_seeds_differ_and_a_task_s_copies_depend_on_nothing_but_the_seed(arc_tasks: Path, tmp_path: Path) -> None:
    whole = open_dataset(build_arc(tmp_path / "a", options(arc_tasks)), "train")
    again = open_dataset(build_arc(tmp_path / "b", options(arc_tasks)), "train")
    other = open_dataset(build_arc(tmp_path / "c", options(arc_tasks, seed=4)), "train")
    alone = open_dataset(build_arc(tmp_path / "d", options(arc_tasks, source=(arc_tasks / "evaluation",))), "train")
    assert list(whole.identifiers) == list(again.identifiers)
    assert set(whole.identifiers) & set(other.identifiers) < set(whole.identifiers)
    assert set(alone.identifiers) < set(whole.identifiers)
    mine = {identifier: pairs for _, identifier, pairs in puzzles(whole)}
    for _, identifier, pairs in puzzles(alone):
        assert np.array_equal(pairs, mine[identifier])


@pytest.mark.parametrize("online", [True, False])
def test_the_same_options_give_the_same_files(arc_tasks: Path, tmp_path: Path, online: bool) -> None:
    one, two = (build_arc(tmp_path / name, options(arc_tasks, online=online, augmentations=3)) for name in "ab")
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(two) for path in two.rglob("*") if path.is_file())
    for path in files:
        assert (one / path).read_bytes() == (two / path).read_bytes()
    task = open_dataset(one, "train").task
    assert task is not None
    assert ArcOptions.model_validate(task["options"]) == options(arc_tasks, online=online, augmentations=3)
    assert task["tasks"] == {"training": 2, "evaluation": 2, "concept": 1}
    assert get_task(one) == ArcTask("arc1")


def test_without_augmentations_there_are_the_originals(arc_tasks: Path, tmp_path: Path) -> None:
    dataset = open_dataset(build_arc(tmp_path / "x", options(arc_tasks, augmentations=0)), "train")
    assert list(dataset.identifiers) == ["<blank>", "Above1", "count", "plain", "flip", "wide"]


def test_a_subset_takes_so_many_tasks_of_each_kind(arc_tasks: Path, tmp_path: Path) -> None:
    dataset = open_dataset(build_arc(tmp_path / "x", options(arc_tasks, subset=1)), "train")
    assert dataset.task is not None
    assert dataset.task["tasks"] == {"training": 1, "evaluation": 1, "concept": 1}
    assert dataset.metadata.total_groups == 3


def test_an_interrupted_build_leaves_nothing(arc_tasks: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int, what: str) -> None:
        if what == "writing test":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_arc(tmp_path / "deep" / "x", options(arc_tasks, online=False), interrupt)
    assert not list((tmp_path / "deep").iterdir())


def test_a_build_tells_how_far_it_is(arc_tasks: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    build_arc(tmp_path / "x", options(arc_tasks, online=False), lambda *now: told.append(now))
    assert [now for now in told if now[2] == "writing train"] == [(n, 5, "writing train") for n in range(6)]
    assert told[-1] == (2, 2, "writing test")


def test_nothing_is_overwritten(arc_tasks: Path, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(HRMDataError, match="x exists already"):
        build_arc(tmp_path / "x", options(arc_tasks))


def test_a_full_disk_leaves_nothing(arc_tasks: Path, small_disk: Path) -> None:
    with pytest.raises(HRMDataError, match=r"x cannot be written \(No space left.*nothing was kept, free some space"):
        build_arc(small_disk / "x", options(arc_tasks, online=False))
    assert not list(small_disk.iterdir())


def test_without_tasks_the_message_says_what_to_give(tmp_path: Path, arc_tasks: Path) -> None:
    with pytest.raises(HRMDataError, match=r"arc2 cannot be generated: give its task files as source.*download"):
        build_arc(tmp_path / "x", name="arc2")
    for nothing in ("", ",", [], ["", ""]):  # as of an unset variable; not the working directory
        assert ArcOptions(source=nothing).source == ()
    with pytest.raises(
        HRMDataError, match=r"training: nothing is held out.* named evaluation.*say which with held_out"
    ):
        build_arc(tmp_path / "x", options(arc_tasks, source=(arc_tasks / "training",)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"source": "a", "download": True}, "source and download are both given"),
        ({"augmentations": -1}, "augmentations"),
        ({"subset": 0}, "subset"),
        ({"seed": -1}, "seed"),
        ({"kind": "x"}, "kind"),
    ],
)
def test_options_that_make_no_sense_are_refused(fields: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ArcOptions(**fields)


def test_sources_may_be_written_with_commas() -> None:
    assert ArcOptions(source="a,b/c.zip").source == (Path("a"), Path("b/c.zip"))
    assert ArcOptions(source=Path("a")).source == (Path("a"),)
    assert ArcOptions(source=["a", "b"]).source == (Path("a"), Path("b"))


def _npy(change):  # type: ignore[no-untyped-def]
    def apply(path: Path) -> None:
        array = np.load(path)
        np.save(path, change(array))

    return apply


def _json(change):  # type: ignore[no-untyped-def]
    def apply(path: Path) -> None:
        value = json.loads(path.read_text())
        change(value)
        path.write_text(json.dumps(value))

    return apply


def _set(array: np.ndarray, index: object, value: int) -> np.ndarray:
    array[index] = value
    return array


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("online/cells.npy", lambda path: path.unlink(), "cells.npy is missing"),
        ("online/cells.npy", lambda path: path.write_bytes(path.read_bytes()[:-1]), "not a readable .npy file"),
        ("online/cells.npy", _npy(lambda a: a[:-1]), r"cells.npy has shape \(\d+,\); expected \(\d+,\)"),
        ("online/cells.npy", _npy(lambda a: _set(a, 5, 10)), r"cells.npy holds 0..10; expected 0..9"),
        ("online/cells.npy", _npy(lambda a: a.astype(float)), "has dtype float64; expected integers"),
        ("online/shapes.npy", _npy(lambda a: a[:-2]), r"shapes.npy has shape \(\d+, 2\); the pairs in tasks.json need"),
        ("online/shapes.npy", _npy(lambda a: _set(a, (0, 0), 31)), "shape|shapes.npy holds 1..31; expected 1..30"),
        ("online/codes.npy", _npy(lambda a: a[:-1]), "codes.npy has shape"),
        ("online/codes.npy", _npy(lambda a: _set(a, 1, 8 * 362880)), "codes.npy holds 0..2903040; expected 0..2903039"),
        ("online/codes.npy", _npy(lambda a: _set(a, 0, 7)), "the first copy of task 0 has code 7"),
        ("online/tasks.json", lambda path: path.unlink(), "tasks.json cannot be read"),
        ("online/tasks.json", lambda path: path.write_text("{"), "tasks.json: .*JSON"),
        ("online/tasks.json", _json(lambda v: v.pop("seed")), "tasks.json: field seed: Field required"),
        ("online/tasks.json", _json(lambda v: v["tasks"][0].update(copies=0)), "field tasks.0.copies"),
        ("online/tasks.json", _json(lambda v: v["tasks"][0].update(copies=2**40)), "field tasks.0.copies"),
        ("online/tasks.json", _json(lambda v: v["tasks"][0].update(tests=2**62)), "field tasks.0.tests"),
        ("online/tasks.json", _json(lambda v: v["tasks"][0].update(tests=9)), "shapes.npy has shape"),
        ("online/tasks.json", _json(lambda v: v["tasks"][0].update(name="count")), "names the task 'count' twice"),
        ("train/dataset.json", _json(lambda v: v.update(num_puzzle_identifiers=9)), "num_puzzle_identifiers is 9, but"),
        ("train/dataset.json", _json(lambda v: v.update(seq_len=81)), "field seq_len is 81, but the tasks in"),
        ("train/dataset.json", _json(lambda v: v.update(total_groups=4)), "field total_groups is 4, but"),
        ("train/dataset.json", _json(lambda v: v.update(mean_puzzle_examples=9.0)), "field mean_puzzle_examples is 9"),
    ],
)
def test_a_damaged_online_dataset_is_named_with_the_place(
    both: tuple[Path, Path], tmp_path: Path, file: str, change, message: str
) -> None:  # type: ignore[no-untyped-def]
    root = tmp_path / "copy"
    shutil.copytree(both[0], root)
    change(root / file)
    with pytest.raises(HRMDataError, match=message) as caught:
        open_dataset(root, "train")
    assert str(root) in str(caught.value)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_corpora_round_trip_and_have_the_reference_s_counts(name: str, tmp_path: Path) -> None:
    files, tasks, held_out = PUBLISHED[name]
    sources = [CORPORA / file for file in files]
    for source in sources:
        if not source.exists():
            pytest.skip(f"{source} is not there; HRM_ARC_DATA names the directory of the published archives")
    family = get_family(name)
    root = family.build(tmp_path / "x", ArcOptions(source=tuple(sources), augmentations=10), lambda *now: None)
    train, test = (open_dataset(root, split) for split in ("train", "test"))
    assert (train.metadata.total_groups, test.metadata.total_groups) == (tasks, held_out)
    if name == "arc1":  # the reference's builder trains on one more task, which is held out under another name
        copies, pairs = 11, 3
        assert train.examples + test.examples == 48_469 - copies * pairs
        assert (train.sets["all"].puzzles, test.sets["all"].puzzles) == (10_558 - copies, 4_398)
        assert len(train.identifiers) == 10_559 - copies
    items = {item.name: item for item in read_arc(sources)}
    item = train.sets["all"]
    originals = puzzles(train, item.group_indices[:-1])
    assert {identifier for _, identifier, _ in originals} == set(items)
    for _, identifier, pairs in originals + puzzles(train, range(0, item.puzzles, 37)):
        base, augmentation = parse_identifier(identifier)
        task = items[base]
        expected = [*task.demonstrations, *(() if task.held_out else task.tests)]
        for (inputs, labels), (before, after) in zip(pairs, expected, strict=True):
            place = corner(inputs)
            for canvas, grid in ((inputs, before), (labels, after)):
                found = grid_at(canvas, *place)
                assert np.array_equal(augmentation.undo(found) if augmentation else found, grid)

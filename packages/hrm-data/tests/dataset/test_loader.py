from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hrm_data import Dataset, HRMDataError, NumpyBatch, TestLoader, TrainLoader, make_batch, open_dataset
from hrm_data.sudoku import SudokuAugment
from hypothesis import given, settings
from hypothesis import strategies as st


def same(one: NumpyBatch, two: NumpyBatch) -> bool:
    return one.keys() == two.keys() and all((one[key] == two[key]).all() for key in one)


def numbers(batch: NumpyBatch) -> list[tuple[int, int]]:
    """(set, example) of every example of the ragged dataset."""
    return [(int(s) - 2, (int(a) - 2) * 10 + int(b) - 2) for s, a, b in batch["inputs"]]


@pytest.fixture
def train(sudoku: Path) -> Dataset:
    return open_dataset(sudoku, "train")


def test_batches_have_the_documented_shapes_and_types(train: Dataset) -> None:
    batch = next(TrainLoader(train, 8))
    assert {key: (value.shape, value.dtype) for key, value in batch.items()} == {
        "inputs": ((8, 16), np.int32),
        "labels": ((8, 16), np.int32),
        "puzzle_identifiers": ((8,), np.int32),
    }


def test_labels_of_the_ignored_token_become_minus_100(ragged: Dataset) -> None:
    batch = next(TrainLoader(ragged, 20))
    assert ((batch["labels"] == -100) == (batch["inputs"] % 3 == 0)).all()
    assert (batch["labels"] == -100).any()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 120), st.integers(0, 2**40), st.integers(1, 30), st.booleans())
def test_resuming_equals_not_stopping(
    ragged: Dataset, sudoku: Path, position: int, seed: int, batch_size: int, uniform: bool
) -> None:
    dataset = open_dataset(sudoku, "train") if uniform else ragged
    augment = SudokuAugment((2, 2), hints=0.5) if uniform else None
    through = TrainLoader(dataset, batch_size, seed=seed, augment=augment, epochs_per_iteration=20)
    for _ in range(position):
        next(through)
    assert through.position == position
    resumed = TrainLoader(
        dataset, batch_size, seed=seed, augment=augment, position=through.position, epochs_per_iteration=20
    )
    for _ in range(3):
        assert same(next(through), next(resumed))


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([1, 2, 3, 4, 6]), st.integers(0, 50), st.booleans())
def test_ranks_share_the_global_batch_without_overlap(
    ragged: Dataset, sudoku: Path, world_size: int, position: int, uniform: bool
) -> None:
    dataset = open_dataset(sudoku, "train") if uniform else ragged
    augment = SudokuAugment((2, 2), hints=0.5) if uniform else None
    options = {"seed": 1, "position": position, "augment": augment}
    whole = next(TrainLoader(dataset, 12, **options))
    parts = [next(TrainLoader(dataset, 12, rank=r, world_size=world_size, **options)) for r in range(world_size)]
    joined = {key: np.concatenate([part[key] for part in parts]) for key in whole}
    assert same(joined, whole)
    assert all(len(part["inputs"]) == 12 // world_size for part in parts)


def test_each_epoch_has_every_group_once_and_drops_only_the_last_partial_batch(train: Dataset) -> None:
    loader = TrainLoader(train, 16, epochs_per_iteration=1)
    for _ in range(5):
        rows = np.concatenate([next(loader)["inputs"] for _ in range(3)])  # 50 groups: 3 batches of 16
        assert len(np.unique(rows, axis=0)) == 48


def test_several_epochs_are_concatenated(train: Dataset) -> None:
    loader = TrainLoader(train, 20, epochs_per_iteration=2)
    rows = np.concatenate([next(loader)["inputs"] for _ in range(5)])
    assert (np.unique(rows, axis=0, return_counts=True)[1] == 2).all()
    assert len(np.unique(rows[:50], axis=0)) == 50


def test_orders_differ_between_epochs_and_seeds(train: Dataset) -> None:
    first, second = (TrainLoader(train, 50, epochs_per_iteration=1).batch_at(i) for i in (0, 1))
    assert not same(first, second)
    assert not same(first, TrainLoader(train, 50, epochs_per_iteration=1, seed=1).batch_at(0))
    assert same(first, TrainLoader(train, 50, epochs_per_iteration=1).batch_at(0))


def test_a_group_gives_one_puzzle_and_all_of_its_examples_until_the_batch_is_full(ragged: Dataset) -> None:
    loader = TrainLoader(ragged, 7, epochs_per_iteration=3)
    for _ in range(60):
        batch = next(loader)
        drawn = numbers(batch)
        assert len({s for s, _ in drawn}) == 1
        item = list(ragged.sets.values())[drawn[0][0]]
        owner = np.searchsorted(item.puzzle_indices, [example for _, example in drawn], side="right") - 1
        assert (item.puzzle_identifiers[owner] == batch["puzzle_identifiers"]).all()
        runs = np.split(np.arange(7), np.flatnonzero(np.diff(owner)) + 1)
        for at, run in enumerate(runs):
            examples = {drawn[i][1] for i in run}
            size = item.puzzle_indices[owner[run[0]] + 1] - item.puzzle_indices[owner[run[0]]]
            # A puzzle drawn twice in a row (in two epochs) makes a run of up to twice its size.
            assert len(examples) == min(len(run), size) or len(run) > size
            assert at == len(runs) - 1 or len(run) % size == 0


def test_every_puzzle_and_example_is_drawn_in_time(ragged: Dataset) -> None:
    loader = TrainLoader(ragged, 5)
    seen = {number for _ in range(600) for number in numbers(next(loader))}
    assert len(seen) == ragged.examples


YEARS = 60  # seconds: a walk through all batches up to a far position would take years


def test_a_far_position_is_reached_at_once(train: Dataset) -> None:
    began = time.perf_counter()
    far = TrainLoader(train, 16, position=10**12)
    batch = next(far)
    assert time.perf_counter() - began < YEARS
    assert far.position == 10**12 + 1
    assert same(batch, TrainLoader(train, 16).batch_at(10**12))


def test_a_batch_larger_than_the_split_is_filled_from_several_epochs(train: Dataset) -> None:
    assert len(next(TrainLoader(train, 200))["inputs"]) == 200


def test_augmentation_gets_the_batch_and_new_randomness_at_each_position(train: Dataset) -> None:
    drawn = []

    def augment(inputs: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        drawn.append(rng.integers(2**60))
        return inputs + 1, labels

    plain, loader = TrainLoader(train, 8), TrainLoader(train, 8, augment=augment)
    for _ in range(3):
        assert (next(loader)["inputs"] == next(plain)["inputs"] + 1).all()
    assert len(set(drawn)) == 3
    loader.batch_at(1)
    assert drawn[3] == drawn[1]


def test_an_augmentation_that_changes_the_shape_is_refused(train: Dataset) -> None:
    with pytest.raises(HRMDataError, match="augment returned shapes"):
        next(TrainLoader(train, 8, augment=lambda x, y, rng: (x[:4], y)))


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_the_test_loader_gives_every_example_once_in_order(sudoku: Path, world_size: int) -> None:
    dataset = open_dataset(sudoku, "test")  # 11 examples
    ranks = [TestLoader(dataset, 8, rank=r, world_size=world_size) for r in range(world_size)]
    assert [len(loader) for loader in ranks] == [2] * world_size
    steps = [[np.concatenate([b[key] for b in step]) for step in zip(*ranks, strict=True)] for key in ranks_keys]
    inputs, labels, names = (np.concatenate(key) for key in steps)
    assert inputs.shape == labels.shape == (16, 16)
    assert (inputs[:11] == dataset.sets["all"].inputs).all()
    assert (labels[:11] == dataset.sets["all"].labels).all()
    assert (inputs[11:] == 0).all()
    assert (labels[11:] == -100).all()
    assert (names == 0).all()


ranks_keys = ("inputs", "labels", "puzzle_identifiers")


@pytest.mark.parametrize("limit", [1, 2, 7, 1000])
def test_a_limit_takes_examples_that_are_evenly_spread_over_all_sets(ragged: Dataset, limit: int) -> None:
    def real(loader: TestLoader) -> list[tuple[int, int]]:
        return [number for _, batch, count in loader.by_set() for number in numbers(batch)[:count]]

    everything, some = real(TestLoader(ragged, 6)), real(TestLoader(ragged, 6, limit=limit))
    assert len(some) == min(limit, len(everything))
    places = [everything.index(number) for number in some]
    assert places[0] == 0
    gaps = np.diff([*places, len(everything)])
    assert gaps.max() - gaps.min() <= 1
    assert len(TestLoader(ragged, 6, limit=limit)) == len(list(TestLoader(ragged, 6, limit=limit)))
    with pytest.raises(HRMDataError, match="limit is 0"):
        TestLoader(ragged, 6, limit=0)


def test_sets_are_tested_one_after_the_other(ragged: Dataset) -> None:
    triples = list(TestLoader(ragged, 6).by_set())
    assert [name for name, _, _ in triples] == sorted(name for name, _, _ in triples)
    assert sum(real for _, _, real in triples) == ragged.examples
    got = [number for _, batch, real in triples for number in numbers(batch)[:real]]
    expected = [(s, e) for s, item in enumerate(ragged.sets.values()) for e in range(item.examples)]
    assert got == expected
    for name, batch, real in triples:
        item = ragged.sets[name]
        owner = [np.searchsorted(item.puzzle_indices, e, side="right") - 1 for _, e in numbers(batch)[:real]]
        assert (batch["puzzle_identifiers"][:real] == item.puzzle_identifiers[owner]).all()
        assert (batch["puzzle_identifiers"][real:] == 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 9, "world_size": 2}, "multiple of world_size 2"),
        ({"rank": 2, "world_size": 2}, "rank is 2"),
        ({"rank": -1}, "rank is -1"),
        ({"world_size": 0}, "world_size is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"position": -1}, "position is -1"),
        ({"epochs_per_iteration": 0}, "epochs_per_iteration is 0"),
        ({"epochs_per_iteration": 1, "batch_size": 64}, "too few examples for one batch of 64"),
    ],
)
def test_wrong_numbers_are_refused(train: Dataset, options: dict, message: str) -> None:
    with pytest.raises(HRMDataError, match=message):
        TrainLoader(train, **{"batch_size": 8, **options})


def test_a_far_position_is_reached_at_once_when_puzzles_differ_in_size_too(ragged: Dataset) -> None:
    began = time.perf_counter()
    far = next(TrainLoader(ragged, 16, position=10**12))
    assert time.perf_counter() - began < YEARS
    assert same(far, TrainLoader(ragged, 16).batch_at(10**12))


def test_a_batch_of_any_examples_has_them_in_the_order_named(ragged: Dataset) -> None:
    batches = [{key: array[:real] for key, array in batch.items()} for _, batch, real in TestLoader(ragged, 6).by_set()]
    everything = {key: np.concatenate([batch[key] for batch in batches]) for key in ranks_keys}
    examples = np.random.default_rng(0).permutation(ragged.examples)
    for key, array in make_batch(ragged, examples).items():
        assert array.dtype == np.int32
        assert (array == everything[key][examples]).all()
    assert make_batch(ragged, np.arange(0))["inputs"].shape == (0, 3)
    for number in (-1, ragged.examples):
        with pytest.raises(HRMDataError, match=f"{number}"):
            make_batch(ragged, np.array([0, number]))
